"""WattTime: what one more kWh emits (MOER), in five-minute steps, to 72 h ahead."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from airflow_carbon import clock
from airflow_carbon.core.errors import (
    InvalidOptionError,
)
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries, Signal
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.data import region_rows
from airflow_carbon.services.calls import Call, Steps
from airflow_carbon.services.flight import ANSWERS, Flight
from airflow_carbon.services.reading import (
    chunks,
    even_series,
    instant,
    issue,
    joined,
    number,
    within,
)
from airflow_carbon.services.watttime_account import Account

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

    import httpx

T = TypeVar("T")

BASE_URL: Final = "https://api.watttime.org"

UNIT: Final = "lbs_co2_per_mwh"

G_PER_KWH: Final = 0.45359237
"""1 lb/MWh in g/kWh: 1 lb = 453.59237 g exactly (international yard and pound agreement, 1959)."""

SIGNALS: Final = {"co2_moer": Signal.MARGINAL, "co2_aoer": Signal.AVERAGE}
"""What each of WattTime's CO2 signals is; its third one counts damage to health."""

FREE_REGION: Final = "CAISO_NORTH"
"""The region that every account may ask."""

LONGEST_RANGE: Final = timedelta(days=30)
"""How much one question for the past may span; the service allows 32 days."""

STEP: Final = timedelta(minutes=5)

