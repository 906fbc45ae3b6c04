"""``@carbon_aware`` on a real Airflow: it waits without a worker, works, and is in the ledger."""

from __future__ import annotations

from datetime import datetime

import pytest
from servers.web import serving

from airflow_carbon.ledger.store import Ledger

pytestmark = pytest.mark.trial


@pytest.fixture
def chat(airflow):
    """A webhook that Airflow has a connection to."""
    with serving() as web:
        web.routes["/hook"] = "ok"
        airflow.connect("aware_chat", "http", password=f"{web.url}/hook")
        yield web


def test_a_line_above_a_task_or_a_group_waits_measures_and_accounts(airflow, valley, chat):
    window = valley(after_s=20, conn_id="aware").begins
    run_id = airflow.trigger("aware")
    airflow.succeeds("aware", run_id, 150)

    def xcom(task_id, key, map_index=-1):
        path = f"/dags/aware/dagRuns/{run_id}/taskInstances/{task_id}/xcomEntries/{key}"
        params = {"map_index": map_index, "deserialize": True}
        return airflow.api("GET", path, params=params)["value"]

    plans = {
        "train": xcom("train", "carbon_plan"),
        "mapped": xcom("mapped", "carbon_plan", 1),
        "group": airflow.xcom("aware", run_id, "score.carbon_wait"),
        "below": airflow.xcom("aware", run_id, "below"),
    }
    for plan in plans.values():
        assert datetime.fromisoformat(plan["start"]) >= window
    values = [airflow.xcom("aware", run_id, name) for name in ("train", "score.score")]
    assert values == [7, 7]
    assert airflow.xcom("aware", run_id, "mapped", 1) == 2
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        rows = ledger.of_run("aware", run_id)
    assert {(row.key.task_id, row.key.map_index) for row in rows} == {
        ("train", -1),
        ("mapped", 0),
        ("mapped", 1),
        ("score.score", -1),
    }
    assert {row.plan_reason for row in rows} <= {"clean", "deadline"}
    assert xcom("train", "carbon_footprint")["emissions_g"] > 0
    assert any(
        x.startswith("Done: aware.train used") for x in airflow.log("aware", run_id, "train")
    )
    assert airflow.xcom("aware", run_id, "tell").startswith(f"aware ({run_id}) used")
    states = {t["task_id"]: t["state"] for t in airflow.task_instances("aware", run_id)}
    assert (states["below"], states["never"], states["not_run"]) == ("success",) + ("skipped",) * 2
    # Of the whole run its own callback tells, which the DAG processor runs.
    airflow.until(lambda: chat.asked, 60, "no message has come")
    assert chat.asked[0].body["text"].startswith(f"Run: aware ({run_id}) used")
