"""How people write lengths, instants and slack, and what they are told when it can't be."""

import pickle
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0

from airflow_carbon.core.errors import (
    InputError,
    InvalidDurationError,
    InvalidInstantError,
    InvalidOptionError,
    NoFeasibleWindowError,
    UnknownRegionError,
)
from airflow_carbon.core.flexibility import (
    Flexibility,
    parse_duration,
    parse_instant,
)
from airflow_carbon.core.policy import flexibility


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("4h", 4),
        ("90m", 1.5),
        ("90 min", 1.5),
        ("1h30m", 1.5),
        ("1d 12h", 36),
        ("2 days", 48),
        ("5400s", 1.5),
        ("0.5h", 0.5),
        ("PT4H", 4),
        ("P1DT30M", 24.5),
        ("4:00:00", 4),
        ("1 day, 2:30:00", 26.5),
        (timedelta(hours=4), 4),
    ],
)
def test_a_length_may_be_written_as_people_write_it(text, hours):
    assert parse_duration("duration", text) == timedelta(hours=hours)


@pytest.mark.parametrize(
    "value",
    ["", " ", "soon", "4", "-4h", "0h", 4, None, True, "4 h 5 x", timedelta(0), timedelta(-1)],
)
def test_what_is_no_positive_length_is_refused_with_the_remedy(value):
    with pytest.raises(InvalidDurationError, match=r"max_delay=.*'4h'"):
        parse_duration("max_delay", value)


@given(st.timedeltas(timedelta(seconds=1), timedelta(days=400)))
def test_what_python_prints_of_a_length_reads_back(length):
    assert parse_duration("duration", str(length)) == length


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(-14, 14))  # noqa: DTZ001
def test_an_instant_reads_back_in_utc_whatever_its_offset(naive, hours):
    at = naive.replace(tzinfo=timezone(timedelta(hours=hours)))

    assert parse_instant("deadline", at.isoformat()) == at
    assert parse_instant("deadline", str(at)).tzinfo is UTC


@pytest.mark.parametrize(
    "value",
    ["2026-11-21 09:00", "tomorrow", "", None, 5, datetime(2026, 1, 1)],  # noqa: DTZ001 - naive
)
def test_an_instant_without_a_time_zone_is_refused_with_the_remedy(value):
    with pytest.raises(InvalidInstantError, match=r"deadline=.*\+01:00"):
        parse_instant("deadline", value)


def test_a_job_longer_than_its_slack_is_refused_before_it_waits():
    with pytest.raises(NoFeasibleWindowError, match="a job of 4:00:00 does not fit"):
        flexibility(submitted=T0, duration="4h", deadline=T0 + timedelta(hours=3))


def test_a_deadline_in_the_past_of_the_run_is_refused():
    with pytest.raises(NoFeasibleWindowError, match="set it later"):
        flexibility(submitted=T0, duration="1h", deadline=T0 - timedelta(days=1))


def test_a_delay_is_counted_from_submission_to_the_start():
    flex = flexibility(submitted=T0, duration="4h", max_delay="12h")

    assert flex.latest_start == T0 + timedelta(hours=12)
    assert flex.deadline == T0 + timedelta(hours=16)


def test_a_delay_is_counted_from_the_earliest_start_where_that_is_later():
    flex = flexibility(
        submitted=T0, duration="4h", max_delay="12h", earliest=T0 + timedelta(hours=5)
    )

    assert flex.earliest == T0 + timedelta(hours=5)
    assert flex.latest_start == T0 + timedelta(hours=17)


def test_an_earliest_start_before_submission_is_submission():
    flex = flexibility(
        submitted=T0, duration="1h", max_delay="2h", earliest=T0 - timedelta(hours=5)
    )

    assert flex.earliest == T0


def test_a_wait_that_nothing_bounds_is_refused():
    with pytest.raises(InvalidOptionError, match=r"give deadline=.* max_delay= or policy="):
        flexibility(submitted=T0, duration="1h")


@pytest.mark.parametrize(("deadline", "latest_h"), [(10, 4), (3, 2)])
def test_a_deadline_and_a_delay_hold_together(deadline, latest_h):
    flex = flexibility(
        submitted=T0, duration="1h", deadline=T0 + timedelta(hours=deadline), max_delay="4h"
    )

    assert flex.latest_start == T0 + timedelta(hours=latest_h)


def test_a_flexibility_can_not_be_built_infeasible():
    with pytest.raises(NoFeasibleWindowError):
        Flexibility(duration=timedelta(hours=2), earliest=T0, deadline=T0 + timedelta(hours=1))


def test_an_unknown_region_says_which_come_close():
    error = UnknownRegionError("swedncentral", ["swedencentral", "westeurope"])

    assert "did you mean swedencentral?" in str(error)


def test_errors_survive_the_way_between_processes():
    error = NoFeasibleWindowError(timedelta(hours=1), T0, T0)

    assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301 - our own bytes
    assert isinstance(error, InputError)
