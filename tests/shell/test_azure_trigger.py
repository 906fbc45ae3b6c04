"""Attending a job: patient with Azure, whatever it does, and cancelled only by a user."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import timedelta

import pytest
from hanging import HANGS_S, until
from hypothesis import given
from hypothesis import strategies as st
from launching import machine_of_the_docs

from airflow_carbon import AzureTrainingOperator, clock
from airflow_carbon.azure.arm import Arm, Ask
from airflow_carbon.azure.job import State, Work
from airflow_carbon.azure.target import read_targets
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.triggers import azure as attending
from airflow_carbon.triggers.azure import JITTER, AzureJobTrigger, resting_s

TARGETS = {
    "swedencentral": {
        "kind": "machine_learning",
        "resource_group": "rg-swedencentral",
        "workspace": "ml-swedencentral",
        "environment_id": "azureml:torch:1",
        "instance_type": "Standard_NC24ads_A100_v4",
    }
}


def begin(command="sleep 0.3", targets=TARGETS):
    (target,) = read_targets(targets).values()
    with AzureHook("azure_test").arm() as arm:
        arm.send(target.submit(arm.login.subscription_id, "carbon-x-1", Work(command=command)))
    return target


def trigger(**given):
    fields = {
        "azure_conn_id": "azure_test",
        "targets": TARGETS,
        "region": "swedencentral",
        "name": "carbon-x-1",
        "attempt": 1,
        "poll_s": 0.1,
        "until": None,
        "skipped": {},
    }
    return AzureJobTrigger(**(fields | given))


def event(attending):
    async def first():
        async for one in attending.run():
            return one.payload
        return None

    return asyncio.run(asyncio.wait_for(first(), HANGS_S))


@pytest.mark.parametrize(("command", "state"), [("sleep 0.3", "succeeded"), ("exit 3", "failed")])
def test_the_end_of_a_job_is_told(azure, command, state):
    begin(command)

    told = event(trigger())

    assert told["view"]["state"] == state
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 503, "times": 2},
        {"kind": "status", "status": 429, "retry_after_s": 1},
        {"kind": "drop", "times": 2},
        {"kind": "expired"},
    ],
)
def test_azure_that_is_unwell_is_borne(azure, fault):
    begin()
    azure.control.fault("GET */jobs/carbon-x-1", **fault)

    assert event(trigger())["view"]["state"] == "succeeded"


def test_a_token_that_was_taken_back_is_renewed(azure):
    begin("sleep 1")
    azure.control.fault("GET */jobs/carbon-x-1", "expired", times=3)
    azure.control.revoke_tokens()

    assert event(trigger())["view"]["state"] == "succeeded"


MACHINES = machine_of_the_docs("swedencentral")
POWER = "/providers/Microsoft.Compute/virtualMachines/carbon-x-1"


def machine_of(azure):
    """Return its power state and its tags."""

    def read(reply):
        state = reply.body["properties"]["instanceView"]["statuses"][-1]["code"]
        return state, reply.body["tags"]

    path = f"/subscriptions/{azure.subscription}/resourceGroups/rg-swedencentral{POWER}"
    seen = {"params": {"$expand": "instanceView"}, "api_version": "2024-07-01"}
    with AzureHook("azure_test").arm() as arm:
        return arm.send(Ask(method="GET", path=path, read=read, **seen))


def deallocated(azure):
    return until(lambda: machine_of(azure)[0] == "PowerState/deallocated")


@pytest.mark.parametrize(("command", "state"), [("sleep 0.3", "succeeded"), ("exit 3", "failed")])
def test_a_templates_machine_is_given_back_when_its_command_has_ended(azure, command, state):
    begin(command, MACHINES)

    told = event(trigger(targets=MACHINES))

    assert told["view"]["state"] == state
    assert told["view"]["started_at"] < told["view"]["ended_at"]
    assert deallocated(azure)
    assert machine_of(azure)[1]["carbon-state"] == state


@pytest.mark.parametrize(
    "fault", [{"status": 503}, {"status": 429, "retry_after_s": 1}, {"status": 404}]
)
def test_azure_that_is_unwell_while_a_machine_is_given_back_is_borne(azure, fault):
    begin("true", MACHINES)
    azure.control.fault("PATCH */tags/default", "status", **fault)

    assert event(trigger(targets=MACHINES))["view"]["state"] == "succeeded"
    assert fault["status"] == 404 or deallocated(azure)


def test_a_machine_that_is_not_taken_back_changes_no_outcome(azure):
    begin("true", MACHINES)
    azure.control.fault("POST */deallocate", "status", status=403, times=9)

    assert event(trigger(targets=MACHINES))["view"]["state"] == "succeeded"


def test_a_machine_that_is_out_of_time_is_ended(azure):
    begin("sleep 60", MACHINES)
    late = (clock.now() + timedelta(seconds=1)).isoformat()

    told = event(trigger(targets=MACHINES, until=late))

    assert "had not ended by" in (told["error"] or told["view"]["message"])
    assert deallocated(azure)


def test_a_user_who_ends_the_task_ends_the_machine(azure):
    target = begin("sleep 30", MACHINES)
    with AzureHook("azure_test").arm() as arm:
        until(lambda: state(arm, target) is State.RUNNING)

        asyncio.run(trigger(targets=MACHINES).on_kill())

        assert ended(arm, target) is State.CANCELLED
    assert deallocated(azure)


def test_a_job_that_is_not_there_is_said(azure):
    told = event(trigger(name="carbon-none-1"))

    assert told["view"] is None
    assert "carbon-none-1" in told["error"]


def test_a_job_out_of_time_is_ended_and_that_is_said(azure):
    target = begin("sleep 30")

    told = event(trigger(until=(clock.now() + timedelta(seconds=1)).isoformat()))

    assert told["view"] is None
    assert "had not ended by" in told["error"]
    with AzureHook("azure_test").arm() as arm:
        assert ended(arm, target) is State.CANCELLED


def test_a_user_who_ends_the_task_ends_the_job(azure):
    target = begin("sleep 30")

    asyncio.run(trigger().on_kill())

    with AzureHook("azure_test").arm() as arm:
        assert ended(arm, target) is State.CANCELLED


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("GET */jobs/*", {"kind": "status", "status": 429, "retry_after_s": 1}),
        ("POST */cancel", {"kind": "status", "status": 503}),
        ("POST */cancel", {"kind": "drop", "times": 2}),
    ],
)
def test_azure_that_is_unwell_does_not_keep_a_job_that_a_user_ended(
    azure, pattern, fault, monkeypatch
):
    monkeypatch.setattr(attending, "KILL_PAUSES_S", (0.1,) * 5)
    target = begin("sleep 30")
    azure.control.fault(pattern, **fault)

    asyncio.run(trigger().on_kill())

    with AzureHook("azure_test").arm() as arm:
        assert ended(arm, target) is State.CANCELLED


def test_azure_is_left_alone_for_as_long_as_it_says(azure):
    begin()
    azure.control.fault("GET */jobs/carbon-x-1", "status", status=503, retry_after_s=1)
    attending, begun = trigger(), time.monotonic()

    assert event(attending)["view"]["state"] == "succeeded"
    assert time.monotonic() - begun >= 1


seconds = st.floats(0, 1e6)


@given(seconds, seconds, st.floats(-JITTER, JITTER))
def test_no_jitter_ever_shortens_how_long_azure_wants_to_be_left_alone(pause, peace, draw):
    rest = resting_s(pause, peace, draw)

    assert rest >= peace
    assert rest <= max(pause, peace) * (1 + JITTER)
    assert rest >= pause * (1 - JITTER)


def test_no_import_blocks_the_loop():
    """A second of imports, in which no other trigger would run."""
    code = """