REGION_HOLDS: Final = timedelta(days=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class WattTime:
    """API v3: the marginal operating emissions rate [lb/MWh], converted to gCO2/kWh.

    It counts what leaves the stacks of the plants at the margin: ``marginal``, ``direct``;
    ``co2_aoer`` asks for the average of all plants. A zone is translated to WattTime's region
    by the bundled table, by the coordinates of an Azure region in it, or taken as the name of
    a WattTime region (``CAISO_NORTH``).
    """

    username: str
    password: str = field(repr=False)
    base_url: str = BASE_URL
    signal_type: str = "co2_moer"
    name: str = "watttime"
    cadence: timedelta | None = STEP
    reach: timedelta = timedelta(hours=72)

    def __post_init__(self) -> None:
        if self.signal_type not in SIGNALS:
            remedy = f"write one of {', '.join(SIGNALS)}"
            raise InvalidOptionError("watttime_signal_type", self.signal_type, remedy)

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask ``GET /v3/forecast``."""
        hours = min(max(-(-(until - now) // HOUR), 1), self.reach // HOUR)
        params = {"horizon_hours": str(hours)}
        return self._in_region(zone, "forecast", params, partial(self._forecast, zone, now))

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask ``GET /v3/historical``, 30 days at a time."""
        return Steps(service=self.name, steps=partial(self._history, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask ``GET /v3/historical`` for the last two hours."""
        return self.history(zone, begin=now - 2 * HOUR, end=now)

    def issued(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[list[Forecast]]:
        """Ask ``GET /v3/forecast/historical`` for all that was issued, a day at a time."""
        return Steps(service=self.name, steps=partial(self._issued, zone, begin, end))

    def check(self) -> Call[str]:
        """Log in, and ask for the forecast of the region that every account may ask."""
        zone = ZoneKey(FREE_REGION)
        return self._in_region(zone, "forecast", {"horizon_hours": "24"}, self._free)

    def _free(self, reply: httpx.Response) -> str:
        ends = self._points(ZoneKey(FREE_REGION), reply).ends
        return (
            f"{self.name}: login works; forecast of {FREE_REGION} to {ends:%F %H:%MZ}; "
            "other regions by plan"
        )

    def _history(
        self, zone: ZoneKey, begin: datetime, end: datetime
    ) -> Generator[Call[Any], Any, IntensitySeries]:
        parts: list[IntensitySeries | None] = []
        read = partial(self._span, zone, begin, end)
        for first, last in chunks(begin, end, LONGEST_RANGE):
            span = {"start": first.isoformat(), "end": last.isoformat()}
            parts.append((yield self._in_region(zone, "historical", span, read)))
        return joined(parts, source=self.name, begin=begin, end=end)

    def _issued(
        self, zone: ZoneKey, begin: datetime, end: datetime
    ) -> Generator[Call[Any], Any, list[Forecast]]:
        found: dict[datetime, Forecast] = {}  # both ends of a span are in its reply
        for first, last in chunks(begin, end, timedelta(days=1)):
            span = {"start": first.isoformat(), "end": last.isoformat()}
            read = partial(self._issues, zone)
            issues: list[Forecast] = yield self._in_region(zone, "forecast/historical", span, read)
            found |= {one.issued_at: one for one in issues if begin <= one.issued_at < end}
        return list(found.values())

    def _in_region(
        self,
        zone: ZoneKey,
        path: str,
        params: Mapping[str, str],
        read: Callable[[httpx.Response], T],
    ) -> Call[T]:
        return Steps(service=self.name, steps=partial(self._asked, zone, path, params, read))

    def _asked(
        self,
        zone: ZoneKey,
        path: str,
        params: Mapping[str, str],
        read: Callable[[httpx.Response], T],
    ) -> Generator[Call[Any], Any, T]:
        region, place = _region(zone)
        if place is not None:
            region = yield self._located(zone, place)
        answer: T = yield from self._signed(zone, path, {"region": region, **params}, read)
        return answer

    def _located(self, zone: ZoneKey, place: tuple[float, float]) -> Call[str]:
        """Ask for the region at a place, once a day at most."""

        def steps() -> Generator[Call[Any], Any, tuple[str, datetime]]:
            where = {"latitude": f"{place[0]}", "longitude": f"{place[1]}"}
            region: str = yield from self._signed(
                zone, "region-from-loc", where, lambda reply: str(reply.json()["region"])
            )
            return region, clock.now() + REGION_HOLDS

        return Flight(self.name, (self, "region", place), steps, ANSWERS)

    def _signed(
        self,
        zone: ZoneKey,
        path: str,
        params: Mapping[str, str],
        read: Callable[[httpx.Response], T],
    ) -> Generator[Call[Any], Any, T]:
        account = Account(
            service=self.name,
            base_url=self.base_url,
            username=self.username,
            password=self.password,
        )
        params = {"signal_type": self.signal_type, **params}
        answer: T = yield from account.ask(f"v3/{path}", params, read, zone=zone)
        return answer

    def _forecast(self, zone: ZoneKey, now: datetime, reply: httpx.Response) -> Forecast:
        series = self._points(zone, reply)
        issued_at = instant(reply.json()["meta"]["generated_at"])
        return issue(series, issued_at=issued_at, now=now, source=self.name)

    def _points(self, zone: ZoneKey, reply: httpx.Response) -> IntensitySeries:
        body = reply.json()
        return self._series(zone, body["meta"], _rates(body["data"]))

    def _span(
        self, zone: ZoneKey, begin: datetime, end: datetime, reply: httpx.Response
    ) -> IntensitySeries | None:
        """Return what is known of the span; None for nothing, which is no fault of the reply."""
        body = reply.json()
        points = within(_rates(body["data"]), begin, end, _step(body["meta"]))
        return self._series(zone, body["meta"], points) if points else None

    def _issues(self, zone: ZoneKey, reply: httpx.Response) -> list[Forecast]:
        body = reply.json()
        return [
            Forecast(
                series=self._series(zone, body["meta"], _rates(one["forecast"])),
                issued_at=instant(one["generated_at"]),
                source=self.name,
            )
            for one in body["data"]
        ]

    def _series(
        self,
        zone: ZoneKey,
        meta: Mapping[str, Any],
        points: Iterable[tuple[datetime, float | None]],
    ) -> IntensitySeries:
        if meta["units"] != UNIT:
            message = f"its unit is {meta['units']!r}, not {UNIT!r}"
            raise ValueError(message)
        if meta.get("signal_type", self.signal_type) != self.signal_type:
            message = f"its signal is {meta['signal_type']!r}, asked for {self.signal_type!r}"
            raise ValueError(message)
        return even_series(
            points,
            zone=zone,
            step=_step(meta),
            signal=SIGNALS[self.signal_type],
            factor_type=FactorType.DIRECT,
        )


def _rates(data: list[Mapping[str, Any]]) -> list[tuple[datetime, float | None]]:
    """Return the points in g/kWh."""
    rates = [(instant(one["point_time"]), number(one["value"])) for one in data]
    return [(at, None if rate is None else rate * G_PER_KWH) for at, rate in rates]


def _step(meta: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=meta.get("data_point_period_seconds", STEP.total_seconds()))


@lru_cache(maxsize=512)
def _region(zone: ZoneKey) -> tuple[str, tuple[float, float] | None]:
    """Return WattTime's region, or else coordinates in the zone to ask it by."""
    rows = [row for row in region_rows().values() if row.zone_electricity_maps == zone]
    named = Counter(row.zone_watttime for row in rows if row.zone_watttime)
    if named:
        return min(named, key=lambda region: (-named[region], region)), None
    if rows:
        return "", (rows[0].latitude, rows[0].longitude)
    return zone, None
