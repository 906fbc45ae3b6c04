"""Who ends a task ends its training, at whatever moment; of two jobs of a training one goes on."""

from __future__ import annotations

import asyncio
import signal
from contextlib import suppress

import pytest
from hanging import until
from pausing import TARGETS, Task, training

from airflow_carbon.azure.arm import Arm
from airflow_carbon.azure.errors import LaunchStoppedError, TrainingFailedError
from airflow_carbon.azure.job import State, Work, job_name
from airflow_carbon.azure.target import read_targets
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.operators import attending

ONE = {"targets": {"swedencentral": TARGETS["swedencentral"]}}


@pytest.fixture
def killed(monkeypatch):
    """End a task as Airflow does: a signal's handler calls ``on_kill``, and the task goes on."""
    monkeypatch.setattr(attending, "KILL_PATIENCE_S", 0.5)

    def kill(task, after_s):
        signal.signal(signal.SIGALRM, lambda *_: task.operator.on_kill())
        signal.setitimer(signal.ITIMER_REAL, after_s)

    before = signal.getsignal(signal.SIGALRM)
    yield kill
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def name_of(request, attempt=1):
    which = {"dag_id": "d", "run_id": request.node.name, "task_id": "train", "map_index": -1}
    return job_name(**which, attempt=attempt)


def seen(azure, region, name):
    with AzureHook("azure_test").arm() as arm:
        target = read_targets(TARGETS)[region]
        return arm.send(target.look(azure.subscription, name))


def over(azure, name, region="swedencentral"):
    until(lambda: seen(azure, region, name).state.is_final)
    return seen(azure, region, name).state


def test_a_job_whose_creation_is_under_way_is_ended(azure, request, killed):
    azure.control.fault("PUT */jobs/*", "hang", hang_s=1.5, after=True)
    task = Task(training("sleep 60", **ONE), request.node.name)
    killed(task, 0.8)

    with pytest.raises(LaunchStoppedError):
        task.work()

    assert over(azure, name_of(request)) is State.CANCELLED


def test_what_is_not_created_yet_is_not_created(azure, request, killed):
    azure.control.fault("GET */jobs/*", "hang", hang_s=1.0)
    task = Task(training("sleep 60", **ONE), request.node.name)
    killed(task, 0.5)

    with pytest.raises(LaunchStoppedError):
        task.work()

    assert azure.control.count("PUT */jobs/*") == 0


def test_a_job_that_was_launched_before_is_ended_too(azure, request, killed):
    Task(training("sleep 60", **ONE), request.node.name).work()
    azure.control.fault("GET */jobs/*", "hang", hang_s=1.0)
    again = Task(training("sleep 60", **ONE), request.node.name)
    killed(again, 0.5)

    with pytest.raises(LaunchStoppedError):
        again.work()

    assert over(azure, name_of(request)) is State.CANCELLED


def test_a_trigger_that_has_not_looked_yet_ends_the_job(azure, request):
    task = Task(training("sleep 60", poll_interval="1h", **ONE), request.node.name)
    task.work()

    async def as_airflow_does():
        trigger = task.trigger()
        running = asyncio.ensure_future(anext(trigger.run()))
        await asyncio.sleep(0)
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running
        await trigger.on_kill()

    asyncio.run(as_airflow_does())
    assert over(azure, name_of(request)) is State.CANCELLED


def submit(region, name, command):
    with AzureHook("azure_test").arm() as arm:
        target = read_targets(TARGETS)[region]
        arm.send(target.submit(arm.login.subscription_id, name, Work(command=command)))


def test_a_job_that_was_created_later_elsewhere_is_ended_at_the_first_look(azure, request):
    task = Task(training("sleep 1"), request.node.name)
    task.work()
    submit("francecentral", name_of(request), "sleep 60")  # whose creator died right then

    assert task.finish()["region"] == "swedencentral"
    assert over(azure, name_of(request), "francecentral") is State.CANCELLED


def test_whose_job_was_created_later_ends_it_and_follows_the_first(azure, request):
    submit("francecentral", name_of(request), "sleep 2")
    azure.control.fault("GET */ml-francecentral/jobs/*", "status", status=404, times=3)
    task = Task(training("sleep 60"), request.node.name)  # looked before the other was there
    task.work()
    assert task.deferred[1]["region"] == "swedencentral"

    result = task.finish()

    assert (result["state"], result["region"]) == ("succeeded", "francecentral")
    assert over(azure, name_of(request)) is State.CANCELLED


def test_what_somebody_cancels_in_azure_is_no_second_job(azure, request):
    task = Task(training("sleep 60"), request.node.name)
    task.work()
    with Arm(AzureHook("azure_test").login()) as arm:
        target = read_targets(TARGETS)["swedencentral"]
        arm.send(target.cancel(azure.subscription, name_of(request), None))

    with pytest.raises(TrainingFailedError, match="Canceled"):
        task.finish()


def test_two_airflows_in_one_resource_group_have_jobs_of_their_own(azure, request, connect):
    connect(installation="production")
    one = Task(training("true", **ONE), request.node.name)
    one.work()
    connect(installation="development")
    other = Task(training("true", **ONE), request.node.name)
    other.work()

    names = {task.deferred[1]["name"] for task in (one, other)}
    assert len(names | {name_of(request)}) == 3
    assert [task.finish()["attempt"] for task in (one, other)] == [1, 1]


def test_a_region_of_another_cloud_is_said_before_anything_is_launched(azure, request):
    targets = {"usgovvirginia": TARGETS["swedencentral"]}
    task = Task(training("true", targets=targets, region="usgovvirginia"), request.node.name)

    with pytest.raises(InvalidOptionError, match="usgovvirginia is in AzureUSGovernment"):
        task.work()


def test_a_training_runs_in_a_governments_cloud(azure, request, connect):
    connect(cloud_environment="AzureUSGovernment")
    target = TARGETS["swedencentral"] | {
        "resource_group": "rg-usgovvirginia",
        "workspace": "ml-usgovvirginia",
    }
    given = {"targets": {"usgovvirginia": target}, "region": "US Gov Virginia"}
    task = Task(training("true", **given), request.node.name)
    task.work()

    assert task.finish()["region"] == "usgovvirginia"