import sys
from importlib import import_module
from airflow_carbon.triggers import azure
for module in azure.HEAVY:
    import_module(module)
before = set(sys.modules)
import asyncio
from airflow_carbon.azure.arm import AsyncArm
from airflow_carbon.azure.login import Login
async def opened():
    AsyncArm(Login(subscription_id="s", tenant_id="t", client_id="c", client_secret="x"))
asyncio.run(opened())
print(len(set(sys.modules) - before))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 10


def state(arm: Arm, target):
    return arm.send(target.look(arm.login.subscription_id, "carbon-x-1")).state


def ended(arm: Arm, target):
    until(lambda: state(arm, target).is_final)
    return state(arm, target)


def test_a_trigger_survives_its_database():
    path, fields = trigger().serialize()

    assert path == "airflow_carbon.triggers.azure.AzureJobTrigger"
    assert json.loads(json.dumps(fields)) == fields


def test_a_training_that_succeeded_tells_on_which_size_of_machine():
    view = dict.fromkeys(("said", "started_at", "ended_at", "outputs"))
    view |= {"state": "succeeded", "link": "https://ml/1", "resource": "/jobs/1"}
    event = {"name": "n", "region": "swedencentral", "attempt": 1, "skipped": {}, "view": view}

    train = AzureTrainingOperator(task_id="train", command="train", targets=TARGETS)

    assert train.complete({}, event)["size"] == "Standard_NC24ads_A100_v4"
