"""Tasks of a real Airflow are measured in their workers, and run as if they were not."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

import pytest

from airflow_carbon.ledger.store import Ledger
from airflow_carbon.meters.reading import read_measurement

pytestmark = pytest.mark.trial

BUSY_J = 0.5 * 3.76


def rows(airflow, dag_id, run_id):
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        found = [e for e in ledger.recent(dag_id=dag_id) if e.key.run_id == run_id]
    return {entry.key.task_id: entry for entry in found}


def kept(airflow, dag_id, run_id):
    """Return the measurements that are in no ledger, by their task."""
    measured = map(read_measurement, (airflow.home / "carbon").glob(f"{dag_id}.*.jsonl"))
    return {m.run["task_id"]: m for m in measured if m.run["run_id"] == run_id}


def agents(airflow) -> list[str]:
    """Return what still measures for this Airflow."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().decode().replace("\0", " ")
            if "airflow_carbon." in words and f"{airflow.home}/carbon/" in words:
                found.append(words)
    return found


def states(airflow, dag_id, run_id):
    return {t["task_id"]: t["state"] for t in airflow.task_instances(dag_id, run_id)}


def test_a_measured_task_is_in_the_ledger_and_returns_what_it_did(airflow):
    run_id = airflow.trigger("measured")
    airflow.succeeds("measured", run_id, 120)

    booked = rows(airflow, "measured", run_id)
    assert set(booked) == {"train"}
    entry = booked["train"]
    assert (entry.region, entry.model, entry.functional_units) == ("swedencentral", "trial", 2)
    assert (entry.key.map_index, entry.key.try_number, entry.return_code) == (-1, 1, 0)
    assert BUSY_J * 0.9 < entry.energy_cpu_j < BUSY_J * 3
    assert entry.emissions_g > 0
    assert airflow.xcom("measured", run_id, "train") == {"value": 7}
    path = f"/dags/measured/dagRuns/{quote(run_id)}/taskInstances/train/links"
    link = airflow.api("GET", path)["extra_links"]["Carbon"]
    assert link.startswith(f"{airflow.url}/plugin/carbon/carbon/run?dag_id=measured&run_id=")
    assert airflow.xcom("measured", run_id, "plain") == 7
    assert set(kept(airflow, "measured", run_id)) == {"unbooked"}
    assert "ledger_that_is_not_there" in "\n".join(airflow.log("measured", run_id, "unbooked"))


def test_tasks_of_a_chosen_tag_are_in_the_ledger_and_know_nothing_of_it(airflow):
    run_id = airflow.trigger("listened")
    airflow.succeeds("listened", run_id, 120)
    everyone = {"plain", "bash", "failing", "by_itself", "after"}
    airflow.until(
        lambda: set(rows(airflow, "listened", run_id)) == everyone and not agents(airflow),
        60,
        "the tasks of the chosen tag are not all in the ledger",
    )

    booked = rows(airflow, "listened", run_id)
    assert {name: entry.return_code for name, entry in booked.items()} == {
        **dict.fromkeys(everyone, 0),
        "failing": 1,
    }
    for name in ("plain", "bash", "failing"):
        assert BUSY_J * 0.5 < booked[name].energy_cpu_j < BUSY_J * 4
    assert airflow.xcom("listened", run_id, "plain") == 8
    assert airflow.xcom("listened", run_id, "bash") == "said"
    ended = states(airflow, "listened", run_id)
    assert {name for name, state in ended.items() if state == "failed"} == {"failing", "killed"}
    # Airflow's API knows whether there is a ledger's connection; who was killed did not ask it.
    assert set(kept(airflow, "listened", run_id)) == {"killed"}
    said = "".join(f.read_text() for f in (airflow.home / "carbon").glob("listened.killed.*.log"))
    assert "the connection carbon_ledger is not known here" in said
    assert said.count("\n") == 1
