"""However many look for a training at the same time, and whatever changes meanwhile: one job."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, Event, Semaphore

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
from airflow_carbon.azure.job import State, Work
from airflow_carbon.azure.launch import _GRACE, _SPREAD_S, launch, other


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


HERE, THERE = targets(learning("swedencentral"), learning("westeurope"))


def together(login, launches):
    """Launch in as many threads at the same time, each with its own connections."""

    def once(one):
        with Arm(login) as arm:
            return one(arm)

    with ThreadPoolExecutor(len(launches)) as pool:
        return list(pool.map(once, launches))


def test_fifty_at_once_after_a_lack_of_room_that_came_late_run_one_job(login, arm, azure):
    azure.control.no_capacity("swedencentral", "SkuNotAvailable", SIZE)
    work = Work(command="sleep 1")
    late = launch(arm, [HERE], name_of, work)
    assert ended(arm, late).state is State.FAILED
    azure.control.capacity("swedencentral")  # so that whoever tries there would run

    def knows(own):
        return launch(own, [THERE], name_of, work, others=[HERE])

    def looks(own):
        return launch(own, [HERE, THERE], name_of, work)

    found = together(login, [knows, looks] * 25)

    assert {(one.target.region, one.name) for one in found} == {("westeurope", name_of(2))}
    assert azure.control.starts(name_of(1)) == 0
    assert azure.control.starts(name_of(2)) == 1


def test_fifty_at_once_in_two_regions_run_one_job(login, arm, azure):
    azure.control.settings(step_s=2.0)  # a cluster takes minutes to have a node
    work, ready = Work(command="sleep 60"), {"swedencentral": Event(), "westeurope": Event()}

    def first_in(*order):
        def going():
            ready[order[0].region].set()  # nothing is created before somebody is about to in each
            assert all(one.wait(30) for one in ready.values())

        return lambda own: launch(own, order, name_of, work, going=going)

    found = together(login, [first_in(HERE, THERE), first_in(THERE, HERE)] * 25)

    left = other(arm, [HERE, THERE], name_of)
    assert left.target.region in {one.target.region for one in found}
    (lost,) = (one for one in (HERE, THERE) if one is not left.target)
    told = arm.send(lost.look(azure.subscription, name_of(1))).said
    assert told in {"Canceled", "CancelRequested"}


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
    out_of_grace, through = Barrier(12), Semaphore(0)

    def pause(seconds):
        # Nobody's grace is long, and all come out of it at the same time.
        if seconds == _GRACE[-1]:
            out_of_grace.wait(60)
        if seconds < 2 * _SPREAD_S or seconds in _GRACE:
            time.sleep(seconds / 200)
            return
        through.release()  # this one has started the job: who will have to, has or will now
        while through._value < 12:
            time.sleep(0.02)

    def once(_):
        with Arm(login) as own:
            launched = launch(own, where, name_of, work, pause=pause)
        through.release()
        return launched

    with ThreadPoolExecutor(12) as pool:
        parts = {one.view.part for one in pool.map(once, range(12))}

    view = arm.send(target.look(azure.subscription, name_of(1)))
    assert view.part in parts
    assert view.state is State.RUNNING
    assert view.others == ()
