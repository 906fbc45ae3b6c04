"""One real Airflow for all the trials, and grids that they know."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from azure_stand_in import start_azure
from standalone import Standalone

from airflow_carbon import clock

HERE = Path(__file__).parent
TOLD = HERE.parents[1] / ".artefacts" / "trials.txt"
"""What the failures of trials say; `make test` prints it."""

LONG = ("test_turning", "test_azure", "test_service", "test_waits")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A trial that fails says what its last run did, the first time too: it is all that we see."""
    report = yield
    if report.failed:
        running, story = getattr(item, "funcargs", {}).get("airflow"), ""
        with suppress(Exception):
            story = running.last_story()[-6000:]
        TOLD.parent.mkdir(exist_ok=True)
        with TOLD.open("a") as told:
            told.write(f"{item.nodeid}, {report.when}\n{report.longreprtext[-4000:]}\n{story}\n\n")
    return report


def pytest_collection_modifyitems(items):
    """Begin with what takes long, so that no trial is left over when the others are through."""
    items.sort(key=lambda item: LONG.index(item.path.stem) if item.path.stem in LONG else len(LONG))


@pytest.fixture(scope="session")
def airflow(tmp_path_factory):
    """A real Airflow with the DAGs of the trials and those of the project."""
    home = tmp_path_factory.mktemp("airflow")
    dags = home / "dags"
    dags.mkdir()
    (dags / "trial").symlink_to(HERE / "dags")
    project = HERE.parents[1] / "dags"
    for name in ("carbon_demo.py", "training", ".airflowignore"):
        (dags / name).symlink_to(project / name)
    _rows([300.0] * 360, clock.now()).to_csv(home / "turning.csv")
    env = {
        "CARBON_DEMO_HOUR_SECONDS": "1",
        **start_azure(home),
        "AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "600",
        "AIRFLOW__TRIGGERER__JOB_HEARTBEAT_SEC": "1",
        "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "5",
        "AIRFLOW__CARBON__MEASURED_TAGS": "listened",
        "AIRFLOW__CARBON__WORKER_REGION": "swedencentral",
        "AIRFLOW_CONN_CARBON_DEFAULT": json.dumps(
            {"conn_type": "carbon", "extra": {"sources": "replay", "replay_speed": 3600}}
        ),
        "AIRFLOW_CONN_TURNING": json.dumps(
            {"conn_type": "carbon", "extra": {"replay_file": str(home / "turning.csv")}}
        ),
    }
    with Standalone(home=home, dags=dags, env=env, slowness=2) as running:
        yield running


def _rows(values, begins):
    """Return a grid in steps of ten seconds."""
    index = pd.date_range(begins, periods=len(values), freq="10s", name="at")
    return pd.DataFrame({"TRIAL": values}, index=index)


@pytest.fixture
def turning(airflow):
    """Lay another grid in place of the dirty one that watchers and schedules look at."""

    def lay(values, begins):
        file = airflow.home / "turning.csv"
        _rows(values, begins).to_csv(file.with_suffix(".new"))
        file.with_suffix(".new").replace(file)

    return lay


class Valley(NamedTuple):
    """When the cleanest ten seconds begin, and the file that says so."""

    begins: datetime
    file: Path


@pytest.fixture(scope="session")
def valley(airflow, tmp_path_factory):
    """Lay a grid whose cleanest ten seconds begin a while from now."""

    def lay(after_s: float, conn_id: str = "valley") -> Valley:
        # Rows of ten seconds; the valley is one of them.
        begins = clock.now().replace(microsecond=0)
        row = round(after_s / 10)
        values = np.full(360, 300.0)
        values[row] = 50.0
        index = pd.date_range(begins, periods=len(values), freq="10s", name="at")
        # A file of its own each time: Airflow keeps what it has read of an earlier one.
        file = tmp_path_factory.mktemp("grid") / f"{conn_id}.csv"
        pd.DataFrame({"TRIAL": values, "FLAT": 200.0, "FR": values}, index=index).to_csv(file)
        airflow.connect(
            conn_id,
            sources="replay",
            replay_file=str(file),
            replay_starts_at=begins.isoformat(),
        )
        return Valley(begins + row * timedelta(seconds=10), file)

    return lay
