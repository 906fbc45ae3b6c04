"""A queue of DAG runs, planned together: when and where each starts, and why."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.decision import Reason
from airflow_carbon.core.errors import NoFeasibleWindowError
from airflow_carbon.core.fleet import FleetJob, FleetPlan, plan_fleet
from airflow_carbon.core.placement import comparable, rank
from airflow_carbon.core.plan import clock_text
from airflow_carbon.core.policy import WorkloadClass

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.queue import QueuedRun
    from airflow_carbon.core.region import Region
    from airflow_carbon.core.window import Window


@dataclass(frozen=True, kw_only=True, slots=True)
class Start:
    """When and where a run of a queue starts.

    ``window`` and ``forecast`` are None where nothing is known. ``has_slot`` is false for a run
    that starts in its own best window, or in time for its deadline, though no slot was left.
    """

    run: QueuedRun
    at: datetime
    region: Region
    because: Reason
    window: Window | None = None
    forecast: Forecast | None = None
    has_slot: bool = True

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom and a run's conf: ISO 8601 (UTC), numbers, strings."""
        window, forecast = self.window, self.forecast
        return {
            "region": str(self.region.name),
            "zone": str(self.region.zone),
            "start": self.at.isoformat(),
            "end": window.end.isoformat() if window else None,
            "mean_g_per_kwh": round(window.mean_g_per_kwh, 3) if window else None,
            "source": forecast.source if forecast else None,
            "issued_at": forecast.issued_at.isoformat() if forecast else None,
            "quality": forecast.quality.value if forecast else None,
            "reason": self.because.value,
            "has_slot": self.has_slot,
        }

    def sentence(self) -> str:
        """Say when and where it starts, and why."""
        text = f"{self.run.name}: starts {clock_text(self.at)} in {self.region.name}"
        if self.window is not None:
            text += f", {self.window.mean_g_per_kwh:.0f} g/kWh to {clock_text(self.window.end)}"
        text += f" ({self.because})"
        return text if self.has_slot else f"{text}, though no slot is left for it then"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuePlan:
    """A start for each run of a queue, in its order; ``fleet`` is the plan behind them."""

    starts: tuple[Start, ...]
    fleet: FleetPlan | None
    left_out: dict[Region, str]


def plan_queue(  # noqa: PLR0913 - what makes up the problem
    queue: Sequence[QueuedRun],
    allowed: Mapping[str, Sequence[Region]],
    forecasts: Mapping[Region, Forecast | None],
    *,
    submitted: datetime,
    now: datetime,
    slots: Mapping[str, int] | None = None,
    pool_slots: Mapping[str, int] | None = None,
) -> QueuePlan:
    """Return when and where each run starts, so that all together emit least.

    ``allowed`` names, by run, the regions that it may run in, the preferred first. Real-time
    runs start when they may, and take slots like others. A run that does not fit any more, that
    no forecast covers, or that is left without a slot starts all the same: the first two at
    once, the last in its own best window. The rules of a policy that ask for an intensity or a
    least saving are not weighed here.

    Raises:
        InputError: a run's times can't be read.
    """
    known, left_out = comparable(forecasts)
    asked = {run.name: _asked(run, submitted, now) for run in queue}
    fleet = None
    if known:
        fleet = plan_fleet(
            {str(region.name): one.series for region, one in known.items()},
            [_job(run, asked[run.name][0], allowed[run.name]) for run in queue],
            weights={str(region.name): region.pue_or_default for region in known},
            slots=slots,
            pool_slots=pool_slots,
        )
    places = {one.job.name: one for one in fleet.assignments} if fleet else {}
    by_name = {str(region.name): region for region in known}
    starts = list[Start]()
    for run in queue:
        flex, because = asked[run.name]
        place = places.get(run.name)
        if place is None:
            starts.append(_alone(run, flex, because, allowed[run.name], known))
            continue
        region = by_name[place.region]
        start = Start(
            run=run,
            at=place.window.start,
            region=region,
            because=because,
            window=place.window,
            forecast=known[region],
        )
        starts.append(start)
    return QueuePlan(starts=tuple(starts), fleet=fleet, left_out=left_out)


def _job(run: QueuedRun, flex: Flexibility, allowed: Sequence[Region]) -> FleetJob:
    regions = tuple(str(region.name) for region in allowed)
    return FleetJob(name=run.name, flex=flex, power_kw=run.power_kw, regions=regions, pool=run.pool)


def _alone(
    run: QueuedRun,
    flex: Flexibility,
    because: Reason,
    allowed: Sequence[Region],
    known: Mapping[Region, Forecast],
) -> Start:
    """Return the start of a run that has no place in the plan."""
    ranked, _ = rank({region: known[region] for region in allowed if region in known}, flex)
    if not ranked:
        because = Reason.NO_DATA if because is Reason.CLEAN else because
        return Start(run=run, at=flex.starts[0][0], region=allowed[0], because=because)
    best = ranked[0]
    return Start(
        run=run,
        at=best.window.start,
        region=best.region,
        because=because,
        window=best.window,
        forecast=best.forecast,
        has_slot=False,
    )


def _asked(run: QueuedRun, submitted: datetime, now: datetime) -> tuple[Flexibility, Reason]:
    """Return when a run may still start, and why it would; at once, where it is too late."""
    try:
        flex = run.flexibility(submitted)
    except NoFeasibleWindowError:
        return run.at_once(now), Reason.DEADLINE
    if run.policy.workload is WorkloadClass.REAL_TIME:
        return run.at_once(max(now, flex.starts[0][0])), Reason.REAL_TIME
    if flex.latest_start < now:
        return run.at_once(now), Reason.DEADLINE
    return replace(flex, earliest=max(flex.earliest, now)), Reason.CLEAN
