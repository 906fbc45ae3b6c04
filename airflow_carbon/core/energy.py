"""Energy over time: differences of counter readings, never a reading alone."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.units import EPOCH, Joules

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    FloatArray = NDArray[np.float64]

MICROSECONDS: Final = 1_000_000


class EnergyQuality(StrEnum):
    """How the joules of an interval were obtained, best first."""

    COUNTER = "counter"
    """A hardware energy counter, differenced."""
    POWER = "power"
    """Power readings, integrated."""
    MODEL = "model"
    """A model of the hardware; nothing was read."""
    MISSING = "missing"
    """No reading: the joules are unknown, which is not 0 J."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CounterReading:
    """What the energy counters showed at one instant.

    ``at`` is in Unix seconds; ``joules`` holds a counter [J] for each device, None where
    the device gave no answer.
    """

    at: float
    joules: Mapping[str, float | None]


@dataclass(frozen=True, kw_only=True, eq=False)
class EnergyProfile:
    """Energy drawn in half-open intervals ``[begins, ends)``; one row a device and interval.

    ``begins`` and ``ends`` are Unix seconds, ``joules`` is NaN where the reading is
    missing, ``devices`` and ``qualities`` name each row's device and method.

    Raises:
        ValueError: rows of unequal number, an interval that ends before it begins, an
            energy that is negative or infinite, NaN without ``missing`` or the reverse.
    """

    begins: FloatArray
    ends: FloatArray
    joules: FloatArray
    devices: tuple[str, ...]
    qualities: tuple[EnergyQuality, ...]

    def __post_init__(self) -> None:
        for name in ("begins", "ends", "joules"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        rows = {len(a) for a in (self.begins, self.ends, self.joules, self.devices, self.qualities)}
        if len(rows) != 1:
            message = f"columns of unequal length: {sorted(rows)}"
            raise ValueError(message)
        if not (self.ends >= self.begins).all():
            message = "an interval ends before it begins"
            raise ValueError(message)
        if (self.joules < 0).any() or np.isinf(self.joules).any():
            message = "energy is a difference of counters: finite and not negative"
            raise ValueError(message)
        missing = np.array([q is EnergyQuality.MISSING for q in self.qualities], dtype=bool)
        if not (np.isnan(self.joules) == missing).all():
            message = "a missing reading is NaN and marked as missing, never 0 J"
            raise ValueError(message)

    @classmethod
    def from_readings(
        cls, readings: Sequence[CounterReading], quality: EnergyQuality = EnergyQuality.COUNTER
    ) -> EnergyProfile:
        """Difference readings in time order; a device's energy is missing where it can't be told.

        A device that did not answer and came back is known again as a whole: the interval
        reaches from its last good reading to the next. A counter that went backwards was
        reset: what it had counted in between is unknown.
        """
        rows: list[tuple[float, float, float, str, EnergyQuality]] = []
        last: dict[str, tuple[float, float]] = {}
        for reading in readings:
            for device, joules in reading.joules.items():
                if joules is None:
                    continue
                if device in last:
                    since, before = last[device]
                    used = joules - before
                    known = used >= 0
                    rows.append(
                        (
                            since,
                            reading.at,
                            used if known else np.nan,
                            device,
                            quality if known else EnergyQuality.MISSING,
                        )
                    )
                last[device] = (reading.at, joules)
        if readings:
            end = readings[-1].at
            rows += [
                (since, end, np.nan, device, EnergyQuality.MISSING)
                for device, (since, _) in last.items()
                if since < end
            ]
        return cls.from_rows(rows)

    @classmethod
    def from_rows(
        cls, rows: Iterable[tuple[float, float, float, str, EnergyQuality]]
    ) -> EnergyProfile:
        """Build from rows (begins, ends, joules, device, quality)."""
        columns = list(zip(*rows, strict=True)) or [(), (), (), (), ()]
        begins, ends, joules, devices, qualities = columns
        return cls(
            begins=np.array(begins, dtype=np.float64),
            ends=np.array(ends, dtype=np.float64),
            joules=np.array(joules, dtype=np.float64),
            devices=tuple(devices),
            qualities=tuple(qualities),
        )

    def __len__(self) -> int:
        return len(self.joules)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The instants between which all intervals lie, to the microsecond.

        Raises:
            ValueError: there is no interval.
        """
        begin = math.floor(self.begins.min() * MICROSECONDS)
        end = math.ceil(self.ends.max() * MICROSECONDS)
        return EPOCH + timedelta(microseconds=begin), EPOCH + timedelta(microseconds=end)

    @property
    def total(self) -> Joules:
        """Energy of the intervals that are known [J]."""
        return Joules(float(np.nansum(self.joules)))

    @property
    def coverage(self) -> float:
        """Share of the device-seconds whose energy is known, 0 to 1; 0 without any interval.

        >>> EnergyProfile.from_readings([]).coverage
        0.0
        """
        spans = self.ends - self.begins
        whole = float(spans.sum())
        return float(spans[~np.isnan(self.joules)].sum()) / whole if whole > 0 else 0.0

    @property
    def method(self) -> str:
        """The methods in use, best first, joined by ``+``; ``missing`` where nothing is known."""
        seen = set(self.qualities) - {EnergyQuality.MISSING}
        return "+".join(q for q in EnergyQuality if q in seen) or EnergyQuality.MISSING

    def joules_by(self, quality: EnergyQuality) -> Joules:
        """Energy that was obtained by one method [J]."""
        rows = np.array([q is quality for q in self.qualities], dtype=bool)
        return Joules(float(np.nansum(self.joules[rows])) if rows.any() else 0.0)

    def joules_of(self, wanted: Callable[[str], bool]) -> Joules | None:
        """Energy of some of the devices [J]; None where there is none of them, or no reading."""
        rows = np.array([wanted(device) for device in self.devices], dtype=bool)
        known = rows & ~np.isnan(self.joules)
        return Joules(float(self.joules[known].sum())) if known.any() else None

    def shifted(self, by: timedelta) -> EnergyProfile:
        """Return the same energy at another time: what a baseline prices."""
        seconds = by.total_seconds()
        return replace(self, begins=self.begins + seconds, ends=self.ends + seconds)

    def without_gaps(self) -> EnergyProfile:
        """Return the same energy without the spans of which it has no interval: its pauses.

        >>> paused = EnergyProfile.from_rows(
        ...     [(0, 2, 5.0, "gpu", "counter"), (60, 61, 5.0, "gpu", "counter")]
        ... )
        >>> paused.without_gaps().ends.tolist()
        [2.0, 3.0]
        """
        order = np.argsort(self.begins, kind="stable")
        begins, reached = self.begins[order], np.maximum.accumulate(self.ends[order])
        gaps = np.concatenate(([0.0], np.maximum(begins[1:] - reached[:-1], 0.0)))
        earlier = np.empty_like(self.begins)
        earlier[order] = np.cumsum(gaps)[: len(begins)]
        return replace(self, begins=self.begins - earlier, ends=self.ends - earlier)
