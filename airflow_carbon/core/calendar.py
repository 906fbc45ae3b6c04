"""Clock times and working days, where people say *by nine on a working day in Berlin*."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

    from airflow_carbon.core.flexibility import Span

NAMES: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
GROUPS: Final = {"daily": NAMES, "working": NAMES[:5], "weekend": NAMES[5:]}

_FARTHEST: Final = 366
"""Days within which the next of the days must come."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Days:
    """Which days count, and where: the clock of ``time_zone`` says when one begins.

    ``days``: ``daily``, ``working`` (Monday to Friday), ``weekend``, or names (``mon,thu``).
    ``holidays``: a country, or country and subdivision (``DE``, ``DE-BE``), whose public
    holidays don't count as working days; asked of the library ``holidays``.

    Raises:
        InvalidOptionError: a name that can't be read.
    """

    days: str | tuple[str, ...] = "daily"
    time_zone: str = "UTC"
    holidays: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "days", _day_names(self.days))
        _zone(self.time_zone)
        if self.holidays is not None:
            _check_holidays(self.holidays)

    @property
    def zone(self) -> ZoneInfo:
        """The clock."""
        return _zone(self.time_zone)

    def count(self, day: date) -> bool:
        """Tell whether a day is one of these."""
        if NAMES[day.weekday()] not in self.days:
            return False
        return self.holidays is None or not _is_holiday(self.holidays, day)

    def instant(self, day: date, at: time) -> datetime:
        """Return the instant [UTC] of a clock time; of two, when clocks go back, the first."""
        return datetime.combine(day, at, self.zone).astimezone(UTC)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, without those left at their default."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: _plain(value) for name, value in given.items() if value is not None}
        if plain["days"] == list(NAMES):
            del plain["days"]
        return plain

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        """Read from plain values, a mapping by the fields' names.

        Raises:
            InvalidOptionError: no mapping, or one with other names.
        """
        if isinstance(value, cls):
            return value
        names = [field.name for field in fields(cls)]
        remedy = f"write a mapping with {', '.join(names)}"
        if not hasattr(value, "items"):
            raise InvalidOptionError(name, value, remedy)
        given: Mapping[str, Any] = value  # type: ignore[assignment] # it has items
        if unknown := set(given) - set(names):
            raise InvalidOptionError(name, min(unknown), remedy)
        try:
            return cls(**given)
        except TypeError as exc:  # a field that has no default is missing
            raise InvalidOptionError(name, value, remedy) from exc


@dataclass(frozen=True, kw_only=True, slots=True)
class ClockTime(Days):
    """A time of day on some days: ``at`` 22:00, daily, in Europe/Berlin."""

    at: time | str

    def __post_init__(self) -> None:
        super(ClockTime, self).__post_init__()
        object.__setattr__(self, "at", _time("at", self.at))

    def next(self, instant: datetime) -> datetime:
        """Return the first such instant [UTC] at or after one.

        Raises:
            InvalidOptionError: there is none within a year.
        """
        day = instant.astimezone(self.zone).date()
        for _ in range(_FARTHEST + 1):
            if self.count(day):
                found = self.instant(day, _time("at", self.at))
                if found >= instant:
                    return found
            day += timedelta(days=1)
        raise InvalidOptionError("days", self.days, "no such day comes within a year")


@dataclass(frozen=True, kw_only=True, slots=True)
class DoneBy(ClockTime):
    """A deadline by the clock: the work has ended by ``at`` on one of the days.

    ``unless``: hours such as ``09:00-17:00`` of one of the days. Work that would end within them
    if it ran at once has somebody waiting for it, so that end is its deadline: it runs at once.
    """

    unless: str | None = None

    def __post_init__(self) -> None:
        super(DoneBy, self).__post_init__()
        if self.unless is not None:
            _hours("unless", self.unless)

    def deadline(self, end: datetime) -> datetime:
        """Return the deadline [UTC] of work that would end at an instant if it ran at once."""
        if self.unless is not None:
            begin, until = _hours("unless", self.unless)
            local = end.astimezone(self.zone)
            if self.count(local.date()) and begin <= local.time() <= until:
                return end
        return self.next(end)


@dataclass(frozen=True, kw_only=True, slots=True)
class Blackout(Days):
    """Hours in which nothing runs: ``hours`` 17:00-20:00 on working days, say.

    Hours that end before they begin reach into the next day.
    """

    hours: str

    def __post_init__(self) -> None:
        super(Blackout, self).__post_init__()
        _hours("hours", self.hours)

    def between(self, first: datetime, last: datetime) -> tuple[Span, ...]:
        """Return the spans [UTC] of these hours that touch ``[first, last)``, in order."""
        begin, end = _hours("hours", self.hours)
        day = first.astimezone(self.zone).date() - timedelta(days=1)
        spans = list[tuple[datetime, datetime]]()
        while self.instant(day, time(0)) < last:
            if self.count(day):
                until = day if begin < end else day + timedelta(days=1)
                span = (self.instant(day, begin), self.instant(until, end))
                if span[0] < last and first < span[1]:
                    spans.append(span)
            day += timedelta(days=1)
        return tuple(spans)


def _plain(value: object) -> object:
    if isinstance(value, time):
        return value.isoformat("minutes" if not value.second else "seconds")
    return list(value) if isinstance(value, tuple) else value


def _day_names(value: object) -> tuple[str, ...]:
    remedy = f"write daily, working, weekend, or names of {', '.join(NAMES)}"
    words = value.split(",") if isinstance(value, str) else value
    if not isinstance(words, (list, tuple)) or not words:
        raise InvalidOptionError("days", value, remedy)
    names = set[str]()
    for word in words:
        key = str(word).strip().lower()
        if key not in GROUPS and key[:3] not in NAMES:
            raise InvalidOptionError("days", value, remedy)
        names.update(GROUPS.get(key, (key[:3],)))
    return tuple(name for name in NAMES if name in names)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        remedy = "write a name of the IANA time zone database, such as Europe/Berlin"
        raise InvalidOptionError("time_zone", name, remedy) from exc


def _time(name: str, value: object) -> time:
    if isinstance(value, time):
        return value
    try:
        return time.fromisoformat(str(value).strip())
    except ValueError as exc:
        raise InvalidOptionError(name, value, "write a time of day such as 09:00") from exc


def _hours(name: str, value: str) -> tuple[time, time]:
    begin, dash, end = str(value).partition("-")
    hours = (_time(name, begin), _time(name, end)) if dash else None
    if hours is None or hours[0] == hours[1]:
        raise InvalidOptionError(name, value, "write hours of the day such as 09:00-17:00")
    return hours


def _check_holidays(place: str) -> None:
    try:
        _is_holiday(place, date(2000, 1, 1))
    except (NotImplementedError, KeyError, AttributeError) as exc:
        remedy = "write a country, or country and subdivision: DE, DE-BE, US-CA"
        raise InvalidOptionError("holidays", place, remedy) from exc


def _is_holiday(place: str, day: date) -> bool:
    return day in _holidays(place)


@cache
def _holidays(place: str) -> Container[date]:
    import holidays  # noqa: PLC0415 - reading a DAG needs it only where it names a country

    country, _, subdivision = place.partition("-")
    return holidays.country_holidays(country, subdiv=subdivision or None)
