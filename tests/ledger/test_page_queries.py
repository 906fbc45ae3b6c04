"""What the carbon page asks of a ledger, in both databases."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from seeding import entry, intervals

from airflow_carbon.core.budget import Bound, Budget
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.budgets import Scope
from airflow_carbon.ledger.course import POINTS, course
from airflow_carbon.ledger.entry import IntervalRow, RunKey
from airflow_carbon.ledger.lately import Lately
from airflow_carbon.ledger.reservations import Holder, Reservations
from airflow_carbon.ledger.standing import Standing, StandingBudgets

HOUR = timedelta(hours=1)


@pytest.fixture
def now(an_entry):
    return an_entry().submitted_at


def key(dag="d", task="t", run="r", index=-1, number=1):
    return RunKey(dag_id=dag, task_id=task, run_id=run, map_index=index, try_number=number)


@pytest.mark.parametrize("every_s", [1, 20, 900])
def test_a_course_keeps_every_joule_and_gram_in_as_many_points_as_are_seen(ledger, now, every_s):
    run = entry(now, key=key())
    rows = list(intervals(run, every_s=every_s))
    ledger.write(run, rows)
    found = course(ledger, run.key, begin=run.started_at, end=run.ended_at)
    drawn = sum(one.watts * (one.ends_at - one.begins_at).total_seconds() for one in found)
    assert drawn == pytest.approx(sum(one.joules for one in rows), rel=1e-4)
    emitted = sum(one.emissions_g for one in found)
    assert emitted == pytest.approx(sum(one.emissions_g for one in rows), rel=1e-9)
    for device in {one.device for one in rows}:
        ours = [one for one in found if one.device == device]
        assert len(ours) <= POINTS + 1
        assert [one.begins_at for one in ours] == sorted(one.begins_at for one in ours)
    low = min(one.intensity_g_per_kwh for one in rows)
    high = max(one.intensity_g_per_kwh for one in rows)
    assert all(low - 1e-6 <= one.g_per_kwh <= high + 1e-6 for one in found)


def test_energy_that_is_missing_is_no_power_of_nothing(ledger, now):
    run = entry(now, key=key())
    rows = [
        IntervalRow(
            device="GPU-0",
            begins_at=run.started_at + i * HOUR,
            ends_at=run.started_at + (i + 1) * HOUR,
            joules=joules,
            quality="counter" if joules else "missing",
            intensity_g_per_kwh=30.0,
        )
        for i, joules in enumerate((3.6e6, None))
    ]
    ledger.write(run, rows)
    found = course(ledger, run.key, begin=run.started_at, end=run.ended_at)
    assert [one.watts for one in found] == [pytest.approx(1000.0), None]
    assert [one.g_per_kwh for one in found] == [pytest.approx(30.0), None]


def test_zones_in_use_are_those_of_late_the_busiest_first(ledger, now):
    for number, (zone, age) in enumerate([("NL", 1), ("FR", 2), ("FR", 3), ("PL", 99)]):
        began = now - timedelta(days=age)
        one = entry(now, key=key(run=f"r{number}"), zone=zone, started_at=began, ended_at=began)
        ledger.write(one)
    since = now - timedelta(days=30)
    assert Lately(ledger).zones(since=since) == ["FR", "NL"]
    assert Lately(ledger, ["another"]).zones(since=since) == []
    assert Lately(ledger, []).zones(since=since) == []


def test_promises_are_of_runs_that_had_one_newest_first(ledger, now):
    for number, planned in enumerate((20.0, None, 30.0)):
        began = now - number * HOUR
        ledger.write(
            entry(
                now,
                key=key(run=f"r{number}"),
                planned_g_per_kwh=planned,
                intensity_mean_g_per_kwh=25.0,
                started_at=began,
                ended_at=began + HOUR,
            )
        )
    found = Lately(ledger).promises(since=now - 9 * HOUR, limit=9)
    assert [one.key.run_id for one in found] == ["r0", "r2"]
    assert found[0].error_percent == pytest.approx(25.0)
    assert len(Lately(ledger).promises(since=now - 9 * HOUR, limit=1)) == 1
    assert Lately(ledger, ["another"]).promises(since=now - 9 * HOUR, limit=9) == []


def test_the_newest_try_is_found_by_the_tasks_name(ledger, now):
    names = {"dag_id": "d", "task_id": "t", "run_id": "r", "map_index": -1}
    assert Lately(ledger).newest_try(**names) is None
    for number in (1, 3, 2):
        ledger.write(entry(now, key=key(number=number)))
    assert Lately(ledger).newest_try(**names) == key(number=3)
    assert Lately(ledger, []).newest_try(**names) is None
    assert {one.try_number for one in Lately(ledger).accounted_in(dag_id="d", run_id="r")} == {
        1,
        2,
        3,
    }
    assert Lately(ledger, ["e"]).accounted_in(dag_id="d", run_id="r") == []


def test_a_budget_stands_as_it_was_last_asked(ledger, now):
    def standing(limit, at, dag="d", **scope):
        budget = Budget.read(limit=limit, bound="high", time_zone="Europe/Berlin")
        return Standing(dag_id=dag, task_id="b", budget=budget, scope=Scope(**scope), asked_at=at)

    budgets = StandingBudgets(ledger)
    budgets.note(standing("1 kg", now - HOUR, model="churn", signal="average"))
    last = standing("2 kg", now, model="churn", signal="average")
    budgets.note(last)
    other = standing("3 kg", now, dag="e")
    budgets.note(other)
    assert budgets.all(since=now - HOUR) == [last, other]
    assert budgets.all(since=now - HOUR, dag_ids=["e"]) == [other]
    assert budgets.all(since=now - HOUR, dag_ids=[]) == []
    assert budgets.all(since=now + HOUR) == []
    assert budgets.all(since=now)[0].budget.bound is Bound.HIGH


def test_reservations_that_stand_are_known_by_their_holder(ledger, now):
    holder = Holder(dag_id="d", task_id="t", run_id="r")
    span = (now + HOUR, now + 2 * HOUR)
    Reservations(ledger).choose("gpu", holder, lambda _: (None, span), now=now)
    assert Reservations(ledger).standing(now) == {holder: span}
    assert Reservations(ledger).standing(now + 2 * HOUR) == {}


def test_the_newest_issue_of_each_source_and_zone_is_found_at_once(ledger, now):
    archive = Archive(ledger)
    for zone in ("FR", "DE"):
        for hours in (3, 1, 2):
            at = now - hours * HOUR
            series = IntensitySeries(
                zone=zone, begins=at, step=HOUR, g_per_kwh=np.arange(1.0, 25.0) * hours
            )
            archive.keep(Forecast(series=series, issued_at=at, source="service"))
    found = archive.newest(since=now - 5 * HOUR)
    assert sorted((one.series.zone, one.issued_at) for one in found) == [
        ("DE", now - HOUR),
        ("FR", now - HOUR),
    ]
    assert archive.newest(since=now) == []
