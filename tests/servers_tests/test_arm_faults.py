from __future__ import annotations

import os
import time

import httpx
import pytest
from azure.core.exceptions import (
    ServiceRequestError,
    ServiceResponseError,
    ServiceResponseTimeoutError,
)
from servers.arm import arm_server

V = "2024-07-01"


def test_a_throttled_client_waits_as_it_is_told(cloud):
    cloud.control.fault("GET */resourcegroups/*", status=429, retry_after_s=1)
    begun = time.monotonic()
    assert cloud.ask("GET", cloud.group(), V, retry_total=1).status_code == 200
    assert time.monotonic() - begun >= 1.0
    assert cloud.control.count("GET */resourcegroups/*") == 2


def test_faults_come_as_often_as_told_and_only_where_told(cloud):
    cloud.control.fault("GET */resourcegroups/*", status=503, times=2)
    codes = [cloud.ask("GET", cloud.group(), V).status_code for _ in range(3)]
    other = cloud.ask("GET", f"{cloud.subscription}/locations", "2022-12-01").status_code
    assert (codes, other) == ([503, 503, 200], 200)


@pytest.mark.parametrize("after", [False, True])
def test_a_dropped_connection_may_have_done_what_was_asked(cloud, command, until, after):
    cloud.control.fault("PUT */jobs/*", "drop", after=after)
    with pytest.raises((ServiceResponseError, ServiceRequestError)):
        cloud.ask("PUT", cloud.job("j"), "2024-04-01", command("true"))
    found = cloud.ask("GET", cloud.job("j"), "2024-04-01").status_code
    assert found == (200 if after else 404)
    if after:
        until(lambda: cloud.control.starts("j"), 1)


def test_a_hanging_answer_runs_into_the_clients_own_limit(cloud):
    cloud.control.fault("GET */locations*", "hang")
    with pytest.raises(ServiceResponseTimeoutError):
        cloud.ask("GET", f"{cloud.subscription}/locations", "2022-12-01", read_timeout=0.2)


def test_one_request_can_meet_an_expired_token(cloud):
    cloud.control.fault("GET */resourcegroups/*", "expired")
    codes = [cloud.ask("GET", cloud.group(), V).status_code for _ in range(2)]
    assert codes == [401, 200]


def test_reset_forgets_all_and_leaves_no_process(cloud, command, until):
    cloud.ask("PUT", cloud.job("j"), "2024-04-01", command("sleep 60"))
    until(lambda: cloud.control.job("j")["status"], "Running")
    cloud.control.fault("GET *")
    cloud.control.reset()
    assert cloud.control.starts("j") == 0
    assert cloud.ask("GET", cloud.job("j"), "2024-04-01").status_code == 404


def test_any_error_of_azures_can_be_told(cloud):
    told = {"status": 403, "code": "AuthorizationFailed", "message": "No role."}
    cloud.control.fault("GET */resourcegroups/*", **told)
    error = cloud.ask("GET", cloud.group(), V).json()["error"]
    assert error == {"code": "AuthorizationFailed", "message": "No role."}


def test_a_provider_that_is_not_registered_makes_nothing(cloud, command):
    cloud.control.unregister("Microsoft.MachineLearningServices")
    answer = cloud.ask("PUT", cloud.job("j"), "2024-04-01", command("true"))
    assert answer.status_code == 409
    assert answer.json()["error"]["code"] == "MissingSubscriptionRegistration"


def test_a_server_that_ends_leaves_no_process(command, until):
    with arm_server() as azure, httpx.Client(base_url=azure.plain_url) as web:
        who = {"X-IDENTITY-HEADER": azure.identity_header}
        token = web.get("/msi/token", headers=who).json()["access_token"]
        path = (
            f"/subscriptions/{azure.subscription}/resourceGroups/rg-eastus/providers/"
            "Microsoft.MachineLearningServices/workspaces/ml-eastus/jobs/orphan"
        )
        web.put(
            f"{path}?api-version=2024-04-01",
            json=command("sleep 60"),
            headers={"Authorization": f"Bearer {token}"},
        ).raise_for_status()
        until(lambda: azure.control.job("orphan")["pid"] is not None)
        pid = azure.control.job("orphan")["pid"]
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
