"""From the points of a reply to a series: what may be repaired is, and nothing else.

Points are sorted; a point that is there twice with one value counts once; a short gap is
filled along a straight line and counted; coarser steps are cut to the finest ones. Anything
else that is not an even series of finite, non-negative numbers is refused.
"""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import InvalidSeriesError, ServiceUnavailableError
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries, Signal

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from airflow_carbon.core.units import ZoneKey

LONGEST_GAP: Final = timedelta(hours=2)
"""A gap up to so long is filled; a longer one makes the series unusable."""

STALE_AFTER: Final = timedelta(hours=12)
"""A forecast that was issued longer ago is none."""

FINEST_STEP: Final = timedelta(minutes=1)


def instant(text: object) -> datetime:
    """Read an instant in ISO 8601 with an offset.

    Raises:
        ValueError: it is none, or has no offset: guessing a time zone shifts the night into
            the day.
    """
    at = datetime.fromisoformat(str(text))
    if at.tzinfo is None:
        message = f"{text!r} has no time zone"
        raise ValueError(message)
    return at.astimezone(UTC)


def number(value: object) -> float | None:
    """Read a number, None for null.

    Raises:
        ValueError: text, NaN, infinite or negative.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        message = f"{value!r} is not a number"
        raise ValueError(message)  # noqa: TRY004 - one error for all that can't be an intensity
    if not math.isfinite(value) or value < 0:
        message = f"an intensity can't be {value!r}"
        raise ValueError(message)
    return float(value)


def even_series(
    points: Iterable[tuple[datetime, float | None]],
    *,
    zone: ZoneKey,
    step: timedelta | None = None,
    signal: Signal = Signal.AVERAGE,
    factor_type: FactorType = FactorType.LIFECYCLE,
) -> IntensitySeries:
    """Return the series that begins at each point's instant; None stands for a missing value.

    ``step`` is the length of the last interval, where the reply says it; otherwise it is as
    long as the one before. ``filled`` of the result counts the steps that were filled.

    Raises:
        InvalidSeriesError: no value, two values for one instant, steps that fit no grid, or a
            gap longer than :data:`LONGEST_GAP`.
    """
    known = _known(zone, points)
    instants = sorted(known)
    gaps = [later - earlier for earlier, later in pairwise(instants)]
    finest = min([*gaps, step] if step else gaps, default=None)
    if finest is None:
        raise InvalidSeriesError(zone, "a single value does not tell its step")
    if finest < FINEST_STEP or any(gap % finest for gap in gaps):
        raise InvalidSeriesError(zone, f"its steps fit no grid: {sorted(set(gaps))[:4]}")
    lengths = [*gaps, step or gaps[-1]]
    values: list[float] = []
    filled = 0
    for i, (at, length) in enumerate(zip(instants, lengths, strict=True)):
        count = length // finest
        if count == 1 or i + 1 == len(instants) or _is_coarse(lengths, i):
            values += [known[at]] * count
        elif length > LONGEST_GAP:
            raise InvalidSeriesError(zone, f"nothing is known for {length} from {at:%F %H:%MZ} on")
        else:
            values += list(np.linspace(known[at], known[instants[i + 1]], count, endpoint=False))
            filled += count - 1
    return IntensitySeries(
        zone=zone,
        begins=instants[0],
        step=finest,
        g_per_kwh=np.array(values),
        signal=signal,
        factor_type=factor_type,
        filled=filled,
    )


def issue(series: IntensitySeries, *, issued_at: datetime, now: datetime, source: str) -> Forecast:
    """Return a forecast that begins with the step running at ``now``.

    A service's clock may be ahead of ours: no forecast is known before it is issued, so the
    future is clamped to ``now``.

    Raises:
        ServiceUnavailableError: it ends before ``now``, or is older than :data:`STALE_AFTER`.
    """
    if series.ends <= now:
        raise ServiceUnavailableError(source, f"its forecast ended at {series.ends:%F %H:%MZ}")
    if now - issued_at > STALE_AFTER:
        raise ServiceUnavailableError(source, f"its forecast is of {issued_at:%F %H:%MZ}")
    past = max(0, (now - series.begins) // series.step)
    begins = series.begins + past * series.step
    ahead = replace(series, begins=begins, g_per_kwh=series.g_per_kwh[past:])
    return Forecast(series=ahead, issued_at=min(issued_at, now), source=source)


def chunks(
    begin: datetime, end: datetime, longest: timedelta
) -> Iterator[tuple[datetime, datetime]]:
    """Yield the spans, none longer than ``longest``, that make up a span."""
    while begin < end:
        yield begin, min(begin + longest, end)
        begin += longest


def within(
    points: Iterable[tuple[datetime, float | None]],
    begin: datetime,
    end: datetime,
    step: timedelta,
) -> list[tuple[datetime, float]]:
    """Return the points that are known and whose interval of length ``step`` touches a span."""
    return [(at, value) for at, value in points if value is not None and begin - step < at < end]


def joined(
    parts: Iterable[IntensitySeries | None], *, source: str, begin: datetime, end: datetime
) -> IntensitySeries:
    """Return one series from the parts of a span, in order; they may overlap.

    Raises:
        ServiceUnavailableError: nothing is known, or the parts do not make an even series.
    """
    known = [part for part in parts if part is not None]
    if not known:
        cause = f"it knows nothing of {begin:%F %H:%MZ} to {end:%F %H:%MZ}"
        raise ServiceUnavailableError(source, cause)
    points = {
        one.begins + i * one.step: float(value)
        for one in known
        for i, value in enumerate(one.g_per_kwh)
    }
    first = known[0]
    try:
        series = even_series(
            points.items(),
            zone=first.zone,
            step=first.step,
            signal=first.signal,
            factor_type=first.factor_type,
        )
    except InvalidSeriesError as exc:
        raise ServiceUnavailableError(source, str(exc)) from exc
    return replace(series, filled=series.filled + sum(one.filled for one in known))


def _known(zone: ZoneKey, points: Iterable[tuple[datetime, float | None]]) -> dict[datetime, float]:
    known: dict[datetime, float] = {}
    for at, value in points:
        if value is None:
            continue
        if known.setdefault(at, value) != value:
            fault = f"it gives both {known[at]:g} and {value:g} for {at:%F %H:%MZ}"
            raise InvalidSeriesError(zone, fault)
    if not known:
        raise InvalidSeriesError(zone, "it has no values")
    return known


def _is_coarse(lengths: list[timedelta], i: int) -> bool:
    """Tell a coarser step from a gap: it comes at least three times in a row."""
    first = last = i
    while first and lengths[first - 1] == lengths[i]:
        first -= 1
    while last + 1 < len(lengths) and lengths[last + 1] == lengths[i]:
        last += 1
    return last - first + 1 >= _A_RUN


_A_RUN: Final = 3
