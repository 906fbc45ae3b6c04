"""However many look for a training at the same time, and whatever changes meanwhile: one job."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from launching import SIZE, containers, learning, machine, name_of, targets

from airflow_carbon.azure.arm import Arm
from airflow_carbon.azure.job import Work
from airflow_carbon.azure.launch import launch


@pytest.mark.parametrize("profile", [learning, containers, machine])
def test_fifty_at_once_launch_one_job(login, azure, profile):
    where = targets(profile("swedencentral"))

    def once(_):
        with Arm(login) as arm:
            return launch(arm, where, name_of, Work(command="sleep 1"))

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
        if arm.send(there.submit(subscription, name_of(1), work)).is_new:
            arm.send(there.start(subscription, name_of(1)))

    launched = launch(arm, where, name_of, work, pause=meanwhile)

    assert launched.found
    assert launched.target.region == "westeurope"
    assert azure.control.starts(name_of(1)) == 1
