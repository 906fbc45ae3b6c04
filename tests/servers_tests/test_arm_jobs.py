from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
from azure.core.rest import HttpRequest
from azure.identity.aio import ClientSecretCredential
from azure.mgmt.resource.resources.aio import ResourceManagementClient

V = "2024-04-01"


@pytest.fixture
def submit(cloud, command):
    def put(name, line, region="swedencentral", **more):
        answer = cloud.ask("PUT", cloud.job(name, region), V, command(line, **more))
        answer.raise_for_status()
        return answer

    return put


@pytest.fixture
def status(cloud):
    return lambda name, region="swedencentral": (
        lambda: cloud.get(cloud.job(name, region), V)["properties"]["status"]
    )


@pytest.fixture
def details(cloud):
    return lambda name, region="swedencentral": cloud.ask(
        "GET", f"/history/v1.0{cloud.workspace(region)}/runs/{name}/details"
    ).json()


def test_a_job_runs_its_command_and_its_log_comes_home(cloud, submit, status, details, until):
    first = submit(
        "train",
        "echo $GREETING ${{inputs.epochs}} $AZUREML_RUN_ID; pwd",
        environmentVariables={"GREETING": "hello"},
        inputs={"epochs": {"jobInputType": "literal", "value": "3"}},
    )
    assert (first.status_code, first.json()["properties"]["status"]) == (201, "NotStarted")
    until(status("train"), "Completed")
    log = httpx.get(details("train")["logFiles"]["user_logs/std_log.txt"], verify=_tls(cloud)).text
    assert log.startswith("hello 3 train\n")
    assert cloud.control.job("train")["seen"] == [
        "NotStarted", "Queued", "Preparing", "Running", "Finalizing", "Completed",
    ]  # fmt: skip


def test_a_command_that_fails_leaves_its_last_words(submit, status, details, until):
    submit("bad", "echo out of memory >&2; exit 9")
    until(status("bad"), "Failed")
    error = details("bad")["error"]["error"]
    assert error["code"] == "UserError"
    assert "status code 9" in error["message"]
    assert "out of memory" in error["message"]


def test_a_generic_put_by_the_sdk_gives_the_job(cloud, command, until, status):
    poller = cloud.client.resources.begin_create_or_update_by_id(
        cloud.job("generic").lstrip("/"), command("true"), api_version=V
    )
    assert poller.result().name == "generic"
    until(status("generic"), "Completed")


def test_fifty_puts_at_once_start_one_process(cloud, azure, command, until, status):
    async def all_at_once():
        trust = {"authority": azure.url, "disable_instance_discovery": True}
        async with (
            ClientSecretCredential(
                azure.tenant, azure.client, azure.secret, connection_verify=azure.ca, **trust
            ) as credential,
            ResourceManagementClient(
                credential, azure.subscription, azure.url, connection_verify=azure.ca
            ) as client,
        ):
            path = f"{cloud.job('once')}?api-version={V}"
            asks = [HttpRequest("PUT", path, json=command("sleep 0.1")) for _ in range(50)]
            return [a.status_code for a in await asyncio.gather(*map(client.send_request, asks))]

    codes = asyncio.run(all_at_once())
    until(status("once"), "Completed")
    assert sorted(codes) == [200] * 49 + [201]
    assert cloud.control.count("PUT */jobs/once") == 50
    assert cloud.control.starts("once") == 1


def test_a_name_that_is_taken_takes_no_other_command(cloud, command, submit):
    submit("taken", "true", tags={"a": "1"})
    assert (
        cloud.ask("PUT", cloud.job("taken"), V, command("true", tags={"a": "2"})).status_code == 200
    )
    assert cloud.get(cloud.job("taken"), V)["properties"]["tags"] == {"a": "2"}
    other = cloud.ask("PUT", cloud.job("taken"), V, command("false"))
    error = other.json()["error"]
    assert (other.status_code, error["code"]) == (400, "UserError")
    assert "existing job's Command cannot be changed" in error["message"]


