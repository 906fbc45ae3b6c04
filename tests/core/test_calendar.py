"""Clock times and working days, in the time zone of the people who wait."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.calendar import Blackout, ClockTime, Days, DoneBy
from airflow_carbon.core.errors import InvalidOptionError

BERLIN = ZoneInfo("Europe/Berlin")
WORKING = {"days": "working", "time_zone": "Europe/Berlin", "holidays": "DE"}


def berlin(*when) -> datetime:
    return datetime(*when, tzinfo=BERLIN)


@pytest.mark.parametrize(
    ("end", "deadline"),
    [
        (berlin(2026, 11, 19, 23), berlin(2026, 11, 20, 9)),  # a Thursday night
        (berlin(2026, 11, 20, 9), berlin(2026, 11, 20, 9)),  # just in time
        (berlin(2026, 11, 20, 9, 1), berlin(2026, 11, 23, 9)),  # a Friday: the next is Monday
        (berlin(2026, 12, 24, 10), berlin(2026, 12, 28, 9)),  # 25th a holiday, then a weekend
        (berlin(2026, 3, 27, 20), berlin(2026, 3, 30, 9)),  # over the change of clocks
    ],
)
def test_done_by_nine_on_a_working_day_in_berlin(end, deadline):
    assert DoneBy(at="09:00", **WORKING).deadline(end) == deadline


def test_a_holiday_of_one_state_is_a_working_day_in_another():
    all_saints = berlin(2027, 11, 1, 1)

    bavaria = DoneBy(at="09:00", **WORKING | {"holidays": "DE-BY"}).deadline(all_saints)
    hamburg = DoneBy(at="09:00", **WORKING | {"holidays": "DE-HH"}).deadline(all_saints)

    assert (bavaria, hamburg) == (berlin(2027, 11, 2, 9), berlin(2027, 11, 1, 9))


def test_work_that_would_end_in_office_hours_is_waited_for():
    done = DoneBy(at="09:00", days="working", unless="09:00-17:00")
    friday = datetime(2026, 11, 20, tzinfo=UTC)

    assert done.deadline(friday + timedelta(hours=11)) == friday + timedelta(hours=11)
    assert done.deadline(friday + timedelta(hours=18)) == friday + timedelta(days=3, hours=9)
    saturday = friday + timedelta(days=1, hours=11)
    assert done.deadline(saturday) == friday + timedelta(days=3, hours=9)


@pytest.mark.parametrize(
    ("end", "deadline"),
    [
        (time(8, 30), time(9)),  # before the office opens: by when it does
        (time(9), time(9)),
        (time(17), time(17)),  # somebody is still there
    ],
)
def test_office_hours_include_the_instants_at_which_they_begin_and_end(end, deadline):
    done = DoneBy(at="09:00", days="working", unless="09:00-17:00")
    thursday = datetime(2026, 11, 19, tzinfo=UTC)

    found = done.deadline(datetime.combine(thursday, end, UTC))

    assert found == datetime.combine(thursday, deadline, UTC)
    closed = datetime.combine(thursday, time(17, 0, 1), UTC)
    assert done.deadline(closed) == thursday + timedelta(days=1, hours=9)


@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2030, 1, 1)),  # noqa: DTZ001 - made aware below
    st.times(),
    st.sampled_from(["daily", "working", "weekend", "mon,thu"]),
    st.sampled_from(["UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata"]),
)
def test_the_next_clock_time_is_on_such_a_day_at_that_time_and_not_before(naive, at, days, zone):
    instant = naive.replace(tzinfo=UTC)
    clock = ClockTime(at=at.replace(microsecond=0), days=days, time_zone=zone)

    found = clock.next(instant)

    local = found.astimezone(ZoneInfo(zone))
    assert found >= instant
    assert clock.count(local.date()) or local.time() != clock.at  # or a gap moved it over midnight
    assert found - instant <= timedelta(days=7, hours=2)


def test_a_clock_time_that_the_change_of_clocks_skips_or_repeats_still_comes_once_a_day():
    skipped = ClockTime(at="02:30", time_zone="Europe/Berlin")
    spring, autumn = berlin(2026, 3, 29, 0), berlin(2026, 10, 25, 0)

    assert skipped.next(spring) == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)
    assert skipped.next(autumn) == datetime(2026, 10, 25, 0, 30, tzinfo=UTC)


def test_a_blackout_over_midnight_belongs_to_the_day_that_it_begins_on():
    night = Blackout(hours="22:00-06:00", days="fri", time_zone="Europe/Berlin")
    week = night.between(berlin(2026, 11, 16), berlin(2026, 11, 23))

    assert week == ((berlin(2026, 11, 20, 22), berlin(2026, 11, 21, 6)),)


def test_a_blackout_that_has_begun_counts():
    peak = Blackout(hours="17:00-20:00")
    at = datetime(2026, 11, 20, 18, tzinfo=UTC)

    assert peak.between(at, at + timedelta(minutes=1)) == (
        (at - timedelta(hours=1), at + timedelta(hours=2)),
    )
    assert peak.between(at + timedelta(hours=2), at + timedelta(hours=3)) == ()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Days(days="mo,xx"), "write daily, working, weekend"),
        (lambda: Days(days=()), "write daily"),
        (lambda: Days(time_zone="Berlin"), "IANA"),
        (lambda: Days(holidays="XX"), "country and subdivision"),
        (lambda: Days(holidays="DE-QQ"), "country and subdivision"),
        (lambda: ClockTime(at="25:00"), "a time of day such as 09:00"),
        (lambda: DoneBy(at="09:00", unless="nine to five"), "09:00-17:00"),
        (lambda: Blackout(hours="09:00-09:00"), "09:00-17:00"),
        (lambda: DoneBy.read("done_by", "09:00"), "write a mapping with days"),
        (lambda: DoneBy.read("done_by", {"days": "working"}), "write a mapping"),
        (lambda: DoneBy.read("done_by", {"at": "09:00", "tz": "UTC"}), "done_by='tz'"),
    ],
)
def test_what_is_no_calendar_is_refused_with_the_remedy(make, says):
    with pytest.raises(InvalidOptionError, match=says):
        make()


@pytest.mark.parametrize(
    "value",
    [
        ClockTime(at=time(22)),
        DoneBy(at="09:00", unless="09:00-17:00", **WORKING),
        Blackout(hours="17:00-20:00", days="working", time_zone="Europe/London"),
    ],
)
def test_a_calendar_survives_as_plain_values(value):
    assert type(value).read("it", value.as_dict()) == value
