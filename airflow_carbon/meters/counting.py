"""From readings to the joules of an interval: differences of counters, integrals of power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from airflow_carbon.meters.log import COUNTER, MISSING, POWER, Interval

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    Reading: TypeAlias = "Count | Power | None"
    """What a device answered; None where it did not."""


@dataclass(frozen=True)
class Count:
    """An energy counter [mJ]; ``quality`` tells a hardware counter from a modelled one.

    Counters of unlike ``epoch`` can't be compared: the counting began anew in between.
    """

    mj: int
    quality: str = COUNTER
    epoch: int = 0


@dataclass(frozen=True)
class Power:
    """The power drawn at an instant [W]."""

    watts: float


def counters(readings: Mapping[str, Reading]) -> dict[str, int]:
    """Return what the hardware's counters show [mJ]."""
    return {d: r.mj for d, r in readings.items() if isinstance(r, Count) and r.quality == COUNTER}


class _Mark(NamedTuple):
    at: float
    reading: Count | Power


@dataclass(frozen=True)
class Tally:
    """Where the counting stands: to when it reaches, and each device's last good reading."""

    at: float
    marks: Mapping[str, _Mark]

    @classmethod
    def begin(cls, at: float, readings: Mapping[str, Reading]) -> Tally:
        """Take the baseline at an instant [Unix s]."""
        return cls(at, {d: _Mark(at, r) for d, r in readings.items() if r is not None})

    def advance(self, at: float, readings: Mapping[str, Reading]) -> tuple[Tally, Interval]:
        """Return the tally at a later instant, and the interval in between.

        A counter that answers after a gap has its whole difference in this interval. A mean
        power over a gap is unknown, so power has to be read at both ends of an interval.
        """
        joules = {d: self._joules(d, at, reading) for d, reading in readings.items()}
        known = {d for d, j in joules.items() if j is not None}
        marks = {d: _Mark(at, r) for d, r in readings.items() if r is not None}
        interval = Interval(
            t0=self.at,
            t1=at,
            j=joules,
            q={d: _quality(r) if d in known else MISSING for d, r in readings.items()},
            raw_mj=counters(readings),
            since={d: self.marks[d].at for d in readings if self._bridges(d) and d in known},
        )
        return Tally(at, {**self._waiting(), **marks}), interval

    def _joules(self, device: str, at: float, reading: Reading) -> float | None:
        mark = self.marks.get(device)
        if mark is None:
            return None
        if isinstance(reading, Count) and isinstance(mark.reading, Count):
            mj = reading.mj - mark.reading.mj
            return mj / 1000 if mj >= 0 and reading.epoch == mark.reading.epoch else None
        if isinstance(reading, Power) and isinstance(mark.reading, Power):
            watts = (mark.reading.watts + reading.watts) / 2
            return round(watts * (at - mark.at) * 1000) / 1000  # whole mJ, as counters have
        return None

    def _bridges(self, device: str) -> bool:
        return device in self.marks and self.marks[device].at < self.at

    def _waiting(self) -> dict[str, _Mark]:
        """Return the counters' marks, which outlast a gap."""
        return {d: mark for d, mark in self.marks.items() if isinstance(mark.reading, Count)}


def _quality(reading: Reading) -> str:
    return reading.quality if isinstance(reading, Count) else POWER
