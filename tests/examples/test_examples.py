"""The examples: each parses anywhere, explains itself, and is in the table of the docs."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from airflow.dag_processing.dagbag import DagBag
from airflow.serialization.serialized_objects import DagSerialization

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "dags").glob("*.py"))
TRAINER = ROOT / "dags" / "training" / "train.py"
STARTED = {"carbon_demo", "sweep_member"}
"""DAGs that somebody starts, a person or another DAG."""


@pytest.fixture(scope="module")
def dags():
    """Everything that Airflow finds in the two folders, where no connection is known."""
    bags = [DagBag(str(folder)) for folder in (ROOT / "dags", ROOT / "docker" / "dags")]
    assert [bag.import_errors for bag in bags] == [{}, {}]
    return {dag_id: dag for bag in bags for dag_id, dag in bag.dags.items()}


def test_every_example_is_found_and_survives_serialisation(dags):
    files = {Path(dag.fileloc) for dag in dags.values()}

    assert set(EXAMPLES) <= files
    for dag in dags.values():
        back = DagSerialization.from_dict(DagSerialization.to_dict(dag))
        assert set(back.task_ids) == set(dag.task_ids)


def test_every_example_explains_itself_and_may_be_tried_again(dags):
    for dag in dags.values():
        assert len(dag.doc_md) > 60
        assert "carbon" in dag.tags
        assert dag.catchup is False


def test_an_example_that_nobody_starts_has_a_schedule(dags):
    examples = {dag_id for dag_id, dag in dags.items() if "trial" not in dag.tags}

    assert {dag_id for dag_id in examples if not dags[dag_id].timetable.can_be_scheduled} == STARTED


def test_every_wait_is_tried_again_where_it_fails(dags):
    waits = [
        task
        for dag in dags.values()
        for task in dag.tasks
        if task.task_type in {"CarbonAwareSensor", "AzureTrainingOperator"}
        and dag.dag_id != "carbon_demo"  # its wait begins at once
    ]

    assert len(waits) > 8
    assert [task for task in waits if not task.retries] == []


def test_the_table_of_the_docs_has_every_example():
    page = (ROOT / "docs" / "how-to" / "examples.md").read_text()
    rows = re.findall(r"^\| \[`(\w+)\.py`\]\(\.\./\.\./dags/(\w+)\.py\)", page, re.MULTILINE)

    assert sorted(rows) == [(path.stem, path.stem) for path in EXAMPLES]


def test_a_training_that_is_ended_goes_on_from_its_checkpoint(tmp_path):
    checkpoint = tmp_path / "model.npz"
    command = [sys.executable, TRAINER, "--checkpoint", checkpoint, "--seconds"]
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    subprocess.run([*command, "0"], check=True, capture_output=True, env=env)
    pipe = {"stdout": subprocess.PIPE, "text": True, "env": env}
    with subprocess.Popen([*command, "3600"], **pipe) as training:
        first = training.stdout.readline()
        training.send_signal(signal.SIGTERM)
        assert training.wait(60) == 143

    assert first == "goes on at step 200\n"
    with np.load(checkpoint) as kept:
        steps, seconds = kept["counts"]
    assert steps >= 200
    assert 0 < seconds < 3600