def test_cancelling_ends_the_process_and_its_children(cloud, submit, status, until):
    submit("long", "trap '' TERM; sleep 60 & echo $! > child; sleep 60")
    child = Path(_running(cloud, until, "long")["folder"]) / "try-1" / "child"
    until(lambda: child.exists() and child.read_text().strip() != "")
    answer = cloud.ask("POST", f"{cloud.job('long')}/cancel", V)
    assert answer.status_code == 202
    where = answer.headers["Location"]
    until(lambda: cloud.ask("GET", where).status_code, 200)
    assert status("long")() == "Canceled"
    until(lambda: not _alive(int(child.read_text())))
    assert cloud.ask("POST", f"{cloud.job('long')}/cancel", V).status_code == 200


def test_a_lost_spot_machine_queues_the_job_anew_and_outputs_stay(cloud, submit, status, until):
    kept = {"ckpt": {"jobOutputType": "uri_folder"}}
    line = "cd ${{outputs.ckpt}}; if [ -e half ]; then echo resumed; else touch half; sleep 60; fi"
    submit("spot", line, outputs=kept)
    folder = Path(_running(cloud, until, "spot")["folder"])
    until((folder / "outputs" / "ckpt" / "half").exists)
    cloud.control.lose("spot", "requeue", grace_s=0)
    until(status("spot"), "Completed")
    seen = cloud.control.job("spot")["seen"]
    assert seen.count("Running") == 2
    assert cloud.control.starts("spot") == 2
    assert (folder / "std_log.txt").read_text() == "resumed\n"


def test_a_lost_machine_can_fail_the_job(cloud, submit, status, details, until):
    submit("gone", "sleep 60")
    _running(cloud, until, "gone")
    cloud.control.lose("gone", "fail")
    until(status("gone"), "Failed")
    assert "preempted" in details("gone")["error"]["error"]["message"]


def test_a_region_without_capacity_fails_the_job_and_its_neighbour_runs_it(
    cloud, submit, status, details, until
):
    cloud.control.no_capacity("eastus", "AllocationFailed")
    for region in ("eastus", "uksouth"):
        submit("wander", "true", region=region)
    until(status("wander", "eastus"), "Failed")
    until(status("wander", "uksouth"), "Completed")
    assert details("wander", "eastus")["error"]["error"]["code"] == "AllocationFailed"
    assert cloud.control.starts("wander") == 1


def test_the_limit_cancels_the_job(submit, status, until):
    submit("limited", "sleep 60", limits={"jobLimitsType": "Command", "timeout": "PT0.1S"})
    until(status("limited"), "Canceled")


def test_jobs_are_listed_by_tag_and_page(cloud, submit):
    cloud.control.settings(job_page=2)
    for name in ("a", "b", "c"):
        submit(name, "true", tags={"run": "one"})
    submit("d", "true")
    page = cloud.get(f"{cloud.workspace()}/jobs?tag=run=one", V)
    rest = cloud.ask("GET", page["nextLink"]).json()
    assert [j["name"] for j in page["value"] + rest["value"]] == ["c", "b", "a"]
    assert "nextLink" not in rest


@pytest.mark.parametrize(
    ("name", "change"),
    [("-bad", {}), ("x" * 256, {}), ("ok", {"command": None}), ("ok", {"jobType": "Sweep"})],
)
def test_a_body_or_a_name_outside_the_spec_is_refused(cloud, command, name, change):
    answer = cloud.ask("PUT", cloud.job(name), V, command("true", **change))
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "UserError")


def test_a_job_that_is_not_there_is_not_found(cloud):
    assert cloud.ask("GET", cloud.job("nobody"), V).status_code == 404


def _running(cloud, until, name):
    until(lambda: cloud.control.job(name)["pid"] is not None)
    return cloud.control.job(name)


def _alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def _tls(cloud):
    return ssl.create_default_context(cafile=cloud.azure.ca)
