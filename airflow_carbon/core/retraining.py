"""Does a model need to be trained again? A metric of its decay against a threshold."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isfinite
from typing import Self

from airflow_carbon.core.budget import read_word
from airflow_carbon.core.errors import InvalidOptionError


class Side(StrEnum):
    """On which side of the threshold a model has decayed."""

    ABOVE = "above"
    BELOW = "below"


class Need(StrEnum):
    """What a metric says of a model."""

    DECAYED = "decayed"
    """It is at the threshold, or beyond it."""
    FRESH = "fresh"
    """It is not."""
    NO_METRIC = "no_metric"
    """There is no metric to tell by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decay:
    """When a model has decayed: its metric is at the threshold, or beyond it."""

    threshold: float
    side: Side = Side.ABOVE

    @classmethod
    def read(cls, *, threshold: object, decayed_if: object) -> Self:
        """Read what a DAG author wrote.

        Raises:
            InvalidOptionError: a threshold that is no number, or another side.
        """
        number = read_metric(threshold)
        if number is None:
            raise InvalidOptionError("threshold", threshold, "write a number")
        return cls(threshold=number, side=read_word("decayed_if", decayed_if, Side))

    def need(self, metric: float | None) -> Need:
        """Return whether the model has decayed; without a metric that is not known.

        >>> Decay(threshold=0.2).need(0.25)
        <Need.DECAYED: 'decayed'>
        """
        if metric is None:
            return Need.NO_METRIC
        beyond = metric >= self.threshold if self.side is Side.ABOVE else metric <= self.threshold
        return Need.DECAYED if beyond else Need.FRESH


def read_metric(value: object) -> float | None:
    """Return a metric as a number; None where there is none, NaN included.

    >>> read_metric("0.25"), read_metric("None"), read_metric(float("nan"))
    (0.25, None, None)
    """
    if isinstance(value, bool):
        return None
    try:
        number = float(str(value))
    except ValueError:
        return None
    return number if isfinite(number) else None
