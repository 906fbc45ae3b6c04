"""Reservations keep choosers apart, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from airflow_carbon.core.capacity import Capacity
from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.reservations import Holder, Reservations
from airflow_carbon.ledger.store import Ledger

HOUR = timedelta(hours=1)
T0 = datetime(2026, 3, 28, 22, tzinfo=UTC)
GPU = Capacity(name="gpu", slots=2)


def holder(number, **changes) -> Holder:
    return Holder(**{"dag_id": "d", "task_id": "wait", "run_id": f"r{number}"} | changes)


def first_free(taken):
    """Choose the first hour that is not full."""
    begin = T0
    while any(first < begin + HOUR and begin < last for first, last in GPU.full(taken)):
        begin += HOUR
    return begin, (begin, begin + HOUR)


@pytest.fixture
def reservations(ledger):
    return Reservations(ledger)


def test_whoever_chooses_next_sees_what_is_taken(reservations):
    begins = [reservations.choose("gpu", holder(i), first_free, now=T0) for i in range(5)]

    assert begins == [T0, T0, T0 + HOUR, T0 + HOUR, T0 + 2 * HOUR]
    assert len(reservations.taken("gpu")) == 5


def test_a_holder_does_not_stand_in_its_own_way_and_holds_one_span(reservations):
    for _ in range(3):
        assert reservations.choose("gpu", holder(1), first_free, now=T0) == T0
    assert reservations.taken("gpu") == [(T0, T0 + HOUR)]


def test_other_maps_and_tasks_are_other_holders(reservations):
    for other in (holder(1), holder(1, map_index=0), holder(1, task_id="other")):
        reservations.choose("gpu", other, first_free, now=T0)

    assert len(reservations.taken("gpu")) == 3


def test_capacities_are_kept_apart(reservations):
    for i in range(3):
        reservations.choose("gpu", holder(i), first_free, now=T0)

    assert reservations.choose("cpu", holder(9), first_free, now=T0) == T0


def test_who_has_no_plan_holds_nothing(reservations):
    reservations.choose("gpu", holder(1), first_free, now=T0)
    assert reservations.choose("gpu", holder(1), lambda _: ("none", None), now=T0) == "none"

    assert reservations.taken("gpu") == []


def test_what_has_ended_is_forgotten(reservations):
    reservations.choose("gpu", holder(1), first_free, now=T0)
    reservations.choose("gpu", holder(2), lambda _: ("none", None), now=T0 + HOUR)

    assert reservations.taken("gpu") == []


def test_a_chooser_that_fails_leaves_all_as_it_was(reservations):
    reservations.choose("gpu", holder(1), first_free, now=T0)

    def fails(_taken):
        raise KeyError

    with pytest.raises(KeyError):
        reservations.choose("gpu", holder(1), fails, now=T0 + 2 * HOUR)
    assert reservations.taken("gpu") == [(T0, T0 + HOUR)]


def test_choosers_at_the_same_moment_never_take_more_than_there_is(ledger_url):
    ready = threading.Barrier(8)

    def choose(number):
        with Ledger.open(ledger_url) as ledger:
            ready.wait()
            return [
                Reservations(ledger).choose("gpu", holder(number * 10 + i), first_free, now=T0)
                for i in range(5)
            ]

    Ledger.open(ledger_url).close()
    with ThreadPoolExecutor(8) as pool:
        begins = sorted(begin for found in pool.map(choose, range(8)) for begin in found)

    assert begins == sorted(T0 + i * HOUR for i in range(20) for _ in range(2))


def test_a_ledger_that_is_gone_says_so(tmp_path):
    ledger = Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}")
    ledger.close()
    (tmp_path / "carbon.db").write_text("nonsense" * 99)
    for left in tmp_path.glob("carbon.db-*"):
        left.unlink()

    with pytest.raises(LedgerError, match=r"carbon\.db"):
        Reservations(ledger).choose("gpu", holder(1), first_free, now=T0)
