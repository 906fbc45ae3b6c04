"""A stand-in for Azure with a connection to it, and a grid that may leave its forecast."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from forks import forking
from pausing import Grid
from servers.arm import arm_server

import airflow_carbon

IN_A_TASK = (
    "airflow.sdk.configuration",
    "airflow.sdk.listener",
    "airflow.sdk.plugins_manager",
    "airflow.sdk._shared.observability.metrics.stats",
    "airflow.sdk.observability.metrics.stats_utils",
    "airflow.providers.standard.operators.bash",
    "alembic.command",
    "httpx",
    "opentelemetry.exporter.otlp.proto.http.metric_exporter",
    "opentelemetry.sdk.metrics",
    "pandas",
    "sqlalchemy.dialects.sqlite",
)
"""What tasks import, but for this package."""


@pytest.fixture(scope="session")
def running():
    with arm_server() as azure:
        yield azure


@pytest.fixture
def connect(running, monkeypatch):
    """Write the connection, with more in its extra."""

    def write(**more):
        extra = {
            "subscriptionId": running.subscription,
            "tenantId": running.tenant,
            "arm_endpoint": running.url,
            "authority": running.url,
            "ca_file": running.ca,
        }
        value = {"conn_type": "azure", "login": running.client, "password": running.secret}
        value["extra"] = extra | more
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_TEST", json.dumps(value))

    return write


@pytest.fixture
def azure(running, connect):
    running.control.reset()
    running.control.clear_faults()
    connect()
    return running


@pytest.fixture
def grid(tmp_path, monkeypatch):
    return Grid(tmp_path, monkeypatch)


@pytest.fixture
def quick(tmp_path):
    """Twenty units of work of a twentieth of a second each, from the last checkpoint on."""
    file = tmp_path / "checkpoint"
    return (
        f"n=$(cat {file} 2>/dev/null || echo 0); "
        f"while [ $n -lt 20 ]; do sleep 0.05; n=$((n+1)); echo $n > {file}.new; "
        f"mv {file}.new {file}; done"
    )


@pytest.fixture(scope="session")
def forks(tmp_path_factory):
    """Runs scripts in processes that have imported what tasks do, but nothing of this package."""
    home = tmp_path_factory.mktemp("forks")
    env = {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")}
    env |= {"AIRFLOW_HOME": str(home), "PYTHONPATH": str(Path(airflow_carbon.__file__).parents[1])}
    with forking(*IN_A_TASK, env=env) as server:
        yield server
