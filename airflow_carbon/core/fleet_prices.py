"""What a slot is worth at each hour: prices under which jobs that choose alone nearly fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.optimize import minimize

if TYPE_CHECKING:
    from airflow_carbon.core.fleet_problem import Fleet, FloatArray

_SOFTNESS: Final = (0.1, 0.03)
"""Temperatures of the smoothed minimum, as shares of the mean job's emissions."""

_COOLEST: Final = 1e-4
"""Where jobs emit nothing, the temperatures are shares of this share of leaving one out."""

_ROUNDS: Final = 60
"""Steps of the ascent at each temperature."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Prices:
    """Prices of slots (rows x cells) [gCO2eq], and the bound that they prove [gCO2eq]."""

    prices: FloatArray
    bound: float


def bound(fleet: Fleet, prices: FloatArray) -> float:
    """Return what no plan can emit less than, whatever the prices, if none is negative.

    By weak duality: jobs that choose alone, and pay, do no worse than the best plan pays; what
    they pay for slots at most is what all slots are worth (Geoffrion, Mathematical Programming
    Study 2, 1974).
    """
    least, _, _ = fleet.least(fleet.priced(prices))
    return float(np.minimum(least, fleet.penalty).sum() - (prices * fleet.slots).sum())


def find_prices(fleet: Fleet) -> Prices:
    """Return prices near the best: those of a bound that is smoothed, then ever less.

    L-BFGS-B of scipy climbs the concave bound with each job's minimum replaced by its softened
    minimum (Nesterov, Mathematical Programming 103, 2005).
    """
    nothing = np.zeros_like(fleet.slots)
    ascent = _Ascent(fleet=fleet, best=Prices(prices=nothing, bound=bound(fleet, nothing)))
    least, _, _ = fleet.least(fleet.grams)
    mean = max(float(np.minimum(least, fleet.penalty).mean()), _COOLEST * fleet.penalty)
    at, kept = nothing.ravel(), [(0, None)] * nothing.size
    options = {"maxiter": _ROUNDS, "maxfun": 2 * _ROUNDS}
    for softness in _SOFTNESS:
        heat = (softness * mean,)
        at = minimize(
            ascent.fall, at, heat, jac=True, method="L-BFGS-B", bounds=kept, options=options
        ).x
    return ascent.best


class _Ascent:
    """The smoothed bound and its slope; remembers the best true bound that it saw."""

    def __init__(self, fleet: Fleet, best: Prices) -> None:
        self.fleet, self.best = fleet, best
        cells, starts = fleet.slots.shape[1], np.arange(len(fleet.job))
        shape, ones = (cells + 1, len(starts)), np.ones(len(starts))
        begins = sparse.csr_matrix((ones, (fleet.first, starts)), shape=shape)
        self.changes = begins - sparse.csr_matrix((ones, (fleet.last, starts)), shape=shape)
        self.by_pool = [fleet.pool[fleet.job] == row for row in self._pools]

    @property
    def _pools(self) -> range:
        return range(self.fleet.grams.shape[1], len(self.fleet.slots))

    def fall(self, flat: FloatArray, heat: float) -> tuple[float, FloatArray]:
        """Return the negative of the smoothed bound, and of its slope."""
        fleet = self.fleet
        prices = flat.reshape(fleet.slots.shape)
        priced = fleet.priced(prices)
        least, _, _ = fleet.least(priced)
        least = np.minimum(least, fleet.penalty)
        worth = float((prices * fleet.slots).sum())
        if least.sum() - worth > self.best.bound:
            self.best = Prices(prices=prices.copy(), bound=float(least.sum() - worth))
        weight = np.exp((least[fleet.job][:, None] - priced) / heat)
        left_out = np.exp((least - fleet.penalty) / heat)
        total = np.bincount(fleet.job, weight.sum(axis=1), minlength=fleet.count) + left_out
        weight /= total[fleet.job][:, None]
        slope = self._usage(weight) - fleet.slots
        value = float((least - heat * np.log(total)).sum()) - worth
        return -value, -slope.ravel()

    def _usage(self, weight: FloatArray) -> FloatArray:
        """Return how many slots are taken in each row and cell."""
        columns = [weight, *(weight.sum(axis=1)[:, None] * one[:, None] for one in self.by_pool)]
        changes = self.changes @ np.concatenate(columns, axis=1)
        return np.asarray(np.cumsum(changes[:-1], axis=0).T)
