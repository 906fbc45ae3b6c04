"""A training that pauses and goes on, on a stand-in for Azure that really runs it."""

from __future__ import annotations

import asyncio
import json
from datetime import datetime
from itertools import pairwise

import pytest
from hanging import until
from pausing import PAUSE, SECOND, Task, training

from airflow_carbon import clock
from airflow_carbon.azure.errors import TrainingFailedError
from airflow_carbon.core.errors import InvalidOptionError, NoFeasibleWindowError


@pytest.fixture
def command(quick):
    """The same, of which the first attempt comes to no end by itself."""
    return f"{quick}; case $AZUREML_RUN_ID in *-1) sleep 300;; esac"


def begun(command, azure, grid, request, **given):
    """Launch a training, let it run for a moment, and let the grid get dirty for a while."""
    task = Task(training(command, **({"pause": PAUSE} | given)), request.node.name)
    task.work()
    azure_says(azure, task, "Running")
    return task


def azure_says(azure, task, status):
    until(lambda: azure.control.job(task.deferred[1]["name"])["status"] == status)


def at(text):
    return datetime.fromisoformat(text)


def once(azure, result):
    """Check that no two segments ran at the same time, and that none was started twice."""
    segments = result["segments"]
    assert [one["ended"] for one in segments[:-1]] == ["paused"] * (len(segments) - 1)
    assert segments[-1]["ended"] == "succeeded"
    for one, other in pairwise(segments):
        assert at(one["ended_at"]) <= at(other["started_at"])
    for one in segments:
        assert azure.control.starts(one["name"]) == 1
    return segments


def test_a_training_pauses_and_goes_on_in_the_next_clean_window(
    azure, grid, command, request, tmp_path
):
    task = begun(command, azure, grid, request)
    grid.turn_dirty()

    stop = task.step()
    assert stop["stop"]["answer"] == "pause"
    assert task.doing == "PausedJobTrigger"
    clean = grid.turn_clean()
    resumed = task.step()
    assert resumed["resume"] == {"region": "swedencentral", "because": "next_window"}
    result = task.finish()

    first, second = once(azure, result)
    assert (first["attempt"], second["attempt"]) == (1, 2)
    assert at(second["started_at"]) >= clean
    assert (tmp_path / "checkpoint").read_text() == "20\n"
    assert result["attempt"] == 2
    assert json.loads(json.dumps(result)) == result


def test_a_grid_that_keeps_its_promise_stops_nothing(azure, grid, quick, request):
    task = begun(quick, azure, grid, request)

    assert len(once(azure, task.finish())) == 1


def test_a_training_moves_to_the_cleaner_region(azure, grid, command, request):
    task = begun(command, azure, grid, request, pause={**PAUSE, "moving": True})
    grid.promise(sweden=300, france=20)

    result = task.finish()

    here, there = result["segments"]
    assert (here["region"], here["ended"]) == ("swedencentral", "moved")
    assert (there["region"], there["ended"]) == ("francecentral", "succeeded")
    assert result["region"] == "francecentral"


def test_without_moving_it_stays_in_its_region(azure, grid, quick, request):
    task = begun(quick, azure, grid, request)
    grid.promise(sweden=300, france=20)

    assert len(once(azure, task.finish())) == 1


@pytest.mark.parametrize("broken", ["at,SE-SE3\nnonsense", ""])
def test_a_service_that_fails_lets_the_training_run(azure, grid, quick, request, broken):
    task = begun(quick, azure, grid, request)
    grid.file.write_text(broken)

    assert len(once(azure, task.finish())) == 1


def test_no_time_is_left_and_it_is_not_paused(azure, grid, quick, request):
    task = begun(quick, azure, grid, request, pause={**PAUSE, "max_delay": "0.1s"})
    grid.turn_dirty()

    assert len(once(azure, task.finish())) == 1


def test_the_latest_start_forces_a_paused_training_through_whatever_is_promised(
    azure, grid, command, request
):
    task = begun(command, azure, grid, request, pause={**PAUSE})
    grid.turn_dirty()
    task.step()
    late = clock.now() + 4 * SECOND - at(task.operator.submitted)
    for pause in (task.operator.pause, task.deferred[1]["pause"]):
        pause["max_delay"] = f"{late / SECOND}s"
    deadline = at(task.operator.submitted) + late + 60 * SECOND
    task.deferred[1]["stop"]["until"] = deadline.isoformat()  # a plan that can't be kept

    resumed = task.step()
    assert resumed["resume"]["because"] == "deadline"
    assert task.doing == "AzureJobTrigger"  # nobody follows it any more
    grid.promise(sweden=[(-9, 900), (4, 1)], france=900)
    result = task.finish()

    first, last = once(azure, result)
    ran = at(first["ended_at"]) - at(first["started_at"])
    assert at(last["started_at"]) >= deadline - (60 * SECOND - ran)


