"""How freely a job may move in time, and how people write that down."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

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


Span: TypeAlias = tuple[datetime, datetime]
"""Two instants, in order."""


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


def parse_number(name: str, value: object, remedy: str = "write a number, 0 or more") -> float:
    """Read a number that is finite and not negative.

    Raises:
        InvalidOptionError: anything else.
    """
    try:
        number = float(str(value))
    except ValueError as exc:
        raise InvalidOptionError(name, value, remedy) from exc
    if not 0 <= number < float("inf"):
        raise InvalidOptionError(name, value, remedy)
    return number


def parse_flag(name: str, value: object) -> bool:
    """Read a yes or no: a bool, or text such as ``true`` and ``no``.

    Raises:
        InvalidOptionError: anything else.
    """
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    found = words.get(str(value).strip().lower())
    if found is None:
        raise InvalidOptionError(name, value, "write true or false")
    return found


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
class Phase:
    """A part of a job, and its mean power as a multiple of the other phases'.

    Raises:
        InvalidDurationError: no positive length.
        InvalidOptionError: a power that is negative or not finite.
    """

    duration: timedelta
    power: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", parse_duration("duration", self.duration))
        object.__setattr__(self, "power", parse_number("power", self.power))


def parse_phases(name: str, value: object) -> tuple[timedelta, tuple[Phase, ...]]:
    """Read a length, or the phases that make it up: pairs of a length and a relative power.

    Raises:
        InvalidDurationError, InvalidOptionError: neither; phases without any power.

    >>> length, phases = parse_phases("duration", [("10m", 0.4), ("2h", 1)])
    >>> str(length), [phase.power for phase in phases]
    ('2:10:00', [0.4, 1.0])
    """
    if not isinstance(value, (list, tuple)):
        return parse_duration(name, value), ()
    remedy = "write a length, or pairs of a length and a relative power: [('10m', 0.4), ('2h', 1)]"
    try:
        phases = tuple(Phase(duration=length, power=power) for length, power in value)
    except (TypeError, ValueError) as exc:
        raise InvalidOptionError(name, value, remedy) from exc
    if not any(phase.power for phase in phases):
        raise InvalidOptionError(name, value, remedy)
    return sum((phase.duration for phase in phases), timedelta(0)), phases


@dataclass(frozen=True, kw_only=True, slots=True)
class Flexibility:
    """A job's length and the span within which it must lie.

    ``deadline`` is the instant by which the work must have *ended*. ``phases``, where there are
    any, make up the duration. During ``blackouts`` [begin, end) the job does not run, unless
    they leave no room for it: a blackout yields to the deadline.

    Raises:
        InvalidDurationError: the duration is not positive.
        InvalidInstantError: an instant has no time zone.
        InvalidOptionError: the phases don't add up to the duration.
        NoFeasibleWindowError: the job does not fit.
    """

    duration: timedelta
    earliest: datetime
    deadline: datetime
    phases: tuple[Phase, ...] = ()
    blackouts: tuple[Span, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "duration", parse_duration("duration", self.duration))
        object.__setattr__(self, "earliest", parse_instant("earliest", self.earliest))
        object.__setattr__(self, "deadline", parse_instant("deadline", self.deadline))
        if self.phases and sum((p.duration for p in self.phases), timedelta(0)) != self.duration:
            remedy = f"its phases don't add up to the duration, {self.duration}"
            raise InvalidOptionError("phases", self.phases, remedy)
        if self.deadline - self.duration < self.earliest:
            raise NoFeasibleWindowError(self.duration, self.earliest, self.deadline)

    @property
    def latest_start(self) -> datetime:
        """The last instant at which the job can start and still keep to all of this."""
        return self.starts[-1][1]

    @property
    def starts(self) -> tuple[Span, ...]:
        """The spans, ends included, in which the job may start, in order; never empty."""
        last = self.deadline - self.duration
        spans, first = list[Span](), self.earliest
        for begin, end in sorted(self.blackouts):
            if first <= begin - self.duration:
                spans.append((first, min(begin - self.duration, last)))
            first = max(first, end)
            if first > last:
                break
        if first <= last:
            spans.append((first, last))
        return tuple(span for span in spans if span[0] <= span[1]) or ((last, last),)

    @property
    def free(self) -> tuple[Span, ...]:
        """The spans outside of blackouts, in order, in which work may lie."""
        spans, first = list[Span](), self.earliest
        for begin, end in sorted(self.blackouts):
            if first < begin:
                spans.append((first, min(begin, self.deadline)))
            first = max(first, end)
        if first < self.deadline:
            spans.append((first, self.deadline))
        return tuple(span for span in spans if span[0] < span[1])
