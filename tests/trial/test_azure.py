"""Trainings of a real Airflow in a stand-in for Azure, which really runs them."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pandas as pd
import pytest
from servers.arm import arm_server

from airflow_carbon import clock
from airflow_carbon.azure.job import job_name
from airflow_carbon.ledger.crosscheck import CrossChecks
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.meters.reading import read_measurement

pytestmark = pytest.mark.trial


@pytest.fixture(scope="module")
def running(airflow):
    with arm_server() as azure:
        extra = {
            "subscriptionId": azure.subscription,
            "tenantId": azure.tenant,
            "arm_endpoint": azure.url,
            "authority": azure.url,
            "ca_file": azure.ca,
        }
        own = {"login": azure.client, "password": azure.secret, "extra": json.dumps(extra)}
        airflow.connect("azure_stand_in", "azure", **own)
        yield azure


@pytest.fixture
def azure(running):
    running.control.reset()
    running.control.clear_faults()
    own = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    running.control.settings(job_env={"PATH": own})
    return running


def attended(airflow, run_id, dag_id="azure_training"):
    """Wait until the task's trigger has looked at the job; return the job's name."""
    # The worker says "NAME is launched in REGION", the trigger "NAME in REGION: STATUS".
    looked = re.compile(r"(carbon-\S+) in swedencentral: ")
    airflow.until(
        lambda: looked.search(said(airflow, run_id, dag_id)), 90, "nobody attends the job"
    )
    return looked.search(said(airflow, run_id, dag_id))[1]


def said(airflow, run_id, dag_id="azure_training", try_number=1):
    return "\n".join(airflow.log(dag_id, run_id, "train", try_number))


def test_a_training_runs_while_the_task_costs_no_worker(airflow, azure, tmp_path):
    run_id = airflow.trigger("azure_training", command=f"sleep 3; echo trained > {tmp_path}/model")
    airflow.succeeds("azure_training", run_id, 90)

    result = airflow.xcom("azure_training", run_id, "train")
    name = result["name"]
    assert (result["region"], result["attempt"]) == ("swedencentral", 1)
    assert "as DEFERRED" in said(airflow, run_id)
    assert result["state"] == "succeeded"
    assert (tmp_path / "model").read_text() == "trained\n"
    assert azure.control.starts(name) == 1
    links = airflow.api("GET", f"/dags/azure_training/dagRuns/{run_id}/taskInstances/train/links")
    assert name in links["extra_links"]["Azure portal"] or links["extra_links"]["Azure portal"]
    assert azure.secret not in said(airflow, run_id)


def test_a_killed_triggerer_neither_ends_the_job_nor_launches_another(airflow, azure):
    run_id = airflow.trigger("azure_training", command="sleep 20")
    name = attended(airflow, run_id)
    for process in airflow.component("triggerer"):
        process.send_signal(signal.SIGKILL)
    airflow.start("triggerer")

    airflow.succeeds("azure_training", run_id, 90)
    assert azure.control.starts(name) == 1


def test_a_user_who_fails_the_task_ends_the_job(airflow, azure):
    run_id = airflow.trigger("azure_training", command="sleep 300")
    name = attended(airflow, run_id)

    path = f"/dags/azure_training/dagRuns/{run_id}/taskInstances/train"
    airflow.api("PATCH", path, json={"new_state": "failed"})

    airflow.until(lambda: azure.control.job(name)["status"] == "Canceled", 90, "the job goes on")


def test_a_user_who_fails_the_task_while_a_worker_launches_ends_the_job(airflow, azure):
    azure.control.fault("PUT */jobs/*", "hang", hang_s=50, after=True)
    run_id = airflow.trigger("azure_training", command="sleep 300")
    which = {"dag_id": "azure_training", "run_id": run_id, "task_id": "train", "map_index": -1}
    name = job_name(**which, attempt=1)
    airflow.until(lambda: azure.control.count("PUT */jobs/*"), 90, "nobody launches it")

    path = f"/dags/azure_training/dagRuns/{run_id}/taskInstances/train"
    airflow.api("PATCH", path, json={"new_state": "failed"})

    airflow.until(lambda: azure.control.job(name)["status"] == "Canceled", 90, "the job goes on")
    assert airflow.dag_run("azure_training", run_id)["state"] == "failed"


def test_a_training_that_fails_says_why_and_each_try_begins_anew(airflow, azure, tmp_path):
    run_id = airflow.trigger(
        "azure_training", command=f"test -e {tmp_path}/data || (echo no data; exit 3)"
    )
    assert airflow.finished("azure_training", run_id, 90) == "failed"
    assert "exited with status code 3" in said(airflow, run_id)
    assert "no data" in said(airflow, run_id)

    (tmp_path / "data").touch()
    body = {"dag_run_id": run_id, "task_ids": ["train"], "dry_run": False, "only_failed": False}
    airflow.api("POST", "/dags/azure_training/clearTaskInstances", json=body)
    airflow.until(
        lambda: airflow.dag_run("azure_training", run_id)["state"] != "failed", 20, "not cleared"
    )
    airflow.succeeds("azure_training", run_id, 90)
    assert airflow.xcom("azure_training", run_id, "train")["attempt"] == 3


def test_no_room_in_the_chosen_region_falls_to_the_next_and_says_so(airflow, azure):
    azure.control.no_capacity("swedencentral", "SkuNotAvailable")
    run_id = airflow.trigger("azure_training", command="true")
    airflow.succeeds("azure_training", run_id, 90)

    result = airflow.xcom("azure_training", run_id, "train")
    assert result["region"] == "francecentral"
    # A second try, after Airflow took the first for dead, finds the job without looking elsewhere.
    log = said(airflow, run_id)
    assert "SkuNotAvailable" in result["skipped"].get("swedencentral", log)
    assert "no room in swedencentral" in log
    azure.control.capacity("swedencentral")


def test_a_spot_machine_that_is_lost_is_no_failure(airflow, azure, tmp_path):
    command = f"test -e {tmp_path}/checkpoint || (touch {tmp_path}/checkpoint; sleep 60)"
    run_id = airflow.trigger("azure_training", command=command)
    name = attended(airflow, run_id)
    airflow.until((tmp_path / "checkpoint").exists, 30, "no checkpoint")
    azure.control.lose(name, "fail")

    airflow.succeeds("azure_training", run_id, 90)
    assert airflow.xcom("azure_training", run_id, "train")["attempt"] == 2


def test_what_was_measured_in_azure_comes_home_and_is_priced(airflow, azure, tmp_path):
    url = azure.control.sas("logs", "", base=azure.plain_url)
    airflow.connect("own_log", "generic", password=url)
    file = tmp_path / "home" / "energy.jsonl"

    run_id = airflow.trigger("azure_measured", file=str(file))
    which = {"dag_id": "azure_measured", "run_id": run_id, "task_id": "train", "map_index": -1}
    minute = clock.now().replace(second=0, microsecond=0)
    seen = [(minute + i * timedelta(minutes=1), 50.0) for i in range(3)]
    azure.control.energy(job_name(**which, attempt=1), seen)

    airflow.succeeds("azure_measured", run_id, 90)
    account = airflow.xcom("azure_measured", run_id, "account")
    assert account["energy_kwh"] > 0
    assert account["region"] == "swedencentral"
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        (entry,) = ledger.recent(dag_id="azure_measured")
        (check,) = CrossChecks(ledger).read(entry.key)
    assert check.joules in {50.0, 100.0, 150.0}
    assert check.begins_at <= entry.started_at <= entry.ended_at <= check.ends_at
    path = f"/dags/azure_measured/dagRuns/{run_id}/taskInstances/train"
    shown = json.dumps(airflow.api("GET", path)) + said(airflow, run_id, "azure_measured")
    (signature,) = parse_qs(urlsplit(url).query)["sig"]
    assert "sig=" not in shown
    assert signature not in shown


def test_a_training_pauses_when_the_grid_gets_dirty_and_is_one_run_in_the_ledger(
    airflow, azure, tmp_path
):
    begins, file = clock.now(), tmp_path / "home" / "energy.jsonl"
    grid = tmp_path / "leaving.csv"

    def lay(*spells):
        """Write the grid: each spell is (seconds since it begins, intensity from then on)."""
        index = pd.date_range(begins, periods=1500, freq="1s", name="at")
        at, values = np.arange(1500), np.full(1500, 100.0)
        for since, value in spells:
            values[at >= since] = value
        new = tmp_path / "new.csv"
        pd.DataFrame({"SE-SE3": values}, index=index).to_csv(new)
        new.replace(grid)

    def seconds():
        return (clock.now() - begins).total_seconds()

    lay()
    at = begins.isoformat()
    airflow.connect("leaving", sources="replay", replay_file=str(grid), replay_starts_at=at)
    url = azure.control.sas("logs", "pauses.jsonl", base=azure.plain_url)
    airflow.connect("energy_of_pauses", "generic", password=url)
    begun, finish = tmp_path / "begun", tmp_path / "finish"
    command = f"echo begun >> {begun}; sleep 2; while ! [ -e {finish} ]; do sleep 1; done"
    run_id = airflow.trigger("azure_paused", command=command, file=str(file))
    name = attended(airflow, run_id, "azure_paused")
    airflow.until(begun.exists, 60, "it does not train")
    dirty = int(seconds())
    # Clean long after the pause is asked for, then, once it stands, at once: the test waits for
    # the machine, however slow, never the other way round.
    lay((dirty, 400.0), (dirty + 150, 40.0))

    def paused():
        stopped = azure.control.job(name)["status"] == "Canceled"
        return stopped and "pauses to" in said(airflow, run_id, "azure_paused")

    airflow.until(paused, 150, "it is not paused")
    (train, *_) = (
        one for one in airflow.task_instances("azure_paused", run_id) if one["task_id"] == "train"
    )
    assert train["state"] in {"deferred", "queued", "running"}
    clean = int(seconds()) + 5
    lay((dirty, 400.0), (clean, 10.0), (clean + 250, 40.0))
    finish.touch()
    assert airflow.finished("azure_paused", run_id, 240) == "success"

    result = airflow.xcom("azure_paused", run_id, "train")
    first, second = result["segments"]
    assert (first["ended"], second["ended"]) == ("paused", "succeeded")
    assert first["ended_at"] < second["started_at"]
    assert second["started_at"] >= (begins + timedelta(seconds=clean - 1)).isoformat()
    assert begun.read_text() == "begun\nbegun\n"
    assert azure.control.starts(first["name"]) == azure.control.starts(second["name"]) == 1
    measured = read_measurement(file)
    assert measured.segments == 2
    account = airflow.xcom("azure_paused", run_id, "account")
    assert account["energy_kwh"] == pytest.approx(measured.profile.total / 3.6e6)
    assert [one["region"] for one in account["parts"]] == ["swedencentral"]
