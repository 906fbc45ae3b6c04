"""``airflow-carbon demo`` on its own Airflow, and what ``doctor`` then says of that."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from airflow_carbon.ledger.store import Ledger

pytestmark = pytest.mark.trial

ROOT = Path(__file__).parents[2]


def command(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "airflow_carbon.cli", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_demo_ends_with_a_run_in_a_ledger_and_doctor_finds_what_it_lacks(tmp_path):
    home = tmp_path / "demo"
    quick = ("--hour-seconds", "0.5")
    shown = command("demo", "--home", str(home), *quick, "--json", HOME=str(tmp_path))

    assert shown.returncode == 0, shown.stderr
    run = json.loads(shown.stdout)["run"]
    with Ledger.open(f"sqlite:///{home / 'carbon.db'}") as ledger:
        (entry,) = ledger.recent()
    assert (run["dag_id"], run["task_id"]) == ("carbon_demo", "work")
    assert (run["energy_j"], run["emissions_g"]) == (entry.energy_j, entry.emissions_g)
    assert entry.energy_j > 0
    assert entry.plan_reason
    assert "starts now" in shown.stderr

    told = command("doctor", "--json", AIRFLOW_HOME=str(home), HOME=str(tmp_path))

    checks = {one["check"]: one for one in json.loads(told.stdout)["checks"]}
    assert told.returncode == 1
    assert "never run" in checks["triggerer"]["says"]
    assert "1 run," in checks["ledger"]["says"]
    assert [name for name, one in checks.items() if one["verdict"] == "fail"] == ["triggerer"]
