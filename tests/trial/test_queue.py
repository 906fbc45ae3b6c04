"""A queue of DAG runs on a real Airflow: planned together, each started at its time."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

pytestmark = pytest.mark.trial


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs_of(airflow, dag_id):
    return airflow.api("GET", f"/dags/{dag_id}/dagRuns")["total_entries"]


def test_a_queue_takes_turns_and_a_second_try_starts_nothing_twice(airflow, valley):
    airflow.until(lambda: airflow.has_dag("queued"), 60, "the DAG of the queue is not there")
    window = valley(after_s=40).begins
    run_id = airflow.trigger("queue")
    airflow.succeeds("queue", run_id, 60)

    starts = airflow.xcom("queue", run_id, "plan")["starts"]
    plans = sorted((one["conf"]["carbon_plan"] for one in starts), key=lambda plan: plan["start"])
    assert len(plans) == 3
    for plan, after in pairwise(plans):
        assert at(plan["end"]) <= at(after["start"])
    assert window in [at(plan["start"]) for plan in plans]

    for start in starts:
        planned = airflow.dag_run("queued", start["trigger_run_id"])
        assert at(planned["run_after"]) == at(start["run_after"])

    body = {"dag_run_id": run_id, "task_ids": ["plan"], "dry_run": False, "only_failed": False}
    airflow.api("POST", "/dags/queue/clearTaskInstances", json=body)
    airflow.until(
        lambda: airflow.task_instances("queue", run_id)[0]["try_number"] == 2,
        40,
        "the plan is not made again",
    )
    airflow.succeeds("queue", run_id, 60)
    assert runs_of(airflow, "queued") == 3
    log = "\n".join(airflow.log("queue", run_id, "plan", try_number=2))
    assert "is there already, for" in log

    for start in starts:
        queued = start["trigger_run_id"]
        airflow.succeeds("queued", queued, 120)
        assert airflow.xcom("queued", queued, "train") == start["conf"]["carbon_plan"]
        assert airflow.xcom("queued", queued, "wait")["reason"] == "opted_out"
        begun = at(airflow.dag_run("queued", queued)["start_date"])
        assert begun >= at(start["run_after"]) - timedelta(milliseconds=1)


def test_a_dag_that_is_not_there_is_named_and_costs_the_others_nothing(airflow, valley):
    airflow.until(lambda: airflow.has_dag("queued"), 60, "the DAG of the queue is not there")
    valley(after_s=30)
    run_id = airflow.trigger("queue_of_what_is_not_there")
    assert airflow.finished("queue_of_what_is_not_there", run_id, 60) == "failed"

    log = "\n".join(airflow.log("queue_of_what_is_not_there", run_id, "plan"))
    assert f"carbon__{run_id}__of_nowhere was not created" in log
    assert "'nowhere' not found" in log
    queued = f"carbon__{run_id}__of_queued"
    assert airflow.dag_run("queued", queued)["state"] in {"queued", "running", "success"}
