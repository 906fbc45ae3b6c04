"""How wide a pool is: as wide as may be while the grid is clean, narrow while it is not."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import (
    Flexibility,
    parse_duration,
    parse_number,
    parse_share,
)

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast

HORIZON: Final = timedelta(hours=24)
"""A day: what a pool may put off comes back within it."""

A_MOMENT: Final = timedelta(minutes=1)
"""What a forecast has to cover for a pool to be set by it."""

LOW: Final = 25.0
HIGH: Final = 75.0
"""Percentiles of the coming hours: the cleanest quarter is clean, the dirtiest is dirty."""

FLAT: Final = 0.01
"""Hours whose percentiles differ by less than this share are alike: none is worth waiting for."""


class Because(StrEnum):
    """Why a pool has its width."""

    CLEAN = "clean"
    """At or below the clean limit: the most slots."""
    DIRTY = "dirty"
    """At or above the dirty limit: the fewest."""
    BETWEEN = "between"
    """Between the limits: in proportion."""
    HELD = "held"
    """So little has changed that the pool stays as it is."""
    FLAT = "flat"
    """The coming hours are alike: holding work back would save nothing."""
    NO_DATA = "no_data"
    """No source had anything to say: the safe width."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Between how many slots a pool moves, and by which intensities.

    ``min_slots`` and ``max_slots``; ``safe_slots``: where nothing is known (``max_slots`` unless
    stated: an outage costs carbon, not throughput). ``clean_below`` and ``dirty_above``
    [gCO2eq/kWh]: at or below the one it is widest, at or above the other narrowest, between them in
    proportion; without them the 25th and 75th percentile of the ``horizon`` to come.
    ``hysteresis``: a share of the intensity; a pool whose width is right for an intensity that near
    to the present one stays as it is.

    Raises:
        InputError: numbers that can't be, or in the wrong order; one limit without the other.
    """

    min_slots: int
    max_slots: int
    safe_slots: int | None = None
    clean_below: float | None = None
    dirty_above: float | None = None
    horizon: timedelta = HORIZON
    hysteresis: float = 0.05

    def __post_init__(self) -> None:
        for name in ("min_slots", "max_slots", "safe_slots"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, _slots(name, getattr(self, name)))
        for name in ("clean_below", "dirty_above"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, parse_number(name, getattr(self, name)))
        object.__setattr__(self, "horizon", parse_duration("horizon", self.horizon))
        object.__setattr__(self, "hysteresis", parse_share("hysteresis", self.hysteresis))
        if self.max_slots < max(self.min_slots, 1):
            remedy = f"write a whole number, 1 or more, and not below min_slots={self.min_slots}"
            raise InvalidOptionError("max_slots", self.max_slots, remedy)
        if not self.min_slots <= self.safe <= self.max_slots:
            remedy = f"write a number from min_slots={self.min_slots} to {self.max_slots}"
            raise InvalidOptionError("safe_slots", self.safe_slots, remedy)
        if (self.clean_below is None) != (self.dirty_above is None):
            remedy = "give both clean_below= and dirty_above=, or neither"
            raise InvalidOptionError("clean_below", self.clean_below, remedy)
        if None not in (self.clean_below, self.dirty_above) and self._given is None:
            remedy = f"it has to be above clean_below={self.clean_below:g}"
            raise InvalidOptionError("dirty_above", self.dirty_above, remedy)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read from plain values, a mapping by the fields' names.

        Raises:
            InputError: no mapping, one with other names, or values that can't be.
        """
        names = [field.name for field in fields(cls)]
        remedy = f"write a mapping with min_slots, max_slots and, where needed, {names[2:]}"
        if not isinstance(value, dict) or not set(value) <= set(names):
            raise InvalidOptionError("bounds", value, remedy)
        try:
            return cls(**value)
        except TypeError as exc:
            raise InvalidOptionError("bounds", value, remedy) from exc

    @property
    def safe(self) -> int:
        """The width where nothing is known [slots]."""
        return self.max_slots if self.safe_slots is None else self.safe_slots

    def ahead(self, now: datetime) -> Flexibility:
        """Return of what a forecast is asked: of now, and if known of the hours to compare with."""
        return Flexibility(duration=A_MOMENT, earliest=now, deadline=now + self.horizon + A_MOMENT)

    @property
    def _given(self) -> tuple[float, float] | None:
        clean, dirty = self.clean_below, self.dirty_above
        return (clean, dirty) if clean is not None and dirty is not None and clean < dirty else None

    def limits(self, forecast: Forecast, now: datetime) -> tuple[float, float] | None:
        """Return where it is clean and where dirty [gCO2eq/kWh]; None where hours are alike."""
        if self._given is not None:
            return self._given
        import numpy as np  # noqa: PLC0415 - the rules are read where DAGs are parsed

        series = forecast.series
        first = max(0, (now - series.begins) // series.step)
        ahead = series.g_per_kwh[first : first + max(1, -(-self.horizon // series.step))]
        clean, dirty = (float(one) for one in np.percentile(ahead, [LOW, HIGH]))
        return (clean, dirty) if dirty - clean > FLAT * dirty else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Width:
    """How wide a pool is to be [slots], and by what: intensities in gCO2eq/kWh."""

    slots: int
    because: Because
    g_per_kwh: float | None = None
    clean_below: float | None = None
    dirty_above: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them."""
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "because": self.because.value
        }


def width(
    bounds: Bounds, forecast: Forecast | None, *, now: datetime, slots: int | None = None
) -> Width:
    """Return how wide a pool is to be now; ``slots`` is how wide it is, where that is known.

    Always from ``min_slots`` to ``max_slots``. Asked again with its own answer it says the same.
    """
    g = None if forecast is None else intensity_at(forecast, now)
    if forecast is None or g is None:
        return Width(slots=bounds.safe, because=Because.NO_DATA)
    limits = bounds.limits(forecast, now)
    if limits is None:
        return Width(slots=bounds.max_slots, because=Because.FLAT, g_per_kwh=g)
    clean, dirty = limits
    because = Because.CLEAN if g <= clean else Because.DIRTY if g >= dirty else Because.BETWEEN
    wanted = _between(bounds, g, limits)
    if because is Because.BETWEEN and slots is not None and slots != wanted:
        widest = _between(bounds, g * (1 - bounds.hysteresis), limits)
        narrowest = _between(bounds, g * (1 + bounds.hysteresis), limits)
        if narrowest <= slots <= widest:
            wanted, because = slots, Because.HELD
    return Width(slots=wanted, because=because, g_per_kwh=g, clean_below=clean, dirty_above=dirty)


def intensity_at(forecast: Forecast, at: datetime) -> float | None:
    """Return the intensity of the step that holds an instant [gCO2eq/kWh]; None outside."""
    series = forecast.series
    i = (at - series.begins) // series.step
    return float(series.g_per_kwh[i]) if 0 <= i < len(series.g_per_kwh) else None


def _between(bounds: Bounds, g_per_kwh: float, limits: tuple[float, float]) -> int:
    """Return the slots at an intensity: linear between the limits, rounded half up."""
    clean, dirty = limits
    share = min(1.0, max(0.0, (dirty - g_per_kwh) / (dirty - clean)))
    return bounds.min_slots + int(share * (bounds.max_slots - bounds.min_slots) + 0.5)


def _slots(name: str, value: object) -> int:
    number = parse_number(name, value, "write a whole number, 0 or more")
    if number != int(number):
        raise InvalidOptionError(name, value, "write a whole number, 0 or more")
    return int(number)
