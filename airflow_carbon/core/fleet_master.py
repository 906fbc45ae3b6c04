"""The fleet as a linear or whole-number programme over some of its choices, solved by HiGHS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

if TYPE_CHECKING:
    from airflow_carbon.core.fleet_problem import BoolArray, Fleet, FloatArray, IntArray

WHOLE: Final = 1e-6
"""A share of a choice this near to one is one."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Relaxed:
    """The best mixture: the share of each choice, and what a job or a slot adds [gCO2eq].

    ``start`` and ``region`` name the choices.
    """

    start: IntArray
    region: IntArray
    share: FloatArray
    emissions_g: float
    prices: FloatArray
    job_g: FloatArray

    @property
    def is_whole(self) -> bool:
        """Whether no job is split, and the mixture a plan."""
        return bool((np.minimum(self.share, 1 - self.share) < WHOLE).all())


def relax(fleet: Fleet, chosen: BoolArray, free: FloatArray) -> Relaxed:
    """Solve the linear relaxation over the chosen of the choices (S x R).

    A vertex of it is a plan by itself where the problem is a flow: jobs of one cell.
    """
    master = _Master.of(fleet, chosen, free)
    solved = linprog(
        master.cost,
        A_ub=master.uses,
        b_ub=master.limit,
        A_eq=master.once,
        b_eq=np.ones(fleet.count),
        method="highs-ipm",
    )
    if solved.x is None:
        raise RuntimeError(solved.message)
    prices = np.zeros(free.size)
    prices[master.rows] = np.maximum(0.0, -solved.ineqlin.marginals)
    return Relaxed(
        start=master.start,
        region=master.region,
        share=solved.x[: len(master.start)],
        emissions_g=float(solved.fun),
        prices=prices.reshape(free.shape),
        job_g=solved.eqlin.marginals,
    )


def solve_whole(
    fleet: Fleet, chosen: BoolArray, free: FloatArray, seconds: float
) -> tuple[IntArray, IntArray, float] | None:
    """Return the starts and regions of a plan of the chosen, and a bound [gCO2eq].

    None where none is found in time.
    """
    master = _Master.of(fleet, chosen, free)
    solved = milp(
        master.cost,
        constraints=[
            LinearConstraint(master.uses, ub=master.limit),
            LinearConstraint(master.once, 1, 1),
        ],
        integrality=np.ones(len(master.cost)),
        bounds=Bounds(0, 1),
        options={"time_limit": seconds, "mip_rel_gap": 0.0},
    )
    if solved.x is None:
        return None
    taken = solved.x[: len(master.start)] > 1 / 2
    return master.start[taken], master.region[taken], float(solved.mip_dual_bound)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Master:
    """Columns: the chosen, then one a job for leaving it out; rows: slots that may run short."""

    start: IntArray
    region: IntArray
    cost: FloatArray
    uses: sparse.csr_matrix
    limit: FloatArray
    once: sparse.csr_matrix
    rows: IntArray

    @classmethod
    def of(cls, fleet: Fleet, chosen: BoolArray, free: FloatArray) -> _Master:
        start, region = np.nonzero(chosen)
        cells, jobs, count = free.shape[1], fleet.count, len(start)
        pool = fleet.pool[fleet.job[start]]
        column, row = np.arange(count), region
        if (pooled := np.flatnonzero(pool >= 0)).size:
            column, row = np.append(column, pooled), np.append(row, pool[pooled])
        length = (fleet.last - fleet.first)[start[column]]
        offset = np.arange(int(length.sum())) - np.repeat(np.cumsum(length) - length, length)
        first = row * cells + fleet.first[start[column]]
        at = (np.repeat(first, length) + offset, np.repeat(column, length))
        shape = (free.size, count + jobs)
        uses = sparse.csr_matrix((np.ones(len(at[0])), at), shape=shape)
        rows = np.flatnonzero(np.diff(uses.indptr) > free.ravel())
        everyone = np.concatenate((fleet.job[start], np.arange(jobs)))
        once = sparse.csr_matrix(
            (np.ones(count + jobs), (everyone, np.arange(count + jobs))), shape=(jobs, count + jobs)
        )
        left_out = np.full(jobs, fleet.penalty)
        return cls(
            start=start,
            region=region,
            cost=np.concatenate((fleet.grams[start, region], left_out)),
            uses=uses[rows],
            limit=free.ravel()[rows],
            once=once,
            rows=rows,
        )
