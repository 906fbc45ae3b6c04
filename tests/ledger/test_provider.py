"""Reports of the cloud provider in versions, and cross-checks, on SQLite and PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from alembic import command
from alembic.config import Config

from airflow_carbon.core.month import span_of
from airflow_carbon.core.provider_report import Figure, Level, Scopes
from airflow_carbon.ledger.crosscheck import CrossCheck, CrossChecks
from airflow_carbon.ledger.provider import ProviderReports
from airflow_carbon.ledger.store import Ledger

OCTOBER = date(2026, 10, 1)
NOW = datetime(2026, 11, 20, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
LONG = "/subscriptions/s/resourcegroups/lab/providers/" + "x" * 900


def figures_of(grams=1 / 3):
    return [
        Figure(scopes=Scopes.ALL, level=Level.SUBSCRIPTION, item="s", emissions_g=grams),
        Figure(scopes=Scopes.SUPPLY_CHAIN, level=Level.SUBSCRIPTION, item="s", emissions_g=0.1),
        Figure(
            scopes=Scopes.ALL, level=Level.RESOURCE, item=LONG, region="westus2", emissions_g=0.0
        ),
    ]


@pytest.fixture
def reports(ledger):
    return ProviderReports(ledger)


def test_what_was_written_is_read(reports):
    assert reports.write("S", OCTOBER, figures_of(), fetched_at=NOW) == 1
    assert set(reports.read("s", OCTOBER)) == set(figures_of())
    assert reports.versions("s") == {OCTOBER: 1}


def test_the_same_figures_again_are_no_new_version(reports):
    reports.write("s", OCTOBER, figures_of(), fetched_at=NOW)

    assert reports.write("s", OCTOBER, figures_of()[::-1], fetched_at=NOW + HOUR) is None
    assert reports.versions("s") == {OCTOBER: 1}


def test_sums_that_were_added_up_in_another_order_are_no_new_version(reports):
    reports.write("s", OCTOBER, figures_of(0.1 + 0.2), fetched_at=NOW)

    assert reports.write("s", OCTOBER, figures_of(0.3), fetched_at=NOW + HOUR) is None


def test_another_region_is_a_new_version(reports):
    reports.write("s", OCTOBER, figures_of(), fetched_at=NOW)
    moved = [replace(figure, region="eastus") for figure in figures_of()]

    assert reports.write("s", OCTOBER, moved, fetched_at=NOW) == 2


def test_an_item_that_is_new_or_gone_is_a_new_version(reports):
    reports.write("s", OCTOBER, figures_of(), fetched_at=NOW)

    assert reports.write("s", OCTOBER, figures_of()[:2], fetched_at=NOW) == 2
    assert reports.write("s", OCTOBER, figures_of(), fetched_at=NOW) == 3


def test_other_figures_are_a_new_version_and_the_old_one_stays(reports):
    reports.write("s", OCTOBER, figures_of(), fetched_at=NOW)
    assert reports.write("s", OCTOBER, figures_of(2.0)[:1], fetched_at=NOW + HOUR) == 2

    assert reports.read("s", OCTOBER) == figures_of(2.0)[:1]
    assert set(reports.read("s", OCTOBER, version=1)) == set(figures_of())


def test_months_and_subscriptions_are_kept_apart(reports):
    reports.write("s", OCTOBER, figures_of(), fetched_at=NOW)
    reports.write("s", date(2026, 9, 1), figures_of(), fetched_at=NOW)
    reports.write("other", OCTOBER, figures_of(), fetched_at=NOW)

    assert list(reports.versions("s")) == [date(2026, 9, 1), OCTOBER]
    assert reports.versions("nobody") == {}
    assert reports.read("s", date(2026, 8, 1)) == []


def test_no_figures_are_no_version(reports):
    assert reports.write("s", OCTOBER, [], fetched_at=NOW) is None
    assert reports.versions("s") == {}


def test_writers_of_one_month_at_the_same_moment_take_turns(ledger_url):
    Ledger.open(ledger_url).close()
    ready = threading.Barrier(6)

    def write(number):
        with Ledger.open(ledger_url) as ledger:
            ready.wait()
            grams = float(number % 3)
            return ProviderReports(ledger).write("s", OCTOBER, figures_of(grams), fetched_at=NOW)

    with ThreadPoolExecutor(6) as pool:
        versions = [one for one in pool.map(write, range(6)) if one is not None]
    assert sorted(versions) == list(range(1, len(versions) + 1))
    assert len(versions) >= 3


def test_a_run_counts_in_the_month_it_ran_in(ledger, reports, an_entry):
    begin, end = span_of(OCTOBER)
    for number, start in enumerate([begin - HOUR, begin, end - HOUR, end]):
        ledger.write(
            an_entry(number, started_at=start, ended_at=start + HOUR, emissions_g=2.0**number)
        )

    assert [share.emissions_g for share in reports.measured(begin, end)] == [2.0, 4.0]


def test_a_run_over_two_months_is_divided_by_its_intervals(ledger, reports, an_entry, an_interval):
    begin, end = span_of(OCTOBER)
    entry = an_entry(started_at=end - HOUR, ended_at=end + HOUR, emissions_g=8.0, region="x")
    spans = [
        an_interval(begins_at=end - HOUR, ends_at=end, emissions_g=0.75),
        an_interval(begins_at=end, ends_at=end + HOUR, emissions_g=0.25),
        an_interval(begins_at=end, ends_at=end + HOUR, device="lost", emissions_g=None),
    ]
    ledger.write(entry, spans)

    (first,) = reports.measured(begin, end)
    (second,) = reports.measured(*span_of(date(2026, 11, 1)))
    assert (first.emissions_g, second.emissions_g) == (6.0, 2.0)
    assert (first.dag_id, first.region) == ("train", "x")


def test_a_run_over_two_months_without_intervals_is_divided_by_time(ledger, reports, an_entry):
    end = span_of(OCTOBER)[1]
    ledger.write(an_entry(started_at=end - HOUR, ended_at=end + 3 * HOUR, emissions_g=8.0))

    assert [one.emissions_g for one in reports.measured(*span_of(OCTOBER))] == [2.0]


def test_energy_that_a_later_try_holds_as_well_is_measured_once(ledger, reports, an_entry):
    begin, end = span_of(OCTOBER)
    for number in (1, 2):
        ledger.write(
            an_entry(number, started_at=begin, ended_at=begin + number * HOUR, emissions_g=number)
        )

    assert [one.emissions_g for one in reports.measured(begin, end)] == [2.0]


def test_a_signal_that_is_named_is_the_only_one_that_counts(ledger, reports, an_entry):
    begin, end = span_of(OCTOBER)
    for number, signal in enumerate(("average", "marginal"), start=1):
        key = replace(an_entry().key, run_id=signal)
        hours = {"started_at": begin, "ended_at": begin + HOUR}
        ledger.write(an_entry(key=key, emissions_g=number, intensity_signal=signal, **hours))

    assert [one.emissions_g for one in reports.measured(begin, end, "average")] == [1.0]
    assert len(reports.measured(begin, end)) == 2


def test_the_subscriptions_of_a_month_are_known(reports):
    for name in ("Two", "one"):
        reports.write(name, OCTOBER, figures_of(), fetched_at=NOW)
        reports.write(name, OCTOBER, figures_of(7.0), fetched_at=NOW)

    assert reports.subscriptions(OCTOBER) == ["one", "two"]
    assert reports.subscriptions(date(2026, 9, 1)) == []


def test_a_run_of_no_length_counts_once(ledger, reports, an_entry):
    begin, end = span_of(OCTOBER)
    ledger.write(an_entry(started_at=end, ended_at=end, emissions_g=8.0))

    assert reports.measured(begin, end) == []
    assert [one.emissions_g for one in reports.measured(end, end + HOUR)] == [8.0]


def test_a_cross_check_is_read_and_replaced_where_values_came_late(ledger, an_entry):
    checks, key = CrossChecks(ledger), an_entry().key
    check = CrossCheck(
        key=key, joules=1234.5, begins_at=NOW - HOUR, ends_at=NOW, fetched_at=NOW + HOUR
    )
    checks.write(check)
    checks.write(replace(check, joules=2345.6))
    checks.write(replace(check, source="other"))

    late, other = checks.read(key)
    assert (late.source, late.joules) == ("azure_monitor", 2345.6)
    assert other == replace(check, source="other")
    assert checks.read(replace(key, try_number=9)) == []


def test_tables_of_a_release_before_are_brought_up_to_date(ledger_url, an_entry):
    with Ledger.open(ledger_url) as ledger:
        ledger.write(an_entry())
        config = Config()
        config.set_main_option("script_location", "airflow_carbon.ledger:migrations")
        with ledger.engine.begin() as connection:
            config.attributes["connection"] = connection
            command.downgrade(config, "0003")

    with Ledger.open(ledger_url) as ledger:
        assert ProviderReports(ledger).versions("s") == {}
        assert ledger.recent() == [an_entry()]


def test_a_run_that_was_cleared_counts_once_where_its_log_went_on(ledger, reports, an_entry):
    """The later try's row holds the first's energy; of another log, it holds its own alone."""
    begin, end = span_of(OCTOBER)
    first = an_entry(0, started_at=begin, ended_at=begin + HOUR, emissions_g=1.0)

    def again(number, started_at, grams):
        key = replace(first.key, try_number=number)
        later = replace(first, key=key, started_at=started_at, ended_at=begin + number * HOUR)
        ledger.write(replace(later, emissions_g=grams))

    ledger.write(first)
    again(2, begin, 3.0)
    again(3, begin, 5.0)
    assert [one.emissions_g for one in reports.measured(begin, end)] == [5.0]
    again(4, begin + 3 * HOUR, 8.0)
    assert [one.emissions_g for one in reports.measured(begin, end)] == [5.0, 8.0]
