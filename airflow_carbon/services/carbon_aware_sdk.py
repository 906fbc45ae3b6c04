"""The Carbon Aware SDK's Web API, which you host yourself (Green Software Foundation)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from airflow_carbon.core.errors import CarbonError, ServiceUnavailableError, UnknownZoneError
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries, Signal
from airflow_carbon.core.region import PUBLIC_CLOUD
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.data import region_rows
from airflow_carbon.services.calls import Call, Steps
from airflow_carbon.services.http import Http, excerpt
from airflow_carbon.services.reading import even_series, instant, issue, joined, number, within

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

T = TypeVar("T")

MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class CarbonAwareSDK:
    """gCO2eq/kWh by Azure region; a zone is asked for by a region that stands in it.

    The reply does not say whether its figures are average (Electricity Maps behind it) or
    marginal (WattTime): ``signal`` and ``factor_type`` are what you declare. Forecast values
    are means over the window that is asked for; none is, so each is the mean of its own step.
    """

    base_url: str
    signal: Signal = Signal.AVERAGE
    factor_type: FactorType = FactorType.LIFECYCLE
    name: str = "carbon_aware_sdk"
    cadence: timedelta | None = HOUR / 4
    reach: timedelta = timedelta(hours=24)

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask ``/emissions/forecasts/current`` for all that its source has."""
        del until
        params = {"location": _location(zone)}
        return self._ask("forecasts/current", zone, params, partial(self._forecast, zone, now))

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask ``/emissions/bylocation``."""
        params = {
            "location": _location(zone),
            "time": begin.isoformat(),
            "toTime": end.isoformat(),
        }
        return self._ask("bylocation", zone, params, partial(self._history, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for what is known of the last three hours."""
        return self.history(zone, begin=now - 3 * HOUR, end=now)

    def check(self) -> Call[str]:
        """Ask which locations there are, and one of them for a forecast."""
        return Steps(service=self.name, steps=self._check)

    def _check(self) -> Generator[Call[Any], Any, str]:
        locations: list[str] = yield Http(
            service=self.name,
            url=f"{self.base_url}/locations",
            read=lambda reply: sorted(dict(reply.json())),
        )
        place = "westeurope" if "westeurope" in locations else locations[0]
        try:
            points: int = yield self._ask(
                "forecasts/current",
                ZoneKey(place),
                {"location": place},
                lambda reply: len(reply.json()[0]["forecastData"]),
            )
        except ServiceUnavailableError as exc:
            return f"{self.name}: {len(locations)} locations; no forecast of {place} ({exc.cause})"
        return f"{self.name}: {len(locations)} locations; forecast of {place} in {points} steps"

    def _ask(
        self,
        path: str,
        zone: ZoneKey,
        params: Mapping[str, str],
        read: Callable[[httpx.Response], T],
    ) -> Call[T]:
        return Http(
            service=self.name,
            url=f"{self.base_url}/emissions/{path}",
            params=params,
            read=read,
            refuse=partial(_refusal, zone),
        )

    def _forecast(self, zone: ZoneKey, now: datetime, reply: httpx.Response) -> Forecast:
        (body,) = reply.json()
        points = [(instant(one["timestamp"]), number(one["value"])) for one in body["forecastData"]]
        lengths = {int(one["duration"]) for one in body["forecastData"]}
        series = self._series(zone, points, min(lengths) * MINUTE)
        issued_at = instant(body["generatedAt"])
        return issue(series, issued_at=issued_at, now=now, source=self.name)

    def _history(
        self, zone: ZoneKey, begin: datetime, end: datetime, reply: httpx.Response
    ) -> IntensitySeries:
        rows = [] if reply.status_code == httpx.codes.NO_CONTENT else reply.json()
        step = min((_length(row["duration"]) for row in rows), default=HOUR)
        points = [(instant(row["time"]), number(row["rating"])) for row in rows]
        known = within(points, begin, end, step)
        part = self._series(zone, known, step) if known else None
        return joined([part], source=self.name, begin=begin, end=end)

    def _series(
        self, zone: ZoneKey, points: Iterable[tuple[datetime, float | None]], step: timedelta
    ) -> IntensitySeries:
        return even_series(
            points, zone=zone, step=step, signal=self.signal, factor_type=self.factor_type
        )


@lru_cache(maxsize=512)
def _location(zone: ZoneKey) -> str:
    """Return an Azure region in the zone: the first by name, restricted and other clouds' last."""
    rows = [row for row in region_rows().values() if row.zone_electricity_maps == zone]
    first = min(
        rows,
        key=lambda row: (row.cloud != PUBLIC_CLOUD, row.access_restricted, row.region),
        default=None,
    )
    return first.region if first else str(zone)


def _length(text: str) -> timedelta:
    """Read ``hh:mm:ss``.

    >>> _length("01:30:00")
    datetime.timedelta(seconds=5400)
    """
    hours, minutes, seconds = (float(part) for part in text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def _refusal(zone: ZoneKey, reply: httpx.Response) -> CarbonError | None:
    about_location = "location" in excerpt(reply).lower()
    return UnknownZoneError(zone) if about_location and not reply.is_success else None
