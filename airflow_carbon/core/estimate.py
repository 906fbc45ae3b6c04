"""How long a job takes and what it draws, from what it took and drew before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Final, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

STATED: Final = "stated"
"""Where a number is from that its author wrote."""

T = TypeVar("T", float, timedelta)

QUANTILE: Final = 0.9
"""Of durations: a deadline has to hold, and a somewhat shorter wait costs little carbon."""

MEDIAN: Final = 0.5
"""Of energies: what is usual counts, and a run that went astray does not."""

FEWEST: Final = 5
"""The true median lies between the least and the greatest of five runs with a probability of
1 - 2^(1-5) = 94 % (David and Nagaraja, Order Statistics, 3rd ed. 2003, section 7.1)."""


def fewest(level: float) -> int:
    """Return how many values :func:`upper` needs for a level.

    >>> fewest(0.9), fewest(0.5)
    (9, 5)
    """
    exact = Fraction(str(level))
    return max(FEWEST, ceil(exact / (1 - exact)))


def upper(values: Sequence[T], level: float) -> T | None:
    """Return what the next value does not exceed, with a probability of at least ``level``.

    It is the k-th smallest of n, k = ceil((n + 1) level): where all n + 1 are exchangeable, the
    next is as likely to take any rank among them, whatever their distribution (Meeker, Hahn and
    Escobar, Statistical Intervals, 2nd ed. 2017, chapter 5; in conformal prediction: Vovk,
    Gammerman and Shafer, Algorithmic Learning in a Random World, 2005). None where n is below
    :func:`fewest`: not even the greatest of them would do.

    >>> upper([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0, 5.0], 0.9)
    9.0
    """
    if len(values) < fewest(level):
        return None
    rank = ceil((len(values) + 1) * Fraction(str(level)))
    return sorted(values)[rank - 1]


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """A run that succeeded, whole: its length, and its energy [kWh] where all of it is known.

    The energy is before the data centre's overhead.
    """

    duration: timedelta
    energy_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate(Generic[T]):
    """A length of time or an energy [kWh], and where it is from."""

    value: T
    origin: str
    is_learned: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """What the ledger knows of a task's past runs, or why it knows nothing (``fault``)."""

    runs: tuple[PastRun, ...] = ()
    fault: str = ""

    def duration(self, level: float = QUANTILE) -> Estimate[timedelta] | str:
        """Return a length that the next run is unlikely to exceed, or why none can be told."""
        return self._told([run.duration for run in self.runs], level, f"{level:g} quantile")

    def energy_kwh(self) -> Estimate[float] | str:
        """Return the median energy [kWh], or why none can be told."""
        known = [run.energy_kwh for run in self.runs if run.energy_kwh is not None]
        return self._told(known, MEDIAN, "median")

    def _told(self, values: Sequence[T], level: float, name: str) -> Estimate[T] | str:
        value = upper(values, level)
        if value is not None:
            return Estimate(value, f"{name} of {len(values)} past runs", is_learned=True)
        if self.fault:
            return self.fault
        number = f"{len(values)} past run{'' if len(values) == 1 else 's'}"
        return f"{number} of the {fewest(level)} that it takes"


def fallback(value: T, why: str) -> Estimate[T]:
    """Return what was stated for want of past runs, and why it has to do."""
    return Estimate(value, f"fallback: {why}", is_learned=False)
