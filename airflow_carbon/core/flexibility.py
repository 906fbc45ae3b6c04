"""How freely a job may move in time, and how people write that down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from airflow_carbon.core.errors import (
    InvalidDurationError,
    InvalidInstantError,
    InvalidOptionError,
    NoFeasibleWindowError,
)

_NUMBER: Final = r"(\d+(?:\.\d+)?)"
_SHORT: Final = re.compile(
    rf"(?:{_NUMBER}\s*d(?:ays?)?)?[\s,]*"
    rf"(?:{_NUMBER}\s*h(?:ours?|rs?)?)?[\s,]*"
    rf"(?:{_NUMBER}\s*m(?:in(?:ute)?s?)?)?[\s,]*"
    rf"(?:{_NUMBER}\s*s(?:ec(?:ond)?s?)?)?",
    re.IGNORECASE,
)
_ISO_8601: Final = re.compile(
    rf"P(?:{_NUMBER}D)?(?:T(?:{_NUMBER}H)?(?:{_NUMBER}M)?(?:{_NUMBER}S)?)?", re.IGNORECASE
)
_CLOCK: Final = re.compile(r"(?:(\d+) days?, )?(\d+):(\d{2}):(\d{2}(?:\.\d+)?)")


def parse_duration(name: str, value: object) -> timedelta:
    """Read a positive length of time: a timedelta, ``4h``, ``1d 12h``, ``PT4H`` or ``4:00:00``.

    Raises:
        InvalidDurationError: anything else, zero and negative lengths included.

    >>> parse_duration("duration", "1h30m")
    datetime.timedelta(seconds=5400)
    """
    if isinstance(value, timedelta):
        length = value
    elif isinstance(value, str) and value.strip():
        text = value.strip()
        match = _SHORT.fullmatch(text) or _ISO_8601.fullmatch(text) or _CLOCK.fullmatch(text)
        if match is None:
            raise InvalidDurationError(name, value)
        days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
        length = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
    else:
        raise InvalidDurationError(name, value)
    if length <= timedelta(0):
        raise InvalidDurationError(name, value)
    return length


def parse_share(name: str, value: object) -> float:
    """Read a share from 0 to below 1: a number, or text such as ``0.05`` or ``5%``.

    Raises:
        InvalidOptionError: anything else.

    >>> parse_share("min_saving", "5 %")
    0.05
    """
    remedy = "write a share from 0 to below 1, such as 0.05 or '5%'"
    text = str(value).strip()
    try:
        share = float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError as exc:
        raise InvalidOptionError(name, value, remedy) from exc
    if not 0 <= share < 1:
        raise InvalidOptionError(name, value, remedy)
    return share


def parse_instant(name: str, value: object) -> datetime:
    """Read an aware instant, a datetime or ISO 8601 with an offset, and return it in UTC.

    Raises:
        InvalidInstantError: anything else, instants without a time zone included.

    >>> parse_instant("deadline", "2026-11-21T09:00:00+01:00")
    datetime.datetime(2026, 11, 21, 8, 0, tzinfo=datetime.timezone.utc)
    """
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError as exc:
            raise InvalidInstantError(name, value) from exc
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidInstantError(name, value)
    return value.astimezone(UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Flexibility:
    """A job's length and the span within which it must lie.

    ``deadline`` is the instant by which the work must have *ended*.

    Raises:
        InvalidDurationError: the duration is not positive.
        InvalidInstantError: an instant has no time zone.
        NoFeasibleWindowError: the job does not fit.
    """

    duration: timedelta
    earliest: datetime
    deadline: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", parse_duration("duration", self.duration))
        object.__setattr__(self, "earliest", parse_instant("earliest", self.earliest))
        object.__setattr__(self, "deadline", parse_instant("deadline", self.deadline))
        if self.latest_start < self.earliest:
            raise NoFeasibleWindowError(self.duration, self.earliest, self.deadline)

    @property
    def latest_start(self) -> datetime:
        """The last instant at which the job can start and still end by its deadline."""
        return self.deadline - self.duration


def flexibility(
    *,
    submitted: object,
    duration: object,
    earliest: object = None,
    deadline: object = None,
    max_delay: object = None,
) -> Flexibility:
    """Return the flexibility of a job that was submitted at an instant.

    The job may start at ``earliest``, or at submission; it must end by ``deadline``, or
    start at most ``max_delay`` after it may. Nothing here depends on the present, so a
    retry, a cleared task and a restarted triggerer come to the same instants.

    Raises:
        InputError: a length or an instant that can't be read; a job that does not fit;
            not exactly one of ``deadline`` and ``max_delay``.
    """
    length = parse_duration("duration", duration)
    begin = parse_instant("submitted", submitted)
    if earliest is not None:
        begin = max(begin, parse_instant("earliest", earliest))
    if (deadline is None) == (max_delay is None):
        remedy = "give exactly one of deadline= (when the work must have ended) and max_delay="
        raise InvalidOptionError("deadline", deadline, remedy)
    if deadline is not None:
        end = parse_instant("deadline", deadline)
    else:
        end = begin + parse_duration("max_delay", max_delay) + length
    return Flexibility(duration=length, earliest=begin, deadline=end)
