"""A grid that turns clean starts a DAG, widens a pool, and is what a schedule waits for."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from airflow_carbon import clock

pytestmark = pytest.mark.trial

POOL = "/pools/as_clean_as_it_gets"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def runs_of(airflow, dag_id):
    path = f"/dags/{dag_id}/dagRuns"
    return airflow.api("GET", path, params={"limit": 100, "order_by": "-run_after"})["dag_runs"]


def test_a_grid_that_turns_clean_starts_a_dag_that_widens_a_pool_and_a_schedule_waits_for_its_dip(
    airflow, turning
):
    airflow.until(lambda: airflow.has_dag("within_slack"), 120, "the DAGs are not there")
    airflow.api("POST", "/pools", json={"name": "as_clean_as_it_gets", "slots": 3})
    assert runs_of(airflow, "when_clean") == []

    # Dirty for 20 s, then clean, and cleanest for the ten seconds that begin after 150: by then
    # the scheduler, whose first question loads pandas, has been asked for a run at leisure.
    begins = clock.now().replace(microsecond=0)
    turning([300.0] * 2 + [50.0] * 13 + [10.0] + [50.0] * 300, begins)
    dip = begins + timedelta(seconds=150)
    airflow.api("PATCH", "/dags/within_slack", json={"is_paused": False})

    airflow.until(lambda: runs_of(airflow, "when_clean"), 90, "the grid started nothing")
    (run,) = runs_of(airflow, "when_clean")
    airflow.succeeds("when_clean", run["dag_run_id"], 90)
    said = airflow.xcom("when_clean", run["dag_run_id"], "widen")
    assert (said["slots"], said["previous_slots"], said["because"]) == (7, 3, "clean")
    assert airflow.api("GET", POOL)["slots"] == 7
    events = airflow.api("GET", "/assets/events")["asset_events"]
    (event,) = [one for one in events if one["name"] == "grid:TRIAL"]
    assert event["extra"]["payload"]["g_per_kwh"] == 50

    def chosen():
        found = [one for one in runs_of(airflow, "within_slack") if at(one["run_after"]) == dip]
        return found[:1]

    airflow.until(chosen, 220, "no run waited for the dip")
    airflow.api("PATCH", "/dags/within_slack", json={"is_paused": True})
    (waited,) = chosen()
    tick = at(waited["data_interval_end"])
    assert waited["dag_run_id"] == f"scheduled__{tick.isoformat()}"
    assert tick.second == 0
    assert tick <= dip <= tick + timedelta(minutes=10)
    assert at(waited["queued_at"]) >= dip
    assert [one["dag_run_id"] for one in runs_of(airflow, "when_clean")] == [run["dag_run_id"]]
