"""From choices to a plan: column generation, then rounding by diving, with a proven bound."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.fleet_master import WHOLE, Relaxed, relax, solve_whole
from airflow_carbon.core.fleet_prices import Prices, bound, find_prices

if TYPE_CHECKING:
    from airflow_carbon.core.fleet_problem import BoolArray, Fleet, FloatArray, IntArray

FEW: Final = 20_000
"""So many choices are given to the solver at once."""

SECONDS: Final = 10.0
"""How long a whole-number programme may take; what it has by then is used."""

_FIRST_COLUMNS: Final = 6
"""Choices of each job, by price, to begin with."""

_ROUNDS: Final = 12
"""Of column generation, at most."""

_NEAR: Final = 5e-4
"""The relaxation is good enough when this near to its bound."""

_A_DIVE: Final = 0.1
"""Share of the jobs still split that are rounded before the relaxation is solved again."""

UNPLACED: Final = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Solved:
    """The start and region of each job, :data:`UNPLACED` where it has none; the bound [g]."""

    start: IntArray
    region: IntArray
    bound_g: float


def solve(fleet: Fleet) -> Solved:
    """Return a plan, and what no plan of the jobs that it places can emit less than.

    Few choices: exact, by branch and bound. Many: choices are added to the relaxation while
    they make it better (Dantzig and Wolfe, Operations Research 8, 1960); then the jobs that it
    does not split are fixed, the nearest to it of the others with them, and the rest is solved
    again.
    """
    solved = _solve(fleet)
    placed = solved.start != UNPLACED
    if placed.all() or not placed.any():
        return solved
    return Solved(start=solved.start, region=solved.region, bound_g=_bound_of(fleet.only(placed)))


def _solve(fleet: Fleet) -> Solved:
    least, start, region = fleet.least(fleet.grams)
    known = np.isfinite(least)
    alone = Solved(
        start=np.where(known, start, UNPLACED),
        region=np.where(known, region, UNPLACED),
        bound_g=float(least[known].sum()),
    )
    if (_left(fleet, alone) >= 0).all():
        return alone
    if np.isfinite(fleet.grams).sum() <= FEW:
        return _at_once(fleet)
    prices, relaxed, chosen = _relaxed(fleet)
    return _dive(fleet, prices, relaxed, chosen)


def _bound_of(fleet: Fleet) -> float:
    if np.isfinite(fleet.grams).sum() <= FEW:
        return _at_once(fleet).bound_g
    return _relaxed(fleet)[0].bound


def _left(fleet: Fleet, plan: Solved) -> FloatArray:
    """Return the slots that a plan leaves free."""
    free = fleet.slots.copy()
    for start, region in zip(plan.start, plan.region, strict=True):
        if start != UNPLACED:
            free[fleet.rows(start, region), fleet.first[start] : fleet.last[start]] -= 1
    return free


def _at_once(fleet: Fleet) -> Solved:
    everything = np.isfinite(fleet.grams)
    relaxed = relax(fleet, everything, fleet.slots)
    start = np.full(fleet.count, UNPLACED)
    region = start.copy()
    whole = relaxed.share > 1 / 2
    starts, regions, proven = relaxed.start[whole], relaxed.region[whole], relaxed.emissions_g
    if not relaxed.is_whole:
        found = solve_whole(fleet, everything, fleet.slots, SECONDS)
        if found is None:
            prices = Prices(prices=relaxed.prices, bound=bound(fleet, relaxed.prices))
            return _dive(fleet, prices, relaxed, everything)
        starts, regions, proven = found
    start[fleet.job[starts]], region[fleet.job[starts]] = starts, regions
    return Solved(start=start, region=region, bound_g=proven)


def _relaxed(fleet: Fleet) -> tuple[Prices, Relaxed, BoolArray]:
    """Return prices, the relaxation of all choices, nearly, and those that it needed."""
    best = find_prices(fleet)
    chosen = _cheapest(fleet, fleet.priced(best.prices))
    relaxed = relax(fleet, chosen, fleet.slots)
    for _ in range(_ROUNDS):
        new = 0
        for share in (1.0, 0.3):  # between the two prices lie better ones: Wentges (1997)
            prices = share * relaxed.prices + (1 - share) * best.prices
            new += _add(fleet, chosen, fleet.priced(prices), relaxed.job_g)
            proven = bound(fleet, prices)
            if proven > best.bound:
                best = Prices(prices=prices, bound=proven)
        if not new or relaxed.emissions_g - best.bound <= _NEAR * relaxed.emissions_g:
            break
        relaxed = relax(fleet, chosen, fleet.slots)
    return best, relaxed, chosen


def _cheapest(fleet: Fleet, priced: FloatArray) -> BoolArray:
    """Return a few choices of each job, those of the least price."""
    chosen = np.zeros(priced.shape, dtype=bool)
    edges = np.searchsorted(fleet.job, np.arange(fleet.count + 1))
    for begin, end in pairwise(edges):
        flat = priced[begin:end].ravel()
        few = np.argsort(flat, kind="stable")[:_FIRST_COLUMNS]
        chosen[begin:end].reshape(-1)[few[np.isfinite(flat[few])]] = True
    return chosen


def _add(fleet: Fleet, chosen: BoolArray, priced: FloatArray, job_g: FloatArray) -> int:
    """Add each job's cheapest choice, where that makes the relaxation better; return how many."""
    least, start, region = fleet.least(priced)
    better = np.flatnonzero(least < job_g - WHOLE * np.abs(job_g))
    new = better[~chosen[start[better], region[better]]]
    chosen[start[new], region[new]] = True
    return len(new)


