"""A stand-in for Azure, and logins to it."""

from __future__ import annotations

import pytest
from servers.arm import arm_server

from airflow_carbon.azure.arm import Arm
from airflow_carbon.azure.login import Login


@pytest.fixture(scope="session")
def running():
    with arm_server() as azure:
        yield azure


@pytest.fixture
def azure(running):
    running.control.reset()
    running.control.clear_faults()
    return running


@pytest.fixture
def login(azure) -> Login:
    return Login(
        subscription_id=azure.subscription,
        tenant_id=azure.tenant,
        client_id=azure.client,
        client_secret=azure.secret,
        arm_endpoint=azure.url,
        authority=azure.url,
        ca_file=azure.ca,
    )


@pytest.fixture
def arm(login):
    with Arm(login) as found:
        yield found
