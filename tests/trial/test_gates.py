"""Gates on a real Airflow: what they skip, and what a model's asset event says."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.trial


def states(airflow, run_id):
    return {one["task_id"]: one["state"] for one in airflow.task_instances("gated", run_id)}


def test_a_gate_lets_through_what_is_asked_for_and_fits_and_skips_the_rest(airflow, tmp_path):
    trained = airflow.trigger("gated", path=str(tmp_path / "energy.jsonl"))
    fresh = airflow.trigger("gated", psi=0.1)
    without = airflow.trigger("gated", psi=None)
    airflow.succeeds("gated", trained, 120)
    airflow.succeeds("gated", fresh, 60)

    assert set(states(airflow, trained).values()) == {"success"}
    assert airflow.xcom("gated", trained, "gate")["reason"] == "decayed"
    assert airflow.xcom("gated", trained, "alarm")["reason"] == "too_few"
    footprint = airflow.xcom("gated", trained, "account")
    spent = airflow.xcom("gated", trained, "spent")
    assert spent["used_g"] == pytest.approx(footprint["emissions_g"])

    skipped = dict.fromkeys(("train", "account", "alarm", "spent"), "skipped")
    assert states(airflow, fresh) == skipped | {"gate": "success", "always": "success"}
    assert airflow.xcom("gated", fresh, "gate")["reason"] == "fresh"

    assert airflow.finished("gated", without, 60) == "success"  # by its last task, all_done
    assert states(airflow, without)["gate"] == "failed"
    assert states(airflow, without)["train"] == "upstream_failed"
    assert "there is no metric" in "\n".join(airflow.log("gated", without, "gate"))

    # with a past to expect something of, nothing fits into nothing
    spent_out = airflow.trigger("gated", limit="0 g")
    airflow.succeeds("gated", spent_out, 60)
    assert airflow.xcom("gated", spent_out, "gate")["reason"] == "over_budget"
    assert states(airflow, spent_out) == skipped | {"gate": "success", "always": "success"}

    again = {"dag_run_id": spent_out, "task_ids": ["train"], "dry_run": False}
    airflow.api("POST", "/dags/gated/clearTaskInstances", json=again | {"only_failed": False})
    airflow.succeeds("gated", spent_out, 60)
    assert states(airflow, spent_out)["train"] == "skipped"

    events = airflow.api("GET", "/assets/events", params={"source_dag_id": "gated"})
    (event,) = events["asset_events"]
    carbon = event["extra"]["carbon"]
    assert event["source_run_id"] == carbon["run"]["run_id"] == trained
    for name in ("energy_kwh", "emissions_g", "emissions_low_g", "emissions_high_g", "region"):
        assert carbon[name] == footprint[name]
    assert (carbon["model"], carbon["functional_units"]) == ("gated", 2)
