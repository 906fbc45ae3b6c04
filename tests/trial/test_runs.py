"""What a real Airflow makes of the package's DAGs, commands and connections."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime

import pytest

from airflow_carbon.ledger.store import Ledger

pytestmark = pytest.mark.trial


def at(text: str) -> datetime:
    return datetime.fromisoformat(text)


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


@pytest.fixture(scope="module")
def demo(airflow):
    """Run the main job to its end and return the run's id."""
    run_id = airflow.trigger("carbon_demo", train_seconds=2)
    airflow.succeeds("carbon_demo", run_id, 120)
    return run_id


def test_the_main_job_runs_from_region_to_ledger(airflow, demo):
    chosen, plan, account = (
        airflow.xcom("carbon_demo", demo, task) for task in ("choose_region", "wait", "account")
    )
    with Ledger.open(f"sqlite:///{airflow.home / 'carbon.db'}") as ledger:
        (entry,) = ledger.recent(dag_id="carbon_demo")
        intervals = ledger.intervals(entry.key)

    assert entry.key.task_id == "train"
    assert entry.key.run_id == demo
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


@pytest.mark.usefixtures("demo")
def test_the_past_runs_of_this_airflow_can_be_replayed(airflow):
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
