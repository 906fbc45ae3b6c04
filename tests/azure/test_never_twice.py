"""However many look for a training at the same time, and whatever changes meanwhile: one job."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from launching import (
    SIZE,
    containers,
    ended,
    learning,
    machine,
    machine_of_the_docs,
    name_of,
    targets,
)

from airflow_carbon.azure.arm import Arm
from airflow_carbon.azure.job import Work
from airflow_carbon.azure.launch import _GRACE, _SPREAD_S, launch


@pytest.mark.parametrize("profile", [learning, containers, machine, machine_of_the_docs])
def test_fifty_at_once_launch_one_job(login, azure, profile):
    where = targets(profile("swedencentral"))

    def once(_):
        with Arm(login) as arm:
            launched = launch(arm, where, name_of, Work(command="sleep 1"))
            ended(arm, launched, 30)
            return launched

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(once, range(50)))

    assert {one.name for one in found} == {name_of(1)}
    assert azure.control.starts(name_of(1)) == 1


def test_a_region_that_has_room_again_starts_no_second_job(arm, azure):
    azure.control.no_capacity("swedencentral", "SkuNotAvailable", SIZE)
    where = targets(containers("swedencentral"), containers("westeurope"))
    first = launch(arm, where, name_of, Work(command="sleep 1"))
    azure.control.capacity("swedencentral")

    again = launch(arm, where, name_of, Work(command="sleep 1"))

    assert (first.target.region, again.target.region) == ("westeurope", "westeurope")
    assert azure.control.starts(name_of(1)) == 1


def test_whose_creator_goes_on_to_another_region_is_followed_there(arm, azure):
    here, there = where = targets(containers("swedencentral"), containers("westeurope"))
    subscription, work = azure.subscription, Work(command="sleep 1")
    arm.send(here.submit(subscription, name_of(1), work))

    def meanwhile(_):
        launch(arm, [there], name_of, work)

    launched = launch(arm, where, name_of, work, pause=meanwhile)

    assert launched.found
    assert launched.target.region == "westeurope"
    assert azure.control.starts(name_of(1)) == 1


def test_of_all_who_start_a_job_for_a_creator_that_died_one_stays(login, arm, azure):
    (target,) = where = targets(containers("swedencentral"))
    work = Work(command="sleep 30")
    arm.send(target.submit(azure.subscription, name_of(1), work))
    together = Barrier(12)

    def pause(seconds):
        # Nobody's grace is long, and all come out of it at the same time.
        if seconds == _GRACE[-1]:
            together.wait(30)
        time.sleep(seconds / 10 if seconds < _SPREAD_S else 3.0)

    def once(_):
        with Arm(login) as own:
            return launch(own, where, name_of, work, pause=pause)

    with ThreadPoolExecutor(12) as pool:
        parts = {one.view.part for one in pool.map(once, range(12))}

    view = arm.send(target.look(azure.subscription, name_of(1)))
    assert parts == {view.part}
    assert view.others == ()
