"""Does a unit of work take more energy than it used to?"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

MAD_TO_SIGMA: Final = 1.4826
"""The median absolute deviation of normal data times this is their standard deviation
(Rousseeuw and Croux, JASA 88 (1993) 1273-1283: 1 / Phi^-1(3/4))."""

SIGMAS: Final = 3.0
"""How far out of the usual scatter counts as unusual: the conservative choice in Leys et al.,
Journal of Experimental Social Psychology 49 (2013) 764-766."""


class Trend(StrEnum):
    """What a value is, beside those before it."""

    USUAL = "usual"
    """Not above the limit."""
    REGRESSED = "regressed"
    """Above the limit."""
    TOO_FEW = "too_few"
    """There are too few before it to tell."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A value beside the trailing median, all in the value's unit.

    ``spread`` is the median absolute deviation, ``limit`` what the value must exceed to be a
    regression. The three are None where there are too few runs to tell.
    """

    trend: Trend
    value: float
    runs: int
    median: float | None = None
    spread: float | None = None
    limit: float | None = None

    @property
    def change(self) -> float | None:
        """How far the value is over the median, relative to it; negative where it is under."""
        return None if not self.median else self.value / self.median - 1


def compare(value: float, past: Sequence[float], *, tolerance: float, least_runs: int) -> Finding:
    """Return whether a value is over its trailing median by more than is tolerated, and usual.

    Both must be exceeded: the median plus ``tolerance`` of it (a change that matters), and the
    median plus three robust standard deviations (a change that is no scatter). Up to half of
    the past runs may be arbitrarily wrong, and the median still is that of sound ones.
    """
    if len(past) < max(1, least_runs):
        return Finding(trend=Trend.TOO_FEW, value=value, runs=len(past))
    middle = median(past)
    spread = median(abs(one - middle) for one in past)
    limit = max(middle * (1 + tolerance), middle + SIGMAS * MAD_TO_SIGMA * spread)
    return Finding(
        trend=Trend.REGRESSED if value > limit else Trend.USUAL,
        value=value,
        runs=len(past),
        median=middle,
        spread=spread,
        limit=limit,
    )
