"""Waits on a real Airflow: scheduler, triggerer, api-server."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from airflow_carbon import clock

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.trial

SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def by_task(instances):
    return {(one["task_id"], one["map_index"]): one for one in instances}


@dataclass(frozen=True)
class Waits:
    """Runs that wait side by side, and the window that most of them wait for."""

    window: datetime
    breaking: Path
    every_way: str
    short: str
    policies: str
    urgent: str
    ladder: str


@pytest.fixture(scope="module")
def waits(airflow, valley):
    """Start all the waits that only wait: together they take as long as the longest."""
    breaking = valley(after_s=300, conn_id="breaking").file
    return Waits(
        valley(after_s=60).begins,
        breaking,
        ladder=airflow.trigger("ladder"),
        every_way=airflow.trigger("every_way"),
        short=airflow.trigger("every_way", delay="15s"),
        urgent=airflow.trigger("policies", carbon_aware=False),
        policies=airflow.trigger("policies"),
    )


def test_a_killed_triggerer_costs_no_wait_its_window(airflow, valley):
    window = valley(after_s=40).begins
    run_id = airflow.trigger("fifty_waits")

    def states():
        return [one["state"] for one in airflow.task_instances("fifty_waits", run_id)]

    airflow.until(lambda: states().count("deferred") == 50, 40, "not all waits stand")
    for process in airflow.component("triggerer"):
        process.send_signal(signal.SIGKILL)
    time.sleep(1)
    airflow.start("triggerer")
    airflow.succeeds("fifty_waits", run_id, 180)

    submitted = at(airflow.dag_run("fifty_waits", run_id)["run_after"])
    instances = airflow.task_instances("fifty_waits", run_id)
    assert len(instances) == 50
    assert {one["try_number"] for one in instances} <= {0, 1}
    for one in instances:
        plan = airflow.xcom("fifty_waits", run_id, one["task_id"])
        assert window <= at(plan["start"]) <= submitted + 150 * SECOND
        assert at(plan["deadline"]) == submitted + 160 * SECOND
        assert at(one["end_date"]) >= window
        assert plan["reason"] == "clean"
        assert plan["mean_g_per_kwh"] < 300


def test_a_source_that_breaks_while_a_wait_stands_costs_neither_task_nor_deadline(airflow, waits):
    airflow.until(
        lambda: (
            any("waits to" in x for x in airflow.log("ladder", waits.ladder, "wait"))
            or airflow.dag_run("ladder", waits.ladder)["state"] in {"success", "failed"}
        ),
        30,
        "the wait does not stand",
    )
    waits.breaking.write_text("at,FR\nnonsense")

    airflow.succeeds("ladder", waits.ladder, 90)
    plan = airflow.xcom("ladder", waits.ladder, "wait")
    submitted = at(airflow.dag_run("ladder", waits.ladder)["run_after"])
    assert at(plan["start"]) <= submitted + 28 * SECOND
    assert plan["quality"] in {"stale", "climatology", "issued"}


def test_every_way_to_wait_ends_in_the_same_window(airflow, waits):
    window, run_id = waits.window, waits.every_way
    airflow.succeeds("every_way", run_id, 150)

    submitted = at(airflow.dag_run("every_way", run_id)["run_after"])
    plain = airflow.xcom("every_way", run_id, "plain")
    from_worker = airflow.xcom("every_way", run_id, "from_worker")
    mapped = airflow.xcom("every_way", run_id, "mapped", map_index=0)
    for plan in (plain, from_worker, mapped):
        assert window <= at(plan["start"]) <= submitted + 80 * SECOND
        assert at(plan["deadline"]) == submitted + 90 * SECOND
        assert plan["source"] == "replay:valley.csv"
        assert plan["quality"] == "issued"
        assert plan["at_once_g_per_kwh"] == pytest.approx(300)
        assert plan["difference_percent"] < -20

    flat = airflow.xcom("every_way", run_id, "mapped", map_index=1)
    assert at(flat["start"]) < window
    assert flat["reason"] == "clean"
    assert flat["difference_percent"] == pytest.approx(0)

    instances = by_task(airflow.task_instances("every_way", run_id))
    assert instances["plain", -1]["hostname"] in ("", None)
    assert instances["from_worker", -1]["hostname"]
    assert airflow.xcom("every_way", run_id, "read") == plain["start"]
    chosen = airflow.xcom("every_way", run_id, "chosen")
    assert chosen["region"] == "francecentral"

    log = "\n".join(airflow.log("every_way", run_id, "plain"))
    assert "TRIAL: waits to" in log
    assert "than the 300 of running now; forecast of replay:valley.csv (issued)" in log
    assert "starts now, its cleanest window begins" in log


def test_a_cleared_wait_keeps_its_deadline_and_starts_at_once_when_it_is_over(airflow, waits):
    run_id = waits.short
    airflow.succeeds("every_way", run_id, 150)
    first = airflow.xcom("every_way", run_id, "plain")
    airflow.until(lambda: clock.now() > at(first["deadline"]), 30, "the deadline does not pass")

    body = {"dag_run_id": run_id, "task_ids": ["plain"], "dry_run": False, "only_failed": False}
    airflow.api("POST", "/dags/every_way/clearTaskInstances", json=body)
    airflow.until(
        lambda: airflow.dag_run("every_way", run_id)["state"] not in {"success", "failed"},
        20,
        "the run was not cleared",
    )
    airflow.succeeds("every_way", run_id, 60)

    second = airflow.xcom("every_way", run_id, "plain")
    assert second["deadline"] == first["deadline"]
    assert second["submitted_at"] == first["submitted_at"]
    assert second["reason"] == "deadline"
    assert at(second["start"]) > at(first["start"])


def test_every_start_has_its_reason(airflow, waits):
    window = waits.window
    airflow.succeeds("policies", waits.urgent, 120)
    airflow.succeeds("policies", waits.policies, 150)

    def reasons(run_id):
        tasks = ("patient", "dry", "dry_worker", "real_time")
        return [airflow.xcom("policies", run_id, task)["reason"] for task in tasks]

    assert reasons(waits.policies) == ["clean", "dry_run", "dry_run", "real_time"]
    assert set(reasons(waits.urgent)) == {"opted_out"}
    patient, dry = (airflow.xcom("policies", waits.policies, task) for task in ("patient", "dry"))
    assert at(dry["start"]) < window <= at(patient["start"])
    assert at(dry["would_wait_for"]["start"]) == window
    assert dry["mean_g_per_kwh"] == pytest.approx(300)