def _dive(fleet: Fleet, prices: Prices, relaxed: Relaxed, chosen: BoolArray) -> Solved:
    """Fix what the relaxation does not split, round a few of the rest, solve again."""
    start, region = np.full((2, fleet.count), UNPLACED)
    free, chosen = fleet.slots.copy(), chosen.copy()
    here, left = fleet, np.arange(fleet.count)
    begins = np.arange(len(fleet.job))
    while len(left):
        fixed = _fix(here, relaxed, free)
        if not fixed:
            break
        for job, (at, where) in fixed.items():
            start[left[job]], region[left[job]] = begins[at], where
        kept = np.ones(here.count, dtype=bool)
        kept[list(fixed)] = False
        rows = kept[here.job]
        left, begins, chosen, here = left[kept], begins[rows], chosen[rows], here.only(kept)
        if len(left):
            relaxed, chosen = _again(here, chosen, free, prices.prices)
    return Solved(start=start, region=region, bound_g=prices.bound)


def _fix(fleet: Fleet, relaxed: Relaxed, free: FloatArray) -> dict[int, tuple[int, int]]:
    """Take slots for whole jobs, and for a few of the split ones; return their choices."""
    quota, fixed = max(3, int(_A_DIVE * fleet.count)), dict[int, tuple[int, int]]()
    for i in np.argsort(-relaxed.share, kind="stable"):
        share, start, region = relaxed.share[i], int(relaxed.start[i]), int(relaxed.region[i])
        job = int(fleet.job[start])
        if share < WHOLE or (share < 1 - WHOLE and quota == 0):
            break
        rows, cells = fleet.rows(start, region), slice(fleet.first[start], fleet.last[start])
        if job in fixed or (free[rows, cells] < 1).any():
            continue
        free[rows, cells] -= 1
        fixed[job] = (start, region)
        quota -= share < 1 - WHOLE
    return fixed


def _again(
    fleet: Fleet, chosen: BoolArray, free: FloatArray, prices: FloatArray
) -> tuple[Relaxed, BoolArray]:
    """Return the relaxation of what is left over the slots that are left."""
    fits = fleet.fits(free)
    chosen = chosen & fits
    priced = np.where(fits, fleet.priced(prices), np.inf)
    _add(fleet, chosen, priced, np.full(fleet.count, np.finfo(float).max))
    relaxed = relax(fleet, chosen, free)
    for _ in range(_ROUNDS):
        priced = np.where(fits, fleet.priced(relaxed.prices), np.inf)
        if not _add(fleet, chosen, priced, relaxed.job_g):
            break
        before, relaxed = relaxed.emissions_g, relax(fleet, chosen, free)
        if before - relaxed.emissions_g <= _NEAR * before:
            break
    return relaxed, chosen
