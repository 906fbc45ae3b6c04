"""Waits on a real Airflow: scheduler, triggerer, api-server."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from datetime import datetime, timedelta

import pytest

from airflow_carbon import clock
from airflow_carbon.ledger.store import Ledger

pytestmark = pytest.mark.trial

SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


def by_task(instances):
    return {(one["task_id"], one["map_index"]): one for one in instances}


def test_a_killed_triggerer_costs_no_wait_its_window(airflow, valley):
    window = valley(after_s=60)
    run_id = airflow.trigger("fifty_waits")

    def states():
        return [one["state"] for one in airflow.task_instances("fifty_waits", run_id)]

    airflow.until(lambda: states().count("deferred") == 50, 40, "not all waits stand")
    for process in airflow.component("triggerer"):
        process.send_signal(signal.SIGKILL)
    time.sleep(1)
    airflow.start("triggerer")
    assert airflow.finished("fifty_waits", run_id, 180) == "success"

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


def test_every_way_to_wait_ends_in_the_same_window(airflow, valley):
    window = valley(after_s=30)
    run_id = airflow.trigger("every_way")
    assert airflow.finished("every_way", run_id, 120) == "success"

    submitted = at(airflow.dag_run("every_way", run_id)["run_after"])
    plain = airflow.xcom("every_way", run_id, "plain")
    from_worker = airflow.xcom("every_way", run_id, "from_worker")
    mapped = airflow.xcom("every_way", run_id, "mapped", map_index=0)
    for plan in (plain, from_worker, mapped):
        assert window <= at(plan["start"]) <= submitted + 40 * SECOND
        assert at(plan["deadline"]) == submitted + 50 * SECOND
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


def test_a_cleared_wait_keeps_its_deadline_and_starts_at_once_when_it_is_over(airflow, valley):
    valley(after_s=10)
    run_id = airflow.trigger("every_way", delay="15s")
    airflow.finished("every_way", run_id, 90)
    first = airflow.xcom("every_way", run_id, "plain")
    airflow.until(lambda: clock.now() > at(first["deadline"]), 30, "the deadline does not pass")

    body = {"dag_run_id": run_id, "task_ids": ["plain"], "dry_run": False, "only_failed": False}
    airflow.api("POST", "/dags/every_way/clearTaskInstances", json=body)
    airflow.until(
        lambda: airflow.dag_run("every_way", run_id)["state"] not in {"success", "failed"},
        20,
        "the run was not cleared",
    )
    assert airflow.finished("every_way", run_id, 60) == "success"

    second = airflow.xcom("every_way", run_id, "plain")
    assert second["deadline"] == first["deadline"]
    assert second["submitted_at"] == first["submitted_at"]
    assert second["reason"] == "deadline"
    assert at(second["start"]) > at(first["start"])


def test_every_start_has_its_reason(airflow, valley):
    window = valley(after_s=40)
    waits = airflow.trigger("policies")
    urgent = airflow.trigger("policies", carbon_aware=False)
    assert airflow.finished("policies", urgent, 60) == "success"
    assert airflow.finished("policies", waits, 120) == "success"

    def reasons(run_id):
        tasks = ("patient", "dry", "dry_worker", "real_time")
        return [airflow.xcom("policies", run_id, task)["reason"] for task in tasks]

    assert reasons(waits) == ["clean", "dry_run", "dry_run", "real_time"]
    assert set(reasons(urgent)) == {"opted_out"}
    patient, dry = (airflow.xcom("policies", waits, task) for task in ("patient", "dry"))
    assert at(dry["start"]) < window <= at(patient["start"])
    assert at(dry["would_wait_for"]["start"]) == window
    assert dry["mean_g_per_kwh"] == pytest.approx(300)


MISTAKES = [
    ({"zone": "ATLANTIS"}, "unknown grid zone 'ATLANTIS'"),
    ({"duration": "5h"}, "a job of 5:00:00 does not fit"),
    ({"duration": "-5h"}, "is not a positive length of time"),
    ({"deadline": "2020-01-01T00:00:00+00:00"}, "set it later"),
    ({"deadline": "2030-01-01T00:00:00"}, "is not an instant with a time zone"),
    ({"conn": "nowhere"}, "there is no Airflow connection 'nowhere'"),
    ({"conn": "gappy"}, "its steps are uneven"),
    ({"conn": "hollow"}, "it is empty"),
    ({"conn": "absent"}, "there is no such file"),
]


def test_a_mistake_is_said_before_anything_waits(airflow, valley, tmp_path):
    valley(after_s=600)
    (tmp_path / "gappy.csv").write_text(
        "at,TRIAL\n2026-01-01T00:00Z,1\n2026-01-01T01:00Z,1\n2026-01-01T03:00Z,1\n"
    )
    (tmp_path / "hollow.csv").write_text("")
    for name in ("gappy", "hollow", "absent"):
        airflow.connect(name, sources="replay", replay_file=str(tmp_path / f"{name}.csv"))
    runs = [airflow.trigger("mistakes", **conf) for conf, _ in MISTAKES]

    for run_id, (_, says) in zip(runs, MISTAKES, strict=True):
        assert airflow.finished("mistakes", run_id, 90) == "failed"
        assert says in "\n".join(airflow.log("mistakes", run_id, "wait"))


def test_a_source_that_breaks_while_a_wait_stands_costs_neither_task_nor_deadline(
    airflow, valley, tmp_path
):
    valley(after_s=300, conn_id="breaking")
    run_id = airflow.trigger("ladder")
    airflow.until(
        lambda: (
            any("waits to" in x for x in airflow.log("ladder", run_id, "wait"))
            or airflow.dag_run("ladder", run_id)["state"] in {"success", "failed"}
        ),
        30,
        "the wait does not stand",
    )
    (tmp_path / "breaking.csv").write_text("at,FR\nnonsense")

    assert airflow.finished("ladder", run_id, 90) == "success"
    plan = airflow.xcom("ladder", run_id, "wait")
    submitted = at(airflow.dag_run("ladder", run_id)["run_after"])
    assert at(plan["start"]) <= submitted + 28 * SECOND
    assert plan["quality"] in {"stale", "climatology", "issued"}


def test_the_main_job_runs_from_region_to_ledger(airflow):
    run_id = airflow.trigger("carbon_demo", train_seconds=2)
    assert airflow.finished("carbon_demo", run_id, 120) == "success"

    chosen, plan, account = (
        airflow.xcom("carbon_demo", run_id, task) for task in ("choose_region", "wait", "account")
    )
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        (entry,) = ledger.recent(dag_id="carbon_demo")
        intervals = ledger.intervals(entry.key)

    assert entry.key.task_id == "train"
    assert entry.key.run_id == run_id
    assert chosen["region"] == plan["region"] == entry.region == account["region"]
    assert entry.return_code == 0
    assert entry.energy_j > 0
    assert entry.emissions_low_g < entry.emissions_g < entry.emissions_high_g
    assert account["emissions_g"] == pytest.approx(entry.emissions_g)
    assert entry.delta_g == pytest.approx(entry.emissions_g - entry.baseline_g)
    assert entry.baseline_region == "westeurope"
    assert entry.started_at >= at(plan["start"])
    assert sum(one.joules or 0 for one in intervals) == pytest.approx(entry.energy_j)
    assert sum(one.emissions_g or 0 for one in intervals) == pytest.approx(entry.emissions_g)


def test_the_past_runs_of_this_airflow_can_be_replayed(airflow):
    run_id = airflow.trigger("carbon_demo", train_seconds=1)
    assert airflow.finished("carbon_demo", run_id, 120) == "success"

    asked = ["--from-airflow", airflow.url, "--dag", "carbon_demo", "--max-delay", "1s", "--json"]
    done = subprocess.run(
        [sys.executable, "-m", "airflow_carbon.cli", "backtest", "--zone", "westeurope", *asked],
        env=airflow.environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    (demo, _) = json.loads(done.stdout)["summary"]
    assert demo["name"] == "carbon_demo"
    assert demo["jobs"] >= 1


def test_the_wait_runs_under_dags_test(airflow, tmp_path):
    env = {**airflow.environment(), "AIRFLOW_HOME": str(tmp_path / "home")}
    for command in ("db migrate", "dags reserialize", "dags test under_test"):
        done = subprocess.run(
            [sys.executable, "-m", "airflow", *command.split()],
            env=env,
            capture_output=True,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr[-3000:]
    assert "starts now, its cleanest window begins" in done.stdout + done.stderr
    assert "read a plan of FR" in done.stdout + done.stderr


def test_the_connections_form_and_its_test_button_work(airflow, tmp_path):
    body = {
        "connection_id": "form",
        "conn_type": "carbon",
        "extra": json.dumps({"sources": "replay, typical", "replay_speed": 2}),
    }
    assert airflow.api("POST", "/connections/test", json=body)["status"] is True
    body["extra"] = json.dumps({"replay_file": str(tmp_path / "absent.csv")})
    refused = airflow.api("POST", "/connections/test", json=body)

    assert refused["status"] is False
    assert "there is no such file" in refused["message"]


def test_airflow_lists_the_provider(airflow):
    assert "airflow-carbon" in airflow.run("providers", "list")