def test_killed_triggerers_and_lost_workers_neither_lose_the_training_nor_run_it_twice(
    azure, grid, command, request, tmp_path
):
    task = begun(command, azure, grid, request)
    grid.turn_dirty()

    event = task.attend()
    task.work("complete", event=event, lost=True, **task.deferred[2])
    task.work()  # the next try
    assert task.doing == "PausedJobTrigger"  # it knows that it meant to stop
    grid.turn_clean()
    event = None
    for moment in (0.01, 0.05, 0.1, 0.3, None):
        event = event or task.attend(killed_after=moment)
    assert event["resume"]
    task.work("complete", event=event, lost=True, **task.deferred[2])  # after the launch
    task.work()
    task.attend(killed_after=0.1)
    result = task.finish()

    assert len(once(azure, result)) == 2
    assert (tmp_path / "checkpoint").read_text() == "20\n"


def test_a_training_cleared_while_it_is_paused_stays_paused(azure, grid, command, request):
    task = begun(command, azure, grid, request)
    grid.turn_dirty()
    task.step()
    task.attend(killed_after=0.5)
    grid.turn_clean()

    task.work()  # cleared: it begins anew

    assert task.doing == "PausedJobTrigger"
    assert len(once(azure, task.finish())) == 2


def test_a_user_who_ends_a_paused_task_leaves_nothing_running(azure, grid, command, request):
    task = begun(command, azure, grid, request)
    grid.turn_dirty()
    task.step()
    name = task.deferred[1]["name"]

    asyncio.run(task.trigger().on_kill())  # before it was stopped, or after: both
    assert task.attend(killed_after=1.0) is None
    asyncio.run(task.trigger().on_kill())

    until(lambda: azure.control.job(name)["status"] == "Canceled")
    assert azure.control.job(name)["pid"] is None
    assert azure.control.count("PUT */jobs/*") == 1


def test_who_cancels_a_training_in_azure_does_not_pause_it(azure, grid, command, request):
    task = begun(command, azure, grid, request)
    asyncio.run(task.trigger().on_kill())

    with pytest.raises(TrainingFailedError, match="Canceled"):
        task.finish()


def test_a_training_that_is_done_before_it_is_stopped_is_done(azure, grid, request, tmp_path):
    done = tmp_path / "done"
    task = begun(f"while [ ! -e {done} ]; do sleep 0.05; done", azure, grid, request)
    grid.turn_dirty()
    task.step()
    assert task.doing == "PausedJobTrigger"
    done.touch()
    azure_says(azure, task, "Completed")

    assert len(once(azure, task.finish())) == 1


def test_azure_that_is_unwell_while_a_job_is_stopped_is_borne(azure, grid, command, request):
    task = begun(command, azure, grid, request)
    grid.turn_dirty()
    task.step()
    grid.turn_clean()
    azure.control.fault("POST */cancel", "status", status=503, times=2)
    azure.control.fault("GET */jobs/*", "drop", times=2)

    assert len(once(azure, task.finish())) == 2


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_delay": "3h"},
        {"duration": "4h"},
        {**PAUSE, "duration": "auto, else 4h"},
        {**PAUSE, "drif": {}},
        {**PAUSE, "stopping": {"energy": 1}},
        {**PAUSE, "drift": {"share": "much"}},
        {**PAUSE, "moving": "far"},
        "4h",
    ],
)
def test_what_can_not_be_is_said_when_the_dag_is_read(wrong):
    with pytest.raises(InvalidOptionError, match=r"duration|deadline|write"):
        training("true", pause=wrong)


def test_what_does_not_fit_is_said_before_anything_is_launched(azure, grid, request):
    pause = {"duration": "4h", "deadline": clock.now().isoformat(), "carbon_conn_id": "grid"}
    with pytest.raises(NoFeasibleWindowError):
        Task(training("true", pause=pause), request.node.name).work()
    assert azure.control.count("PUT */jobs/*") == 0
