"""Waits that share a capacity: not everybody in the same clean hour."""

from __future__ import annotations

import json
from collections import Counter
from datetime import timedelta
from functools import partial

import pytest
from strategies import T0, forecast_of

from airflow_carbon import CarbonAwareSensor, clock
from airflow_carbon.core.capacity import Capacity
from airflow_carbon.core.decision import Reason, StartNow, decide
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.shares import reservations_of, shared_decision
from airflow_carbon.ledger.reservations import Holder, Reservations
from airflow_carbon.ledger.store import Ledger

HOUR = timedelta(hours=1)
DAY = [300.0] * 10 + [100.0, 90.0, 95.0, 110.0] + [300.0] * 34


@pytest.fixture
def reservations(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}") as ledger:
        yield Reservations(ledger)


def waits(reservations, count, slots, hours=24):
    """Let many waits look every hour until all have started; return their answers."""
    capacity = Capacity(name="gpu", slots=slots)
    flex = Flexibility(duration=HOUR, earliest=T0, deadline=T0 + (hours + 1) * HOUR)
    planned, started, now = dict.fromkeys(range(count)), {}, T0
    while len(started) < count:
        for i in [i for i in range(count) if i not in started]:
            decision = partial(decide, forecast_of(DAY), now=now, planned=planned[i])
            holder = Holder(dag_id="d", task_id="t", run_id=str(i))
            answer = shared_decision(reservations, capacity, holder, flex, decision, now=now)
            if isinstance(answer, StartNow):
                started[i] = (now, answer)
            else:
                planned[i] = answer.window
        now += HOUR
    return started


def test_many_waits_spread_over_the_clean_hours_and_never_exceed_the_capacity(reservations):
    started = waits(reservations, count=20, slots=4)

    by_hour = Counter((at - T0) // HOUR for at, _ in started.values())
    assert max(by_hour.values()) <= 4
    assert {hour for hour, number in by_hour.items() if number == 4} >= {10, 11, 12, 13}
    assert {answer.because for _, answer in started.values()} == {Reason.CLEAN}


def test_without_a_shared_capacity_all_start_in_the_same_hour():
    started = waits(None, count=5, slots=1)

    assert {at for at, _ in started.values()} == {T0 + 11 * HOUR}


def test_a_capacity_that_is_too_small_yields_to_the_deadline(reservations):
    started = waits(reservations, count=9, slots=1, hours=4)

    assert max(at for at, _ in started.values()) == T0 + 4 * HOUR
    assert {i for i, (_, answer) in started.items() if answer.because is Reason.DEADLINE}


def test_a_ledger_that_can_not_be_had_costs_no_wait(monkeypatch, tmp_path, caplog):
    broken = {"conn_type": "sqlite", "host": str(tmp_path)}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(broken))

    assert reservations_of(CarbonHook()) is None


def test_the_sensor_on_a_worker_reserves_what_it_starts(monkeypatch, tmp_path):
    file = tmp_path / "shared.db"
    place = {"conn_type": "sqlite", "host": str(file)}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(place))
    wait = CarbonAwareSensor(
        task_id="wait",
        zone="DE",
        duration="1h",
        policy={"workload": "real_time", "capacity": {"name": "gpu", "slots": 2}},
    )
    wait.submitted, wait.carbon_aware = clock.now().isoformat(), True

    class Instance:
        dag_id, task_id, run_id, map_index = "d", "wait", "r", None

    plan = wait.execute({"ti": Instance()})

    with Ledger.open(f"sqlite:///{file}") as ledger:
        ((begin, end),) = Reservations(ledger).taken("gpu")
    assert plan["reason"] == "real_time"
    assert (begin.isoformat(), end - begin) == (plan["start"], HOUR)
