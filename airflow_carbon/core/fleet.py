"""Many jobs, few slots: one plan for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.fleet_problem import Fleet, Slots, build
from airflow_carbon.core.fleet_solver import UNPLACED, solve
from airflow_carbon.core.flexibility import parse_number
from airflow_carbon.core.many import check_kinds, weight_of
from airflow_carbon.core.window import Window, window_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from airflow_carbon.core.flexibility import Flexibility, Span
    from airflow_carbon.core.intensity import IntensitySeries

_EXACT: Final = 1e-6
"""A plan this near to its bound is the best there is: the tolerance of the solver."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetJob:
    """A job among others.

    ``power_kw`` is its mean power. ``regions`` names where it may run, None: anywhere. ``pool``
    groups jobs that share slots wherever they run.

    Raises:
        InvalidOptionError: a power that can't be.
    """

    name: str
    flex: Flexibility
    power_kw: float = 1.0
    regions: tuple[str, ...] | None = None
    pool: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "power_kw", parse_number("power_kw", self.power_kw))


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """Where and when a job of a fleet runs, and what it emits by the forecast [gCO2eq].

    ``emissions_g`` has the region's weight in it, the mean intensity of the window has not.
    """

    job: FleetJob
    region: str
    window: Window
    emissions_g: float


class Why(StrEnum):
    """Why a job of a fleet has no place in the plan."""

    NO_DATA = "no_data"
    """No series covers a window of its."""
    NO_SLOT = "no_slot"
    """There is no slot for it beside the others."""


@dataclass(frozen=True, kw_only=True, slots=True)
class FleetPlan:
    """A place for every job that has one, in the order of the jobs, and how good that is.

    No plan of the same jobs emits less than ``bound_g``, on the starts that were looked at.
    """

    assignments: tuple[Assignment, ...]
    unplaced: tuple[tuple[FleetJob, Why], ...]
    total_g: float
    bound_g: float

    @property
    def gap(self) -> float:
        """How much a better plan could save at most, as a share of this one."""
        return max(0.0, 1 - self.bound_g / self.total_g) if self.total_g else 0.0

    @property
    def is_exact(self) -> bool:
        """Whether it is proven that none is better."""
        return self.gap <= _EXACT


def plan_fleet(  # noqa: PLR0913 - what makes up the problem
    series: Mapping[str, IntensitySeries],
    jobs: Sequence[FleetJob],
    *,
    weights: Mapping[str, float] | None = None,
    slots: Mapping[str, int] | None = None,
    pool_slots: Mapping[str, int] | None = None,
    taken: Mapping[str, Iterable[Span]] | None = None,
) -> FleetPlan:
    """Return a plan of all jobs that emits least and never runs more of them than there are slots.

    ``series`` and ``weights`` are by region's name, as in
    :func:`~airflow_carbon.core.many.best_windows`. ``slots`` is how many jobs run at once in a
    region, ``pool_slots`` in a pool; what is not named is not limited. ``taken`` are spans in
    which a region's or a pool's slots serve others.

    A job starts when it first can, or at an edge of the finest series' steps (of multiples of
    them, where that makes over :data:`~airflow_carbon.core.fleet_problem.MOST_CHOICES` choices);
    each cell that it touches counts as taken. Where slots don't bind, where jobs are a cell long
    (then it is a minimum-cost flow) and where there are few choices, the plan is exact; otherwise
    ``gap`` says what a better one could save at most. A job is left out only where there is no
    room for it, or room for it would cost the others ten times the dearest window.

    Raises:
        InvalidOptionError: no series, a weight or a number of slots that can't be, two jobs of
            one name.
        InvalidSeriesError: average and marginal, or lifecycle and direct, in one call.
    """
    if not series:
        raise InvalidOptionError("series", {}, "give one region or more")
    names = [one.name for one in jobs]
    if twice := {name for name in names if names.count(name) > 1}:
        raise InvalidOptionError("jobs", min(twice), "each job of a fleet needs a name of its own")
    check_kinds(series.values())
    weight = np.array([weight_of(weights, name) for name in series])
    limits = Slots(regions=_read(slots), pools=_read(pool_slots), taken=taken or {})
    fleet = build(series, jobs, weight, limits)
    return _plan(fleet, series, jobs)


def _plan(
    fleet: Fleet, series: Mapping[str, IntensitySeries], jobs: Sequence[FleetJob]
) -> FleetPlan:
    solved = solve(fleet)
    names, assigned, unplaced = list(series), list[Assignment](), list[tuple[FleetJob, Why]]()
    known = np.zeros(len(jobs), dtype=bool)
    known[fleet.job[np.isfinite(fleet.grams).any(axis=1)]] = True
    for i, job in enumerate(jobs):
        start, region = int(solved.start[i]), int(solved.region[i])
        if start == UNPLACED:
            unplaced.append((job, Why.NO_SLOT if known[i] else Why.NO_DATA))
            continue
        name = names[region]
        window = window_at(series[name], job.flex, fleet.starts[start])
        grams = float(fleet.grams[start, region])
        assigned.append(Assignment(job=job, region=name, window=window, emissions_g=grams))
    total = sum(one.emissions_g for one in assigned)
    return FleetPlan(
        assignments=tuple(assigned),
        unplaced=tuple(unplaced),
        total_g=total,
        bound_g=min(solved.bound_g, total),
    )


def _read(slots: Mapping[str, int] | None) -> dict[str, int]:
    for name, value in (slots or {}).items():
        if isinstance(value, bool) or not str(value).isdecimal():
            raise InvalidOptionError("slots", value, f"{name} needs a whole number, 0 or more")
    return {name: int(value) for name, value in (slots or {}).items()}
