"""What is left of a job that has begun: the courses open to it, and what each emits."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np

from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.region import DEFAULT_PUE
from airflow_carbon.core.units import HOUR
from airflow_carbon.core.window import Window, job_means, start_means, startable, window_at

if TYPE_CHECKING:
    from datetime import datetime

    from numpy.typing import NDArray

    from airflow_carbon.core.costs import Stopping
    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.core.intensity import FloatArray, IntensitySeries
    from airflow_carbon.core.plan import Place

_ROUNDING: Final = 1e-9
"""Emissions this close, relative to each other, are equal: the rounding of float64."""

_SECOND: Final = 1.0
"""So long [s] before a step's edge a resume is planned at the latest to still fall into it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Remaining:
    """What is left of a job that has begun.

    ``flex``: the job as it was planned. ``done``: the work of it that is behind, less what a
    resume under way still has to run before it gets on. ``pue``: that of the place. ``stops``:
    how often it has stopped. ``ran``: the work since it last started; None counts as enough.
    """

    flex: Flexibility
    place: Place
    done: timedelta = timedelta(0)
    pue: float = DEFAULT_PUE
    stops: int = 0
    ran: timedelta | None = None

    @property
    def work(self) -> timedelta:
        """The work that is left, zero or less when all is done."""
        return self.flex.duration - self.done

    def job(self, since: datetime, overhead: timedelta = timedelta(0)) -> Flexibility | None:
        """Return the work left as a job, after an overhead at its mean power.

        None where nothing is left, or where it does not fit before the deadline.
        """
        length = self.work + overhead
        if self.work <= timedelta(0) or self.flex.deadline - length < since:
            return None
        phases = self._phases(overhead)
        return replace(self.flex, duration=length, earliest=since, phases=phases)

    def may_wait(self, now: datetime, overhead: timedelta) -> bool:
        """Tell whether the work left, after an overhead, may start later and still be in time."""
        job = self.job(self.flex.earliest, overhead)
        return job is not None and now < job.latest_start

    def may_stop(self, stopping: Stopping) -> bool:
        """Tell whether another stop leaves slices that are few and long enough."""
        few = stopping.most is None or self.stops + 2 <= stopping.most
        long = self.ran is None or self.ran >= stopping.shortest
        return few and long and self.work >= stopping.shortest

    def _phases(self, overhead: timedelta) -> tuple[Phase, ...]:
        left, behind = list[Phase](), max(self.done, timedelta(0))
        for phase in self.flex.phases:
            skipped = min(behind, phase.duration)
            behind -= skipped
            if skipped < phase.duration:
                left.append(replace(phase, duration=phase.duration - skipped))
        length = sum((phase.duration for phase in left), timedelta(0))
        mean = sum(phase.power * (phase.duration / length) for phase in left)
        if not mean:  # no phases, or none that draws anything
            return ()
        overhead += max(-self.done, timedelta(0))
        return (*([Phase(duration=overhead, power=mean)] if overhead else []), *left)


class Course(NamedTuple):
    """Where the rest would run, and what it would emit [g per kW of its mean power]."""

    window: Window
    grams: float


def later_course(
    series: IntensitySeries, left: Remaining, now: datetime, stopping: Stopping, pue: float
) -> Course | None:
    """Return the best course after a stop; None where it may not, or where none is known."""
    job = left.job(now, stopping.time)
    if job is None or not left.may_stop(stopping) or not left.may_wait(now, stopping.time):
        return None
    return best_course(series, job, stopping, pue)


def best_course(
    series: IntensitySeries, job: Flexibility, stopping: Stopping, pue: float
) -> Course | None:
    """Return the course of least emissions, the earliest on a tie; None where none is covered.

    Emissions are linear in the start but for a jump at each step's edge, where the energy of the
    resume falls into the next step: exact to the second before it.
    """
    spans = startable(series, job)
    if not spans:
        return None
    starts, _ = start_means(series, job, spans)
    if stopping.energy_h:
        before = starts - _SECOND
        starts = np.union1d(starts, before[_inside(series, before, spans)])
    grams = _grams(series, job, stopping, pue, starts)
    i = int(np.argmax(grams <= grams.min() + _ROUNDING * grams.max()))
    start = min(max(series.at(float(starts[i])), spans[0][0]), spans[-1][1])
    return Course(window_at(series, job, start), float(grams[i]))


def course_at(
    series: IntensitySeries, job: Flexibility, stopping: Stopping, pue: float, at: datetime
) -> Course | None:
    """Return the course that starts at an instant; None where it is not covered, or too late."""
    if at + job.duration > job.deadline or not series.covers(at, at + job.duration):
        return None
    grams = _grams(series, job, stopping, pue, np.array([series.offset(at)]))
    return Course(window_at(series, job, at), float(grams[0]))


def _grams(
    series: IntensitySeries, job: Flexibility, stopping: Stopping, pue: float, starts: FloatArray
) -> FloatArray:
    """Return what courses emit that start at offsets [s]: g per kW of the work's mean power."""
    steps = (starts // series.step.total_seconds()).astype(np.int64)
    resumed = series.g_per_kwh[np.minimum(steps, len(series.g_per_kwh) - 1)]
    run = job_means(series, job, starts) * (job.duration / HOUR)
    return pue * (run + stopping.energy_h * resumed) + stopping.g_per_kw


def _inside(series: IntensitySeries, starts: FloatArray, spans: list[Span]) -> NDArray[np.bool_]:
    inside = np.zeros(len(starts), dtype=bool)
    for first, last in spans:
        inside |= (starts >= series.offset(first)) & (starts <= series.offset(last))
    return inside
