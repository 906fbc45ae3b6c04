"""A training on a template's machine, paused, cleared and ended, on a stand-in for Azure."""

from __future__ import annotations

import asyncio

import pytest
from hanging import until
from launching import machine, machine_of_the_docs
from pausing import PAUSE, Task, training

from airflow_carbon.core.errors import InvalidOptionError


def test_a_templates_machine_is_ended_at_a_pause_and_a_new_one_goes_on(
    azure, grid, quick, request, tmp_path
):
    first = tmp_path / "first"
    command = f"{quick}; if mkdir {first} 2>/dev/null; then sleep 300; fi"
    given = {"pause": PAUSE, "targets": machine_of_the_docs("swedencentral")}
    task = Task(training(command, **given), request.node.name)
    task.work()
    until(first.exists)
    grid.turn_dirty()

    assert task.step()["stop"]["answer"] == "pause"
    grid.turn_clean()
    assert task.step()["resume"]["because"] == "next_window"
    result = task.finish()

    one, other = result["segments"]
    assert (one["ended"], other["ended"]) == ("paused", "succeeded")
    assert one["ended_at"] <= other["started_at"]
    assert [azure.control.starts(seen["name"]) for seen in (one, other)] == [1, 1]
    assert (tmp_path / "checkpoint").read_text() == "20\n"


def test_a_templates_machine_whose_task_is_cleared_is_ended_and_a_new_one_made(
    azure, request, tmp_path
):
    first = tmp_path / "first"
    command = f"trap '' TERM; if mkdir {first} 2>/dev/null; then sleep 300; sleep 300; fi"
    task = Task(training(command, targets=machine_of_the_docs("swedencentral")), request.node.name)
    task.work()
    until(first.exists)

    asyncio.run(task.trigger().on_kill())
    task.work()
    assert task.doing == "AzureJobTrigger"
    result = task.finish()

    assert result["attempt"] == 2
    assert azure.control.count("PUT */deployments/*") == 2


def test_a_template_that_names_no_machine_is_not_paused():
    with pytest.raises(InvalidOptionError, match="machine= to be named"):
        training("true", pause=PAUSE, targets=machine("swedencentral"))


def test_a_template_that_was_rendered_and_names_no_machine_is_not_paused(azure, grid, request):
    operator = training("true", pause=PAUSE, targets={"swedencentral": "{{ var.json.target }}"})
    operator.targets = machine("swedencentral")
    with pytest.raises(InvalidOptionError, match="machine= to be named"):
        Task(operator, request.node.name).work()
