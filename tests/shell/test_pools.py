"""Policies by pool, from Airflow's configuration."""

from __future__ import annotations

import json

import pytest

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, Policy
from airflow_carbon.core.errors import InvalidOptionError

GPU = {"workload": "delay_tolerant", "max_delay": "12h"}


def sensor(**arguments) -> CarbonAwareSensor:
    return CarbonAwareSensor(task_id="wait", zone="DE", duration="1h", **arguments)


@pytest.fixture
def gpu_pool(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CARBON__POOL_POLICIES", json.dumps({"gpu": GPU}))


@pytest.mark.usefixtures("gpu_pool")
def test_a_task_of_the_pool_waits_as_the_pool_does():
    assert Policy.read(sensor(pool="gpu").policy) == Policy.read(GPU)
    choose = ChooseRegionOperator(task_id="choose", duration="1h", pool="gpu")
    assert Policy.read(choose.policy) == Policy.read(GPU)


@pytest.mark.usefixtures("gpu_pool")
def test_a_task_that_names_a_policy_keeps_it():
    assert sensor(pool="gpu", policy="real_time").policy == {"workload": "real_time"}


@pytest.mark.usefixtures("gpu_pool")
def test_another_pool_has_none():
    with pytest.raises(InvalidOptionError, match="give deadline="):
        sensor()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{gpu}", "a JSON object"),
        ("[]", "a JSON object"),
        ('{"gpu": {"delay": "4h"}}', "policy='delay'"),
    ],
)
def test_a_configuration_that_can_not_be_read_says_what_to_write(monkeypatch, text, says):
    monkeypatch.setenv("AIRFLOW__CARBON__POOL_POLICIES", text)

    with pytest.raises(InvalidOptionError, match=says):
        sensor(pool="gpu")
