"""The past runs of a task, on SQLite and on PostgreSQL."""

from __future__ import annotations

from datetime import timedelta

import pytest
from remembered import past_entry, remember
from sqlalchemy import event, text

from airflow_carbon.core.auto import LearnFrom
from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.past_runs import PastRuns


def known(ledger, **asked):
    return PastRuns(ledger).of(LearnFrom(**({"dag": "nightly", "tasks": ("train",)} | asked)))


def hours(history):
    return [run.duration / timedelta(hours=1) for run in history.runs]


def test_the_newest_runs_are_told_newest_first(ledger):
    remember(ledger, [float(day) for day in range(1, 41)])

    assert hours(known(ledger)) == [float(day) for day in range(40, 10, -1)]
    assert hours(known(ledger, newest=9)) == [float(day) for day in range(40, 31, -1)]
    assert known(ledger).runs[0].energy_kwh == pytest.approx(80)


@pytest.mark.parametrize(
    "part",
    [
        {"return_code": 1},
        {"return_code": None},
        {"return_code": -9},
        {"try_number": 2},
        {"dag_id": "other"},
        {"task_id": "evaluate"},
        {"hours": 0},
    ],
)
def test_what_failed_or_is_but_a_part_of_a_run_tells_nothing(ledger, part):
    ledger.write(past_entry(0, 3))
    ledger.write(past_entry(1, **({"hours": 7} | part)))

    assert hours(known(ledger)) == [3.0]


def test_the_pauses_of_a_run_are_not_its_work(ledger, an_interval):
    """Two devices at once are no pause, a reading that is missing is none, the gap is one."""
    entry = past_entry(0, 10)
    at = entry.started_at
    spans = [("gpu", 0, 2, 1.0), ("cpu", 1, 3, 1.0), ("gpu", 3, 4, None), ("cpu", 9, 10, 1.0)]
    rows = [
        an_interval(
            device=device,
            begins_at=at + timedelta(hours=begin),
            ends_at=at + timedelta(hours=end),
            joules=joules,
        )
        for device, begin, end, joules in spans
    ]
    ledger.write(entry, rows)

    assert hours(known(ledger)) == [5.0]


def test_mapped_tasks_are_runs_like_others(ledger):
    for index in range(3):
        ledger.write(past_entry(0, index + 1, map_index=index))

    assert sorted(hours(known(ledger))) == [1, 2, 3]


def test_energy_that_is_not_all_known_is_not_told(ledger):
    ledger.write(past_entry(0, coverage=0.94))
    ledger.write(past_entry(1, coverage=0.95))
    ledger.write(past_entry(2, kwh=0))

    assert [run.energy_kwh for run in known(ledger).runs] == [None, 1.0, None]


def test_runs_are_told_apart_by_the_size_of_their_machine_however_it_is_spelled(ledger):
    remember(ledger, [1, 2], machine_size="Standard_NC24ads_A100_v4")
    remember(ledger, [3], machine_size="Standard_NC40ads_H100_v5")
    remember(ledger, [4])

    assert hours(known(ledger, size="standard_nc24ads_a100_V4")) == [2, 1]
    assert hours(known(ledger, size="Standard_NC6")) == []
    assert sorted(hours(known(ledger))) == [1, 2, 3, 4]


def test_of_several_tasks_the_one_that_is_known_tells(ledger):
    remember(ledger, [2])
    ledger.write(past_entry(1, dag_id="other", task_id="account"))

    assert hours(known(ledger, tasks=("account", "train", "report"))) == [2]
    assert hours(known(ledger, tasks=())) == [2]
    assert known(ledger, tasks=("account", "report")).runs == ()


def test_of_several_tasks_that_are_known_none_is_guessed(ledger):
    remember(ledger, [2])
    ledger.write(past_entry(1, task_id="evaluate"))

    for tasks in ((), ("train", "evaluate")):
        found = known(ledger, tasks=tasks)
        assert found.runs == ()
        assert found.fault == "evaluate, train of nightly are known: learn_from= says which"


def test_the_query_goes_by_the_index_and_sorts_nothing(ledger):
    remember(ledger, [1, 2, 3])
    if ledger.engine.dialect.name == "postgresql":
        return
    seen = []
    event.listen(ledger.engine, "before_cursor_execute", lambda *a: seen.append(a[2:4]))
    known(ledger)
    statement, parameters = next(one for one in seen if "carbon_run" in one[0])
    with ledger.engine.connect() as connection:
        rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        plan = " ".join(str(row) for row in rows)

    assert "USING INDEX ix_carbon_run_task (dag_id=? AND task_id=?)" in plan
    assert "TEMP B-TREE" not in plan


def test_a_ledger_that_breaks_says_so(ledger):
    with ledger.engine.begin() as connection:
        for table in ("run_signal", "interval_superseded", "run_superseded", "interval", "run"):
            connection.execute(text(f"DROP TABLE carbon_{table}"))

    with pytest.raises(LedgerError):
        known(ledger)
