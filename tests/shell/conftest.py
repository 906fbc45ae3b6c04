"""A stand-in for Azure with a connection to it, and a grid that may leave its forecast."""

from __future__ import annotations

import json

import pytest
from pausing import Grid
from servers.arm import arm_server


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
