"""The watcher of an asset that stands for a grid: it has news when the grid turns clean."""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
from dataclasses import dataclass, fields
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.turning import Spell, Turning, turned
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.triggers.course import Grid, next_look
from airflow_carbon.triggers.request import check_place
from airflow_carbon.triggers.window import PATIENCE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from airflow_carbon.core.intensity import FloatArray

log = logging.getLogger(__name__)

A_MOMENT: Final = timedelta(minutes=1)
"""What a look asks a forecast of."""

WEEK: Final = timedelta(days=7)
WEEK_HOLDS: Final = timedelta(hours=1)
"""How long the percentiles of the last week stand."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """What is known of a grid at an instant; ``week`` only where somebody needs it [gCO2eq/kWh]."""

    zone: ZoneKey
    at: datetime
    g_per_kwh: float
    source: str
    quality: str
    week: FloatArray | None = None


@dataclass(kw_only=True, eq=False, repr=False)
class GridTurnsCleanTrigger(BaseEventTrigger):
    """Fires when a grid turns clean, once in a clean spell.

    ::

        grid = Asset(
            "grid:SE-SE3",
            watchers=[
                AssetWatcher(
                    name="turns_clean",
                    trigger=GridTurnsCleanTrigger(zone="SE-SE3", below=20),
                )
            ],
        )

    The event's payload: zone, at, g_per_kwh, below_g_per_kwh, source, quality. Triggers of one
    connection and zone share one look, at each step of the forecast or every five minutes. Where
    no source answers there is no event, and the next look is as usual. What it fired for is kept
    in Airflow's store of the asset, and outlives a restart.

    :param zone: the grid zone, by its Electricity Maps key; or
    :param region: an Azure region, for the zone that it stands in.
    :param below: at or below this it is clean [gCO2eq/kWh]; or
    :param below_percentile: at or below this percentile of the last seven days.
    :param dirty_above: only after it was above this can it turn clean again [gCO2eq/kWh]; without
        it 5 % above the limit.
    :param min_between: how far apart two events are at least: ``6h``, or a timedelta.
    :param carbon_conn_id: a connection of type ``carbon``; none is needed for the default.

    Raises:
        InputError: at DAG parse, for a value that can't be.
    """

    zone: str | None = None
    region: str | None = None
    below: float | None = None
    below_percentile: float | None = None
    dirty_above: float | None = None
    min_between: timedelta | str | None = None
    carbon_conn_id: str = DEFAULT_CONN_ID

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's own has no types
        check_place(self.region, self.zone)
        if isinstance(self.min_between, timedelta):  # equal words make equal triggers
            self.min_between = f"{self.min_between.total_seconds():g}s"
        self._rule = Turning(
            below=self.below,
            below_percentile=self.below_percentile,
            dirty_above=self.dirty_above,
            min_between=self.min_between,  # type: ignore[arg-type] # it reads text
        )
        named = region_by_name(self.region).zone if self.region is not None else str(self.zone)
        self._zone = ZoneKey(named)

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its fields."""
        kwargs = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    def shared_stream_key(self) -> tuple[str, str, str, bool]:
        """Return what a look depends on: triggers that agree in it share one."""
        percentile = self.below_percentile is not None
        return ("airflow_carbon.grid", self.carbon_conn_id, str(self._zone), percentile)

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[Look]:
        """Look at the grid again and again; where nothing is known there is nothing to see."""
        one = cls(**kwargs)
        grid, week, week_until = await Grid.open(one.carbon_conn_id, log), None, clock.now()
        # Not on the event loop that all triggers share.
        await asyncio.to_thread(import_module, "airflow_carbon.core.pool_width")
        while True:
            now = clock.now()
            moment = Flexibility(duration=A_MOMENT, earliest=now, deadline=now + 2 * A_MOMENT)
            forecast = await grid.forecast(one._zone, moment)
            now = clock.now()  # a forecast begins with the step that ran when it was asked
            if one.below_percentile is not None and (week is None or week_until <= now):
                week, week_until = await _week(grid, one._zone, now), now + WEEK_HOLDS
            look = _look(one._zone, now, forecast, week)
            if look is None:
                log.warning("nothing is known of %s just now: no event", one._zone)
            else:
                yield look
            await clock.sleep_until(next_look(forecast, now))

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Look]
    ) -> AsyncIterator[TriggerEvent]:
        """Turn looks into events: one where the grid turns clean."""
        spell = await self._remembered()
        async for look in shared_stream:
            limits = self._rule.limits(look.week)
            if limits is None:
                continue
            seen, fires = turned(spell, look.g_per_kwh, limits, self._rule, now=look.at)
            if fires:
                yield TriggerEvent(
                    {
                        "zone": str(look.zone),
                        "at": look.at.isoformat(),
                        "g_per_kwh": look.g_per_kwh,
                        "below_g_per_kwh": limits[0],
                        "source": look.source,
                        "quality": look.quality,
                    }
                )
            if seen != spell:
                spell = seen
                await self._remember(spell)

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look for itself alone, where nothing shares the stream."""
        _, kwargs = self.serialize()
        async for event in self.filter_shared_stream(self.open_shared_stream(kwargs)):
            yield event

    @property
    def _note(self) -> str:
        """The key of what is remembered: watchers of one asset may differ."""
        text = json.dumps(self.serialize()[1], sort_keys=True, default=str)
        return f"airflow_carbon.grid.{hashlib.sha256(text.encode()).hexdigest()[:16]}"

    async def _remembered(self) -> Spell:
        if self.asset_state_store is None:
            return Spell()
        try:
            return Spell.read(await self.asset_state_store.aget(self._note))
        except Exception as exc:  # noqa: BLE001 - whatever Airflow's store raises
            log.warning("what %s fired for before is not known: %s", self._zone, exc)
            return Spell()

    async def _remember(self, spell: Spell) -> None:
        if self.asset_state_store is None:
            return
        try:
            await self.asset_state_store.aset(self._note, spell.as_dict())
        except Exception as exc:  # noqa: BLE001 - as above
            log.warning("after a restart %s may fire once more: %s", self._zone, exc)


def _look(zone: ZoneKey, now: datetime, forecast: Any, week: FloatArray | None) -> Look | None:
    from airflow_carbon.core.pool_width import intensity_at

    g = None if forecast is None else intensity_at(forecast, now)
    if g is None:
        return None
    quality = str(forecast.quality)
    return Look(zone=zone, at=now, g_per_kwh=g, source=forecast.source, quality=quality, week=week)


async def _week(grid: Grid, zone: ZoneKey, now: datetime) -> FloatArray | None:
    try:
        async with asyncio.timeout(PATIENCE.total_seconds()):
            survey = await grid.hook.asurvey(zone, now - WEEK, now)
    except Exception as exc:  # noqa: BLE001 - whatever fails there: it is asked again
        log.warning("the last week of %s is not known: %s", zone, exc)
        return None
    return None if survey is None else survey.series.g_per_kwh
