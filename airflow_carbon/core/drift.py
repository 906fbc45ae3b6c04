"""While a job runs: is reality leaving the forecast, and is it then worth a pause or a move?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.costs import FREE, MARGIN, USUAL, Drift
from airflow_carbon.core.course import Because, Continue, Move, Pause, Resume
from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.remaining import best_course, course_at, later_course

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    from airflow_carbon.core.costs import Costs, Stopping
    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.region import Region
    from airflow_carbon.core.remaining import Course, Remaining

_ROUNDING: Final = 1e-9
"""Values this close, relative to each other, are equal: the rounding of float64."""


def has_drifted(
    promised: IntensitySeries,
    actual: IntensitySeries,
    *,
    since: datetime,
    now: datetime,
    drift: Drift,
) -> bool:
    """Tell whether the actual intensity is over the promised by more than a share, lastingly.

    That is: at every instant of the last ``drift.lasting`` that is known, which ends with the
    actuals or now, and which lies after ``since``, the run's start. What either series does not
    cover is no drift: an outage is no reason. Exact, whatever the steps of the two.

    Raises:
        InvalidSeriesError: zone, signal or factor type differ.
    """
    _same_kind(promised, actual)
    end = min(now, actual.ends)
    begin = end - drift.lasting
    if begin < since or not (promised.covers(begin, end) and actual.covers(begin, end)):
        return False
    edges = {begin, *_edges(promised, begin, end), *_edges(actual, begin, end)}
    bound = (1 + drift.share) * (1 + _ROUNDING)
    return all(_value(actual, at) > _value(promised, at) * bound for at in edges)


def follow(  # noqa: PLR0913 - the facts of one decision
    forecast: Forecast | None,
    left: Remaining,
    *,
    now: datetime,
    drifted: bool,
    regions: Mapping[Region, Forecast] | None = None,
    costs: Costs = USUAL,
) -> Continue | Pause | Move:
    """Decide whether a running job goes on, pauses or moves.

    ``forecast`` is what is expected here from now on, ``drifted`` what :func:`has_drifted` told
    of the one by which the job runs: without drift it goes on. With it, of three courses the one
    that emits least: going on to the end; stopping, and going on here in the best later window;
    stopping, and going on in the best window of another region, whose intensity is of the same
    signal and factors. The course is left only for one that saves enough.

    No stop is chosen unless the work, and the time of the resume, still fit before the deadline
    afterwards.
    """
    ways = [costs.stopping, *([costs.move] if regions else [])]
    going_on = _going_on(forecast, left, now)
    because = _in_the_way(left, now, ways, going_on) if drifted else Because.NO_DRIFT
    if because is None and forecast is not None and going_on is not None:
        best = _choose(forecast, regions or {}, left, now=now, costs=costs, going_on=going_on)
        if best is not None and costs.are_met_by(_expects(best), going_on):
            return best
        because = Because.NO_DATA if best is None else Because.NOT_WORTH_IT
    return Continue(
        because=because or Because.NO_DATA, place=left.place, going_on_g_per_kw=going_on
    )


def resume(  # noqa: PLR0913 - the facts of one decision
    forecast: Forecast | None,
    left: Remaining,
    *,
    now: datetime,
    planned: datetime | None = None,
    costs: Costs = USUAL,
    moved: bool = False,
) -> Resume | Pause:
    """Decide whether a paused job goes on again or stays paused.

    Asked at each new forecast, and at the ``until`` of the last answer at the latest, which is
    given as ``planned``: it stands until another instant is cleaner by more than
    :data:`~airflow_carbon.core.decision.MARGIN`. What the stop cost is spent: the least saving no
    longer counts. ``moved``: it was a move, ``left`` says where to.

    As with :func:`~airflow_carbon.core.decision.decide`, no forecast ever costs the deadline, and
    without one the work goes on at once: nothing says that a longer wait would help.
    """
    stopping = costs.move if moved else costs.stopping
    job = left.job(now, stopping.time)
    if job is None or not left.may_wait(now, stopping.time):
        return Resume(because=Because.DEADLINE, place=left.place)
    best = _planned(forecast, job, stopping, left.pue, now if planned is None else planned)
    opens = min(max(first, now) for first, last in job.starts if now <= last)
    if now < opens and (best is None or best.window.start < opens):
        return Pause(because=Because.BLACKOUT, place=left.place, until=opens)
    if forecast is None or best is None:
        return Resume(because=Because.NO_DATA, place=left.place)
    at_once = None
    if now >= opens:
        at_once = course_at(forecast.series, job, stopping, left.pue, now)
    return _go_or_wait(best, at_once, left, now)


def _planned(
    forecast: Forecast | None, job: Flexibility, stopping: Stopping, pue: float, at: datetime
) -> Course | None:
    """Return the course planned for an instant, unless the best is far better."""
    if forecast is None:
        return None
    since = replace(job, earliest=min(at, job.earliest))
    best = best_course(forecast.series, since, stopping, pue)
    if best is None or not any(first <= at <= last for first, last in since.starts):
        return best
    standing = course_at(forecast.series, since, stopping, pue, max(at, forecast.series.begins))
    if standing is not None and standing.grams * (1 - MARGIN) <= best.grams:
        return standing
    return best


def _go_or_wait(
    best: Course, at_once: Course | None, left: Remaining, now: datetime
) -> Resume | Pause:
    if best.window.start <= now:
        return Resume(
            because=Because.NEXT_WINDOW,
            place=left.place,
            window=at_once.window if at_once else None,
            going_on_g_per_kw=at_once.grams if at_once else None,
        )
    return Pause(
        because=Because.NEXT_WINDOW,
        place=left.place,
        until=best.window.start,
        window=best.window,
        going_on_g_per_kw=at_once.grams if at_once else None,
        expects_g_per_kw=best.grams,
    )


def _in_the_way(
    left: Remaining, now: datetime, ways: list[Stopping], going_on: float | None
) -> Because | None:
    """Return what keeps the job from stopping, if anything does."""
    in_time = [way for way in ways if left.may_wait(now, way.time)]
    if not in_time:
        return Because.DEADLINE
    if not any(left.may_stop(way) for way in in_time):
        return Because.MAY_NOT_STOP
    return Because.NO_DATA if going_on is None else None


def _going_on(forecast: Forecast | None, left: Remaining, now: datetime) -> float | None:
    """Return what the rest emits if it goes on now [g/kW]; None where that is not known."""
    job = left.job(now)
    course = forecast and job and course_at(forecast.series, job, FREE, left.pue, now)
    return course.grams if course else None


def _choose(  # noqa: PLR0913 - the facts of one decision
    here: Forecast,
    regions: Mapping[Region, Forecast],
    left: Remaining,
    *,
    now: datetime,
    costs: Costs,
    going_on: float,
) -> Pause | Move | None:
    """Return the pause or the move that emits least; the pause on a tie, then the first named."""
    courses = list[Pause | Move]()
    found = later_course(here.series, left, now, costs.stopping, left.pue)
    if found is not None:
        pause = Pause(
            because=Because.NEXT_WINDOW,
            place=left.place,
            until=found.window.start,
            window=found.window,
            going_on_g_per_kw=going_on,
            expects_g_per_kw=found.grams,
        )
        courses.append(pause)
    for region, there in regions.items():
        if region.name == left.place.region or _kind(there.series) != _kind(here.series):
            continue
        found = later_course(there.series, left, now, costs.move, region.pue_or_default)
        if found is not None:
            move = Move(
                because=Because.CLEANER_REGION,
                place=left.place,
                region=region,
                window=found.window,
                going_on_g_per_kw=going_on,
                expects_g_per_kw=found.grams,
            )
            courses.append(move)
    return min(courses, key=_expects, default=None)


def _expects(course: Pause | Move) -> float:
    return float("inf") if course.expects_g_per_kw is None else course.expects_g_per_kw


def _edges(series: IntensitySeries, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield the edges of a series' steps strictly between two instants."""
    edge = begin + series.step - (begin - series.begins) % series.step
    while edge < end:
        yield edge
        edge += series.step


def _value(series: IntensitySeries, at: datetime) -> float:
    return float(series.g_per_kwh[(at - series.begins) // series.step])


def _kind(series: IntensitySeries) -> tuple[str, str]:
    return series.signal, series.factor_type


def _same_kind(promised: IntensitySeries, actual: IntensitySeries) -> None:
    for name in ("zone", "signal", "factor_type"):
        ours, theirs = getattr(promised, name), getattr(actual, name)
        if ours != theirs:
            fault = f"its {name} is {theirs}, where that of the forecast is {ours}"
            raise InvalidSeriesError(actual.zone, fault)
