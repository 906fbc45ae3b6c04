"""The examples that need no account, on a real Airflow."""

from __future__ import annotations

import pytest

from airflow_carbon.azure.regions import select
from airflow_carbon.ledger.store import Ledger

pytestmark = pytest.mark.trial

AT_ONCE = {"carbon_aware": False}


def test_the_examples_run_as_they_stand(airflow):
    scored = airflow.trigger("batch_scoring", **AT_ONCE)
    chosen = airflow.trigger("region_choice", **AT_ONCE)
    planned = airflow.trigger("hyperparameter_sweep", max_delay="20s")

    airflow.succeeds("region_choice", chosen, 180)
    choice = airflow.xcom("region_choice", chosen, "choose")
    assert choice["region"] in {region.name for region in select("EU")}
    assert {"energy_kwh", "emissions_g", "cost"} <= set(choice["terms"])
    assert choice["region"] in airflow.xcom("region_choice", chosen, "launch")

    airflow.succeeds("batch_scoring", scored, 180)
    assert airflow.xcom("batch_scoring", scored, "wait")["reason"] == "opted_out"
    assert airflow.xcom("batch_scoring", scored, "too_much")["runs"] == 3
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        parts = ledger.recent(dag_id="batch_scoring")
    assert sorted(entry.key.map_index for entry in parts) == [0, 1, 2]
    assert {(entry.functional_units, entry.functional_unit) for entry in parts} == {
        (20_000, "inference")
    }

    airflow.succeeds("hyperparameter_sweep", planned, 180)
    starts = airflow.xcom("hyperparameter_sweep", planned, "plan")["starts"]
    assert len({one["trigger_run_id"] for one in starts}) == 6
    airflow.succeeds("sweep_member", starts[0]["trigger_run_id"], 180)
