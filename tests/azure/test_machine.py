"""The template of the docs on a stand-in for Azure: the job is what its machine's command does."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hanging import until
from launching import ended, machine, machine_of_the_docs, name_of, targets

from airflow_carbon import clock
from airflow_carbon.azure.arm import Ask, Reply
from airflow_carbon.azure.job import CANCELLING, JobView, State, Work, nothing
from airflow_carbon.azure.launch import launch
from airflow_carbon.azure.machine import Machine

V = "2024-07-01"
REGION = "swedencentral"
MADE = JobView(resource="/d", state=State.SUCCEEDED, said="Succeeded")


def begun(arm, work, *, policy="Delete", spot=True, **fields):
    """Return a training whose command runs."""
    where = targets(machine_of_the_docs(REGION, policy, spot=spot, **fields))
    launched = launch(arm, where, name_of, work)
    until(lambda: look(arm, launched).state is not State.PENDING)
    return launched


def look(arm, launched):
    return arm.send(launched.target.look(arm.login.subscription_id, launched.name))


def place(arm, launched):
    return (
        f"/subscriptions/{arm.login.subscription_id}/resourceGroups/rg-{REGION}"
        f"/providers/Microsoft.Compute/virtualMachines/{launched.name}"
    )


def do(arm, launched, what):
    path = f"{place(arm, launched)}/{what}"
    arm.send(Ask(method="POST", path=path, api_version=V, read=nothing))


def power(arm, launched):
    def read(reply):
        return reply.body["properties"]["instanceView"]["statuses"][-1]["code"]

    path, expand = place(arm, launched), {"$expand": "instanceView"}
    return arm.send(Ask(method="GET", path=path, api_version=V, read=read, params=expand))


def cancel(arm, launched):
    arm.send(launched.target.cancel(arm.login.subscription_id, launched.name, None))


def release(arm, launched, view):
    arm.send(launched.target.release(arm.login.subscription_id, launched.name, view))


def test_the_job_has_ended_when_its_command_has_and_not_when_its_machine_is_there(
    arm, azure, tmp_path
):
    go = tmp_path / "go"
    work = Work(
        command=f'while [ ! -e {go} ]; do sleep 0.02; done; echo "$WORD" > {tmp_path}/done',
        environment={"WORD": "it's $green"},
    )

    launched = begun(arm, work)
    assert look(arm, launched).state is State.RUNNING
    go.touch()
    view = ended(arm, launched)

    assert view.state is State.SUCCEEDED
    assert view.started_at < view.ended_at
    assert (tmp_path / "done").read_text() == "it's $green\n"
    assert azure.control.starts(launched.name) == 1


def test_a_command_that_fails_says_its_exit_code_and_its_last_words(arm):
    view = ended(arm, begun(arm, Work(command="echo no data >&2; exit 3")))

    assert (view.state, view.code) == (State.FAILED, "UserError")
    assert "exit code 3" in view.message
    assert "no data" in view.message


@pytest.mark.parametrize(
    ("command", "state"), [("true", State.SUCCEEDED), ("exit 3", State.FAILED)]
)
def test_a_machine_is_given_back_at_the_end_and_the_outcome_is_still_known(arm, command, state):
    launched = begun(arm, Work(command=command))
    view = ended(arm, launched)

    for _ in range(2):
        release(arm, launched, view)
    until(lambda: power(arm, launched) == "PowerState/deallocated")

    later = look(arm, launched)
    assert later.state is state
    assert (later.started_at, later.ended_at) == (view.started_at, view.ended_at)
    assert later.message == view.message.partition("\n")[0]


def test_who_comes_later_finds_a_success_and_launches_a_failure_anew(arm):
    where = targets(machine_of_the_docs(REGION))
    failed = begun(arm, Work(command="exit 3"))
    release(arm, failed, ended(arm, failed))

    second = launch(arm, where, name_of, Work(command="true"))
    release(arm, second, ended(arm, second))
    third = launch(arm, where, name_of, Work(command="true"))

    assert (second.attempt, second.found) == (2, False)
    assert (third.attempt, third.found) == (2, True)
    assert third.view.state is State.SUCCEEDED


@pytest.mark.parametrize("policy", ["Deallocate", "Delete"])
def test_a_spot_machine_that_is_evicted_was_preempted(arm, policy):
    launched = begun(arm, Work(command="sleep 60"), policy=policy)

    do(arm, launched, "simulateEviction")

    view = look(arm, launched)
    assert view.state is State.PREEMPTED
    assert "evicted" in view.message
    release(arm, launched, view)
    assert look(arm, launched).state is State.PREEMPTED


def test_a_machine_that_somebody_deallocates_was_cancelled_if_it_is_no_spot_machine(arm):
    launched = begun(arm, Work(command="sleep 60"), spot=False)

    do(arm, launched, "deallocate")
    until(lambda: power(arm, launched) == "PowerState/deallocated")

    assert look(arm, launched).state is State.CANCELLED


def test_a_machine_that_stops_before_its_command_has_ended_has_failed(arm):
    launched = begun(arm, Work(command="sleep 60"))

    do(arm, launched, "powerOff")

    view = look(arm, launched)
    assert view.state is State.FAILED
    assert "stopped before its run command said" in view.message


def test_a_region_without_a_machine_fails_with_the_cause_and_there_is_nothing_to_give_back(
    arm, azure
):
    azure.control.no_capacity(REGION, "AllocationFailed")
    launched = launch(arm, targets(machine_of_the_docs(REGION)), name_of, Work(command="true"))

    view = ended(arm, launched)
    release(arm, launched, view)

    assert (view.state, view.code) == (State.FAILED, "AllocationFailed")


def test_a_template_without_the_run_command_says_what_is_missing(arm):
    profile = machine(REGION)
    profile[REGION]["machine"] = "{name}"
    view = ended(arm, launch(arm, targets(profile), name_of, Work(command="sleep 60")))

    assert view.state is State.FAILED
    assert "no run command named 'training'" in view.message


def test_cancelling_ends_the_command_and_deallocates_its_machine_as_often_as_it_is_asked(
    arm, tmp_path
):
    mark, ready = tmp_path / "term", tmp_path / "ready"
    trap = f"trap 'touch {mark}; exit 143' TERM; touch {ready}"
    launched = begun(arm, Work(command=f"{trap}; while :; do sleep 0.05; done"))
    until(ready.exists)

    cancel(arm, launched)
    cancel(arm, launched)

    assert look(arm, launched).said in {CANCELLING, "cancelled"}
    assert ended(arm, launched).state is State.CANCELLED
    assert power(arm, launched) == "PowerState/deallocated"
    assert mark.exists()
    cancel(arm, launched)


def test_cancelling_a_machine_that_is_still_being_made_leaves_none(arm, azure):
    azure.control.settings(step_s=30)
    launched = launch(arm, targets(machine_of_the_docs(REGION)), name_of, Work(command="true"))
    assert look(arm, launched).state is State.PENDING

    cancel(arm, launched)
    cancel(arm, launched)

    assert look(arm, launched).state is State.CANCELLED
    assert azure.control.starts(launched.name) == 0


def test_an_end_that_was_asked_for_and_not_heard_is_asked_for_again(arm, azure):
    launched = begun(arm, Work(command="sleep 60"))
    azure.control.fault("POST */deallocate", "status", status=409)
    with pytest.raises(Exception, match="Azure refused"):
        cancel(arm, launched)
    assert look(arm, launched).state is State.RUNNING

    cancel(arm, launched)

    assert ended(arm, launched).state is State.CANCELLED


def judged(power, *, priority="Spot", tags=None, **told):
    """Return what is read of a machine in that power state, whose run command says that."""
    seen = {"statuses": [{"code": "ProvisioningState/x"}, {"code": f"PowerState/{power}"}]}
    body = {"tags": tags, "properties": {"priority": priority, "instanceView": seen}}
    found = Machine(resource="/m").look(MADE).read(Reply(status=200, headers={}, body=body))
    if isinstance(found, JobView):
        return found
    return found.read(Reply(status=200, headers={}, body={"properties": {"instanceView": told}}))


def ago(**how):
    return (clock.now() - timedelta(**how)).isoformat()


@pytest.mark.parametrize("code", [-1, 137, 143])
def test_a_command_killed_by_an_eviction_that_is_about_to_be_seen_has_not_failed(code):
    told = {"executionState": "Failed", "exitCode": code}

    assert judged("running", **told, endTime=ago(seconds=10)).state is State.RUNNING
    assert judged("running", **told, endTime=ago(minutes=10)).state is State.FAILED
    assert judged("running", priority="Regular", **told, endTime=ago(seconds=10)).state is (
        State.FAILED
    )
    assert judged("deallocating", **told, endTime=ago(seconds=10)).state is State.RUNNING
    assert judged("deallocated", **told, endTime=ago(seconds=10)).state is State.PREEMPTED


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("Unknown", State.PENDING),
        ("Pending", State.PENDING),
        ("a word of tomorrow", State.PENDING),
        ("Running", State.RUNNING),
        ("Succeeded", State.SUCCEEDED),
        ("Failed", State.FAILED),
        ("TimedOut", State.FAILED),
        ("Canceled", State.CANCELLED),
    ],
)
def test_what_a_run_command_says_of_its_execution(said, state):
    view = judged("running", executionState=said, exitCode=1, startTime=ago(hours=1))

    assert (view.state, view.said) == (state, said)


def test_a_command_that_had_succeeded_was_not_preempted():
    assert judged("deallocated", executionState="Succeeded").state is State.SUCCEEDED


def test_a_cancelled_machine_that_is_going_has_not_gone():
    tags = {"carbon-state": "cancelled"}

    assert judged("deallocating", tags=tags).said == CANCELLING
    assert judged("deallocated", tags=tags).state is State.CANCELLED
    assert judged("running", tags=tags, executionState="Running").state is State.RUNNING
