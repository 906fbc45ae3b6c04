"""A denied region is never used: not for want of room elsewhere, nor for a move, nor by name."""

from __future__ import annotations

import asyncio

import pytest
from hanging import until
from pausing import PAUSE, Grid, Task, training

from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.core.errors import InvalidOptionError

MOVING = PAUSE | {"moving": True}


@pytest.mark.parametrize("limits", [{"deny": "France"}, {"residency": "SE"}])
def test_no_room_elsewhere_is_no_reason(azure, request, limits):
    azure.control.no_capacity("swedencentral", "SkuNotAvailable")
    task = Task(training("true", **limits), request.node.name)
    task.work()

    with pytest.raises(AzureRefusedError, match="no region is left"):
        task.finish()

    assert azure.control.count("PUT */ml-francecentral/*") == 0


def test_no_saving_is_worth_a_move_there(azure, request, tmp_path, monkeypatch):
    grid = Grid(tmp_path, monkeypatch)
    task = Task(training("sleep 3", pause=MOVING, deny=["FR"]), request.node.name)
    task.work()
    grid.promise(sweden=300, france=1)

    assert task.finish()["region"] == "swedencentral"
    assert azure.control.count("* */ml-francecentral/*") == 0


def test_who_names_it_is_told(azure, request):
    with pytest.raises(InvalidOptionError, match="targets= has profiles for francecentral"):
        Task(training("true", deny="Sweden Central"), request.node.name).work()
    with pytest.raises(InvalidOptionError, match="no region is left"):
        training("true", deny="Europe")


def test_a_task_that_is_cleared_while_it_runs_begins_anew_when_its_job_has_ended(
    azure, request, tmp_path
):
    runs = tmp_path / "runs"
    task = Task(training(f"trap '' TERM; touch {runs}; sleep 60"), request.node.name)
    task.work()
    name = task.deferred[1]["name"]
    until(runs.exists)
    asyncio.run(task.trigger().on_kill())  # as Airflow does when a deferred task is cleared
    assert azure.control.job(name)["status"] == "CancelRequested"

    task.operator.command = "true"
    task.work()
    result = task.finish()

    assert (result["state"], result["attempt"]) == ("succeeded", 2)
    assert azure.control.job(name)["status"] == "Canceled"
