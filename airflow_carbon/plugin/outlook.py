"""What a zone's grid is forecast to do, and which windows the waits there chose."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.decision import StartNow, decide
from airflow_carbon.core.errors import CarbonError, ForecastCoverageError
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.window import best_window
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.ledger.reservations import Holder

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.plugin.waits import Wait

AHEAD: Final = timedelta(hours=48)
BEHIND: Final = timedelta(hours=6)
FARTHEST: Final = timedelta(days=7)

FRESH: Final = timedelta(minutes=1)
"""How long a forecast is shown before it is asked for again."""

JOB: Final = timedelta(hours=1)
"""Of what length the cleanest window is named."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outlook:
    """A forecast, the hours before it where they are known, and how fast time passes in it."""

    at: datetime
    until: datetime
    forecast: Forecast | None
    past: Sequence[tuple[datetime, float]] = ()
    speed: float = 1.0


@dataclass(slots=True)
class Outlooks:
    """The outlooks that a process has; threads share them, and one asks for all."""

    kept: dict[tuple[str, str, timedelta], Outlook] = field(default_factory=dict)
    _locks: dict[tuple[str, str], Lock] = field(default_factory=dict)

    def of(self, conn_id: str, zone: ZoneKey, *, now: datetime, until: datetime) -> Outlook:
        """Return a zone's outlook to an instant or farther.

        Raises:
            InputError: a connection that can't be, or a zone that no source knows.
        """
        lock = self._locks.setdefault((conn_id, str(zone)), Lock())
        reach = max(AHEAD, timedelta(hours=-(-(until - now) // timedelta(hours=1))))
        key = (conn_id, str(zone), min(reach, FARTHEST))
        with lock:
            known = self.kept.get(key)
            if known is None or now - known.at > FRESH / known.speed:
                known = self.kept[key] = _ask(conn_id, zone, now, key[2])
        return known


OUTLOOKS: Final = Outlooks()
"""This process's."""


def _ask(conn_id: str, zone: ZoneKey, now: datetime, reach: timedelta) -> Outlook:
    hook = CarbonHook(conn_id)
    options = hook.options()
    speed = 1.0
    if options.sources[0] == "replay":
        speed = max(1.0, float(str(options.fields.get("replay_speed") or 1.0)))
    ahead = max(reach if reach > AHEAD else AHEAD / speed, AHEAD / speed)
    flex = Flexibility(duration=min(JOB, ahead / 2), earliest=now, deadline=now + ahead)
    forecast = hook.forecast(zone, flex, strict=True)
    past = _past(hook, zone, now, BEHIND / speed, forecast)
    return Outlook(at=now, until=now + AHEAD / speed, forecast=forecast, past=past, speed=speed)


def _past(
    hook: CarbonHook, zone: ZoneKey, now: datetime, behind: timedelta, forecast: Forecast | None
) -> list[tuple[datetime, float]]:
    """Return what was, from the forecast's own source and in its own terms."""
    if forecast is None:
        return []
    try:
        survey = hook.survey(zone, now - behind, now)
    except CarbonError:
        return []
    if survey is None or survey.source != forecast.source:
        return []
    series, ours = survey.series, forecast.series
    if (series.signal, series.factor_type) != (ours.signal, ours.factor_type):
        return []
    steps = ((series.begins + i * series.step, float(g)) for i, g in enumerate(series.g_per_kwh))
    return [(at, g) for at, g in steps if at < ours.begins]


def curve(outlook: Outlook) -> list[tuple[datetime, float]]:
    """Return the steps that are shown: when each begins, and its intensity [gCO2eq/kWh]."""
    if outlook.forecast is None:
        return list(outlook.past)
    series = outlook.forecast.series
    steps = ((series.begins + i * series.step, float(g)) for i, g in enumerate(series.g_per_kwh))
    return [*outlook.past, *((at, g) for at, g in steps if at < outlook.until)]


def cleanest(outlook: Outlook) -> dict[str, Any] | None:
    """Return the cleanest hour that is left of what is shown; None where none is known."""
    forecast = outlook.forecast
    if forecast is None:
        return None
    end = min(outlook.until, forecast.series.ends)
    length = JOB / outlook.speed
    try:
        flex = Flexibility(duration=length, earliest=outlook.at, deadline=end)
        found = best_window(forecast.series, flex)
    except (CarbonError, ForecastCoverageError):
        return None
    return _window(found.start, found.end, found.mean_g_per_kwh)


def chosen(
    wait: Wait, outlook: Outlook, reserved: Mapping[Holder, Span], *, now: datetime
) -> dict[str, Any]:
    """Return what a wait chose, by the policy that its trigger asks as well."""
    if wait.request is None:
        return {"window": None, "note": wait.unread}
    holder = Holder(
        dag_id=wait.dag_id, task_id=wait.task_id, run_id=wait.run_id, map_index=wait.map_index
    )
    if wait.request.policy.capacity is not None and holder in reserved:
        begin, end = reserved[holder]
        return {"window": _window(begin, end, None), "note": "reserved on a shared capacity"}
    answer = decide(outlook.forecast, wait.request.flex, now=now, rules=wait.request.rules())
    if isinstance(answer, StartNow):
        return {"window": None, "note": "starts now"}
    if answer.window is None:
        by = wait.request.flex.latest_start
        return {"window": None, "note": f"looks again; starts by {by:%F %H:%MZ} at the latest"}
    window = answer.window
    return {"window": _window(window.start, window.end, window.mean_g_per_kwh), "note": ""}


def _window(start: datetime, end: datetime, mean: float | None) -> dict[str, Any]:
    return {
        "start": start.isoformat(),
        "end": end.isoformat(),
        "mean_g_per_kwh": None if mean is None else round(mean, 1),
    }
