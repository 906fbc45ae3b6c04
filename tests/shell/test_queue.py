"""``PlanQueueOperator``: what it plans; the trials start the runs."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from airflow_carbon import PlanQueueOperator, clock
from airflow_carbon.core.errors import InputError, RunsNotStartedError

NORTH = ["swedencentral", "francecentral"]


def plan(queue, since=timedelta(0), **arguments):
    operator = PlanQueueOperator(
        task_id="plan", runs=queue, dry_run=True, **({"regions": NORTH} | arguments)
    )
    operator.submitted = (clock.now() - since).isoformat()
    return operator.execute({"run_id": "scheduled__2026-11-20"})


def run(name="", **fields):
    return {"dag_id": "train", "duration": "2h", "max_delay": "20h", "name": name, **fields}


def plans(outcome):
    return [one["conf"]["carbon_plan"] for one in outcome["starts"]]


def test_runs_that_share_slots_take_turns():
    outcome = plan([run(f"model{i}") for i in range(4)], slots=1)

    spans = sorted((one["region"], one["start"], one["end"]) for one in plans(outcome))
    for one, other in pairwise(spans):
        assert one[0] != other[0] or one[2] <= other[1]
    assert outcome["without_slot"] == []
    assert outcome["bound_g"] <= outcome["total_g"]
    assert json.loads(json.dumps(outcome)) == outcome


def test_a_start_is_what_trigger_dag_run_takes():
    queue = [run("a", conf={"lr": 0.1}, earliest=clock.now() + timedelta(hours=1))]

    (start,) = plan(queue)["starts"]

    assert set(start) == {"trigger_dag_id", "trigger_run_id", "run_after", "conf"}
    assert start["trigger_dag_id"] == "train"
    assert start["trigger_run_id"] == "carbon__scheduled__2026-11-20__a"
    assert start["conf"]["lr"] == 0.1
    assert start["conf"]["carbon_aware"] is False
    assert start["run_after"] == start["conf"]["carbon_plan"]["start"]
    assert datetime.fromisoformat(start["run_after"]) > clock.now()


def test_a_run_stays_in_its_own_regions():
    outcome = plan([run("home", regions="polandcentral"), run("any")])

    assert [one["region"] for one in plans(outcome)] == ["polandcentral", "swedencentral"]


def test_a_real_time_run_starts_at_once_and_takes_its_slot():
    outcome = plan(
        [run("now", policy="real_time", max_delay=None), run("later")],
        regions="polandcentral",
        slots=1,
    )

    now, later = plans(outcome)
    assert now["reason"] == "real_time"
    assert datetime.fromisoformat(now["start"]) <= clock.now()
    assert later["start"] >= now["end"]


def test_a_run_without_a_slot_starts_all_the_same():
    queue = [run(name, max_delay="1m") for name in "abc"]

    outcome = plan(queue, regions="polandcentral", slots=1)

    assert len(outcome["without_slot"]) == 2
    assert all(one["start"] for one in plans(outcome))


def test_a_run_that_is_too_late_starts_at_once():
    late, other = plan([run("late", max_delay="1h"), run("other")], since=timedelta(hours=3))[
        "starts"
    ]

    assert late["conf"]["carbon_plan"]["reason"] == "deadline"
    assert datetime.fromisoformat(late["run_after"]) <= clock.now()
    assert other["conf"]["carbon_plan"]["reason"] == "clean"


def test_in_an_outage_a_typical_day_is_planned_with_and_says_so(monkeypatch):
    extra = {"sources": "carbon_aware_sdk", "carbon_aware_sdk_url": "http://127.0.0.1:9"}
    value = json.dumps({"conn_type": "carbon", "extra": extra | {"archive_issues": False}})
    monkeypatch.setenv("AIRFLOW_CONN_AWAY", value)

    outcome = plan([run("a"), run("b")], carbon_conn_id="away")

    assert {one["quality"] for one in plans(outcome)} == {"climatology"}


@pytest.mark.parametrize(
    ("queue", "more"),
    [
        ([{"dag_id": "train"}], {}),
        ([run("a"), run("a")], {}),
        ([run("a b")], {}),
        ([run("a", colour="red")], {}),
        ([run("a")], {"regions": "atlantis"}),
        ([run("a")], {"regions": "eastus", "residency": "EU"}),
    ],
)
def test_a_mistake_breaks_the_parse(queue, more):
    with pytest.raises(InputError):
        PlanQueueOperator(task_id="plan", runs=queue, **more)


def test_what_was_not_started_is_named():
    error = RunsNotStartedError({"carbon__x__a": "train: not found"})

    assert "carbon__x__a (train: not found)" in str(error)
