"""What ``pause=`` asks of a training: read, made plain, and asked of the carbon service."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.auto import Auto
from airflow_carbon.core.costs import Pausing
from airflow_carbon.core.errors import InvalidOptionError, UnknownConnectionError
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.triggers.request import check_times, is_template, read_flexibility
from airflow_carbon.triggers.window import CONNECTION_PAUSE_S, CONNECTION_TRIES, PATIENCE

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping, Sequence

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.region import Region
    from airflow_carbon.core.remaining import Remaining
    from airflow_carbon.core.segments import Segment
    from airflow_carbon.core.units import ZoneKey

TIMES: Final = ("duration", "deadline", "max_delay", "earliest", "policy")
"""What of the mapping says how freely the training may move, in the sensor's words."""

CONNECTION: Final = "carbon_conn_id"
SUBMITTED: Final = "submitted"

LOOK: Final = timedelta(minutes=5)
"""How often reality is held against the forecast at most, where its steps are longer."""

SHORTEST_LOOK: Final = timedelta(seconds=0.5)


def plain_pause(value: object) -> Any:
    """Return ``pause=`` as plain values, checked; what holds a template as far as that goes.

    Raises:
        InputError: a value that no rendering will mend.
    """
    if value is None or hasattr(value, "resolve"):
        return value
    if not hasattr(value, "items"):
        remedy = "write a mapping with duration, a deadline or max_delay, and stopping"
        raise InvalidOptionError("pause", value, remedy)
    given: dict[str, Any] = {key: _plain(one) for key, one in value.items()}
    _check_keys(given)
    if given.get("duration") is None:
        raise InvalidOptionError("pause", value, "give duration=, how long the whole training runs")
    if Auto.read("duration", given["duration"]):
        remedy = "write a length here: how long the training runs decides whether it may stop"
        raise InvalidOptionError("duration", given["duration"], remedy)
    check_times(_times(given))
    if not is_template(given):
        Pausing.read(given)
    return given


def _check_keys(given: Mapping[str, Any]) -> None:
    known = (*TIMES, CONNECTION, SUBMITTED, "drift", "stopping", "moving", "min_saving")
    if unknown := set(given) - set(known):
        raise InvalidOptionError("pause", min(unknown, key=str), f"write {', '.join(known)}")


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}s"
    if isinstance(value, datetime):
        return value.isoformat()
    if hasattr(value, "as_dict"):
        return value.as_dict()
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    return value


def _times(given: Mapping[str, Any]) -> Any:
    return SimpleNamespace(**{name: given.get(name) for name in (*TIMES, SUBMITTED)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Course:
    """How a training may be paused: its freedom in time, and what a stop costs."""

    flex: Flexibility
    pausing: Pausing
    carbon_conn_id: str

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Course:
        """Read the rendered mapping; ``submitted`` is in it.

        Raises:
            InputError: a value that can't be; it names the option and the remedy.
        """
        _check_keys(given)
        return cls(
            flex=read_flexibility(_times(given)),
            pausing=Pausing.read(given),
            carbon_conn_id=str(given.get(CONNECTION) or DEFAULT_CONN_ID),
        )

    def left(
        self, region: str, segments: Sequence[Segment], since: datetime | None = None
    ) -> Remaining:
        """Return what is left of the training in a region: paused, or running since an instant."""
        from airflow_carbon.core.plan import Place
        from airflow_carbon.core.segments import remaining

        found = region_by_name(region)
        return remaining(
            self.flex,
            Place(zone=found.zone, region=found.name),
            segments,
            pue=found.pue_or_default,
            costs=self.pausing.costs,
            running_since=since,
            now=clock.now(),
        )


@dataclass(kw_only=True, slots=True)
class Grid:
    """The carbon service, asked on behalf of a training: whatever fails there is no answer."""

    hook: CarbonHook
    log: logging.Logger

    @classmethod
    async def open(cls, carbon_conn_id: str, log: Any) -> Grid:
        """Open the connection; Airflow says *not defined* also while its API server is away."""
        # A third of a second of pandas, off the event loop that all triggers share.
        await asyncio.to_thread(import_module, "airflow_carbon.services.registry")
        grid = cls(hook=CarbonHook(carbon_conn_id), log=log)
        for _ in range(CONNECTION_TRIES - 1):
            try:
                await grid.hook.aoptions()
            except UnknownConnectionError:
                await asyncio.sleep(CONNECTION_PAUSE_S)
            else:
                break
        return grid

    async def forecast(self, zone: ZoneKey, job: Flexibility | None) -> Forecast | None:
        """Return what is expected of the span of a job; None where nobody says in time."""
        if job is None:
            return None
        patience = min(max(job.latest_start - clock.now(), SHORTEST_LOOK), PATIENCE)
        try:
            async with asyncio.timeout(patience.total_seconds()):
                return await self.hook.aforecast(zone, job)
        except TimeoutError:
            self.log.warning("no source answered in time")
        except Exception as exc:  # noqa: BLE001 - whatever fails there: no training fails for it
            self.log.warning("no forecast this time: %s", exc)
        return None

    async def forecasts(
        self, regions: Sequence[Region], job: Flexibility | None
    ) -> dict[Region, Forecast]:
        """Return what is expected in each of the regions, as far as it is known."""
        said = await asyncio.gather(*(self.forecast(one.zone, job) for one in regions))
        return {region: one for region, one in zip(regions, said, strict=True) if one is not None}

    async def actual(
        self, zone: ZoneKey, source: str, begin: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return what the intensity was by a source; None where it does not say in time."""
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                return await self.hook.aactual(zone, source, begin, end)
        except TimeoutError:
            self.log.warning("%s did not say in time what the intensity was", source)
        except Exception as exc:  # noqa: BLE001 - as above
            self.log.warning("it is not known what the intensity was: %s", exc)
        return None


def promise_of(course: Course, region: str, log: Any) -> dict[str, Any] | None:
    """Return what is promised to a training that starts now, from ordinary code; plain values.

    None where nobody says: the trigger then takes the first forecast that it gets.
    """
    from airflow_carbon.core.promise import Promise

    now, zone = clock.now(), region_by_name(region).zone
    job = course.left(region, ()).job(now) or course.flex
    try:
        forecast = CarbonHook(course.carbon_conn_id).forecast(zone, job)
    except Exception as exc:  # noqa: BLE001 - as above
        log.warning("no forecast this time: %s", exc)
        return None
    if forecast is None:
        return None
    return Promise.of(forecast, begin=now, until=course.flex.deadline).as_dict()


def next_look(forecast: Forecast | None, now: datetime) -> datetime:
    """Return when to hold reality against the forecast again: at its steps, or every LOOK."""
    step = forecast.series.step if forecast is not None else LOOK
    return now + max(min(step, LOOK), SHORTEST_LOOK)
