"""What is written once is never edited: every account of a try stays beside the newest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

from alembic import command
from alembic.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.versions import Version, Versions

HOUR = timedelta(hours=1)


def test_the_newest_account_is_read_and_the_others_stay(ledger, an_entry, an_interval):
    said = [(an_entry(emissions_g=grams), [an_interval(emissions_g=grams)]) for grams in (1, 2, 3)]
    numbers = [ledger.write(entry, rows) for entry, rows in said]

    versions = Versions(ledger)
    key = an_entry().key
    assert numbers == [1, 2, 3]
    assert versions.of(key) == [
        Version(number=number, entry=entry) for number, (entry, _) in enumerate(said, 1)
    ]
    assert [versions.intervals(key, number) for number in numbers] == [rows for _, rows in said]
    assert ledger.recent() == [said[-1][0]]
    assert ledger.intervals(key) == said[-1][1]


@given(st.lists(st.tuples(st.floats(0, 1e9), st.integers(0, 4), st.booleans()), max_size=6))
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_is_written_no_earlier_version_changes(ledger, an_entry, an_interval, writes):
    """The slow oracle is a list."""
    versions, key = Versions(ledger), an_entry().key
    before = versions.of(key)
    told = [(one.number, one.entry, versions.intervals(key, one.number)) for one in before]
    for grams, count, lags in writes:
        entry = an_entry(emissions_g=grams)
        rows = [an_interval(second, emissions_g=grams) for second in range(count)]
        expected = len(told) - 1 if lags else None
        number = ledger.write(entry, rows, expected=expected)
        if lags and (told or expected):
            assert number is None
        else:
            assert number == len(told) + 1
            told.append((number, entry, rows))

    found = versions.of(key)
    assert [(one.number, one.entry, versions.intervals(key, one.number)) for one in found] == told


def test_a_version_that_was_overtaken_is_not_written(ledger, an_entry, an_interval):
    ledger.write(an_entry(), [an_interval()])
    ledger.write(an_entry(emissions_g=2.0))

    assert ledger.write(an_entry(emissions_g=3.0), expected=1) is None
    assert ledger.write(an_entry(emissions_g=4.0), expected=2) == 3
    assert [one.entry.emissions_g for one in Versions(ledger).of(an_entry().key)] == [0.01, 2, 4]


def test_of_many_who_revise_the_same_version_one_does(ledger, an_entry, an_interval):
    ledger.write(an_entry(), [an_interval()])

    def revise(grams):
        return ledger.write(an_entry(emissions_g=float(grams)), [an_interval()], expected=1)

    with ThreadPoolExecutor(4) as pool:
        numbers = list(pool.map(revise, range(8)))

    assert sorted(number for number in numbers if number) == [2]
    assert len(Versions(ledger).of(an_entry().key)) == 2


def test_eight_who_write_the_same_try_at_once_leave_eight_versions(ledger, an_entry, an_interval):
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: ledger.write(an_entry(return_code=n), [an_interval(n)]), range(8)))

    found = Versions(ledger).of(an_entry().key)
    assert [one.number for one in found] == list(range(1, 9))
    assert {one.entry.return_code for one in found} == set(range(8))


def test_what_may_still_change_is_found_by_when_it_ended(ledger, an_entry):
    ended = an_entry().ended_at
    for number in range(1, 6):
        ledger.write(an_entry(number, ended_at=ended + number * HOUR))
    versions = Versions(ledger)
    versions.settle(an_entry(3).key, 1, ended)

    found = versions.unsettled(ended + 2 * HOUR, ended + 4 * HOUR)

    assert [one.entry.key.try_number for one in found] == [2, 4]
    assert versions.unsettled(ended, ended + 9 * HOUR, limit=1)[0].entry.key.try_number == 1


def test_only_the_newest_version_is_settled_and_its_figures_stay(ledger, an_entry, an_interval):
    ledger.write(an_entry(), [an_interval()])
    ledger.write(an_entry(emissions_g=2.0), [an_interval()])
    versions, at = Versions(ledger), an_entry().ended_at

    assert not versions.settle(an_entry().key, 1, at)
    assert versions.settle(an_entry().key, 2, at)
    assert [one.entry for one in versions.of(an_entry().key)] == [
        an_entry(),
        an_entry(emissions_g=2.0, settled_at=at),
    ]


def test_to_book_a_try_again_makes_it_unsettled(ledger, an_entry):
    ledger.write(an_entry())
    Versions(ledger).settle(an_entry().key, 1, an_entry().ended_at)
    ledger.write(an_entry())

    assert ledger.recent()[0].settled_at is None


def test_to_delete_a_run_by_hand_is_to_delete_its_versions(ledger, an_entry, an_interval):
    for _ in range(3):
        ledger.write(an_entry(), [an_interval()])
    with ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM carbon_run"))
        left = [
            connection.scalar(text(f"SELECT count(*) FROM {table}"))  # noqa: S608 - our own names
            for table in ("carbon_run_superseded", "carbon_interval_superseded", "carbon_interval")
        ]

    assert left == [0, 0, 0]


def test_runs_of_before_there_were_versions_are_the_first(
    ledger, ledger_url, an_entry, an_interval
):
    ledger.write(an_entry(booked_at=an_entry().computed_at), [an_interval(zone="DE", pue=1.1)])
    config = Config()
    config.set_main_option("script_location", "airflow_carbon.ledger:migrations")
    with ledger.engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0006")

    with Ledger.open(ledger_url) as later:
        before = Version(number=1, entry=an_entry())
        assert Versions(later).of(an_entry().key) == [before]
        assert Versions(later).intervals(an_entry().key, 1) == [an_interval()]
        assert later.write(replace(an_entry(), emissions_g=2.0)) == 2
        assert Versions(later).of(an_entry().key)[0] == before
