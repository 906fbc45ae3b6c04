from __future__ import annotations

import pytest

V = "2024-03-01"


@pytest.fixture
def path(cloud):
    return f"{cloud.group()}/providers/Microsoft.App/jobs/train"


def body(cloud, line, **configuration):
    return {
        "location": "Sweden Central",
        "properties": {
            "environmentId": f"{cloud.group()}/providers/Microsoft.App/managedEnvironments/gpu",
            "configuration": {"triggerType": "Manual", "replicaTimeout": 30} | configuration,
            "template": {
                "containers": [
                    {
                        "name": "train",
                        "image": "registry/train:1",
                        "command": ["/bin/sh"],
                        "args": ["-c", line],
                        "env": [{"name": "X", "value": "4"}, {"name": "Y", "secretRef": "key"}],
                    }
                ]
            },
        },
    }


def start(cloud, path, until, line, **configuration):
    """Put the job, start it, and return the path of its execution."""
    put = cloud.ask("PUT", path, V, body(cloud, line, **configuration))
    assert (put.status_code, put.json()["properties"]["provisioningState"]) == (201, "InProgress")
    until(lambda: cloud.get(path, V)["properties"]["provisioningState"], "Succeeded")
    answer = cloud.ask("POST", f"{path}/start", V)
    assert answer.status_code == 202
    return cloud.ask("GET", answer.headers["Location"]).json()["id"]


def status(cloud, execution):
    return lambda: cloud.get(execution, V)["properties"]["status"]


def test_an_execution_runs_its_container(cloud, path, until):
    line = "test $X$Y = 4s"
    execution = start(cloud, path, until, line, secrets=[{"name": "key", "value": "s"}])
    until(status(cloud, execution), "Succeeded")
    listed = cloud.get(f"{path}/executions", V)["value"]
    assert [one["id"] for one in listed] == [execution]
    assert "endTime" in listed[0]["properties"]


def test_a_container_that_fails_is_tried_again_as_often_as_allowed(cloud, path, until):
    execution = start(cloud, path, until, "exit 1", replicaRetryLimit=2)
    until(status(cloud, execution), "Failed")
    assert cloud.control.starts("train") == 3


def test_a_replica_ends_at_its_timeout(cloud, path, until):
    execution = start(cloud, path, until, "sleep 60", replicaTimeout=1)
    until(status(cloud, execution), "Failed")


def test_stopping_ends_the_process(cloud, path, until):
    execution = start(cloud, path, until, "sleep 60")
    until(lambda: cloud.control.starts("train"), 1)
    assert cloud.ask("POST", f"{execution}/stop", V).status_code == 202
    until(status(cloud, execution), "Stopped")


def test_the_timeout_is_required(cloud, path):
    asked = body(cloud, "true")
    del asked["properties"]["configuration"]["replicaTimeout"]
    answer = cloud.ask("PUT", path, V, asked)
    assert answer.status_code == 400
    assert "replicaTimeout" in answer.json()["error"]["message"]


def test_a_start_whose_answer_is_lost_starts_twice_if_the_client_retries(cloud, path, until):
    cloud.control.settings(step_s=1.0)
    cloud.ask("PUT", path, V, body(cloud, "true"))
    assert cloud.ask("POST", f"{path}/start", V).json()["error"]["code"] == "OperationInProgress"
    until(lambda: cloud.get(path, V)["properties"]["provisioningState"], "Succeeded")
    cloud.control.fault("POST */start", status=503, after=True)
    assert cloud.ask("POST", f"{path}/start", V, retry_total=1).status_code == 202
    until(lambda: cloud.control.starts("train"), 2)
    assert len(cloud.get(f"{path}/executions", V)["value"]) == 2
