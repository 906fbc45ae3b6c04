"""The examples that need no account run as they stand: `airflow dags test`, one after another."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from airflow_carbon.ledger.store import Ledger

ROOT = Path(__file__).parents[2]
AT_ONCE = """--conf '{"carbon_aware": false}'"""
COMMANDS = (
    "db migrate",
    "dags reserialize",
    f"dags test batch_scoring {AT_ONCE}",
    f"dags test region_choice {AT_ONCE}",
    "dags test sweep_member",
    "dags test hyperparameter_sweep",
)
# One process for all: to import Airflow takes longer than what is tried.
RUN = """
import shlex, sys
from airflow.cli.cli_parser import get_parser
for command in sys.argv[1:]:
    options = get_parser().parse_args(shlex.split(command))
    options.func(options)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """What is left in AIRFLOW_HOME."""
    home = tmp_path_factory.mktemp("home")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env = {
        **kept,
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    }
    command = [sys.executable, "-W", "ignore", "-c", RUN, *COMMANDS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    (home / "said").write_text(done.stdout + done.stderr)
    return home


@pytest.fixture(scope="module")
def entries(home):
    with Ledger.open(f"sqlite:///{home / 'carbon.db'}") as ledger:
        return ledger.recent()


def test_each_part_of_a_batch_is_accounted_for(entries):
    parts = [entry for entry in entries if entry.key.dag_id == "batch_scoring"]

    assert sorted(entry.key.map_index for entry in parts) == [0, 1, 2]
    assert {(entry.functional_units, entry.functional_unit) for entry in parts} == {
        (20_000, "inference")
    }
    assert {entry.model for entry in parts} == {"churn_scores"}


def test_a_region_is_chosen_and_said(home):
    said = (home / "said").read_text()

    assert "next best: " in said
    assert "left out, because the data has to stay in EU: australiacentral" in said


def test_a_sweep_is_a_run_for_each_member_to_come(home, entries):
    with closing(sqlite3.connect(home / "airflow.db")) as airflow:
        asked = "select run_id, state from dag_run where run_id like 'carbon__%'"
        runs = airflow.execute(asked).fetchall()

    assert len(runs) == 6
    assert {state for _, state in runs} == {"queued"}
    assert "sweep_member" in {entry.key.dag_id for entry in entries}
