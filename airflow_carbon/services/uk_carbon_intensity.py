"""Great Britain's Carbon Intensity API: the nation and its regions, half-hours, no key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from airflow_carbon.core.errors import CarbonError, ServiceUnavailableError, UnknownZoneError
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.services.calls import Call, Steps
from airflow_carbon.services.http import Http
from airflow_carbon.services.reading import (
    chunks,
    even_series,
    instant,
    issue,
    joined,
    number,
    within,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping

T = TypeVar("T")

BASE_URL: Final = "https://api.carbonintensity.org.uk"

STEP: Final = HOUR / 2

NATION: Final = "GB"

LONGEST_RANGE: Final = timedelta(days=14)
"""How much one question for the past may span."""

_REGION: Final = re.compile(r"GB-(1[0-7]|[1-9])")
_POSTCODE: Final = re.compile(r"GB:([A-Z]{1,2}\d[A-Z\d]?)")


@dataclass(frozen=True, kw_only=True, slots=True)
class UKCarbonIntensity:
    """gCO2/kWh of generation alone, nuclear, wind and sun at nought: ``direct``.

    Zone ``GB`` is the nation; ``GB-1`` to ``GB-17`` are the API's regions, and ``GB:RG10`` is
    the region of an outward postcode. Regions have forecasts only. The API does not say when a
    forecast was issued, so it is taken to be of the half-hour in which it is asked.
    """

    base_url: str = BASE_URL
    name: str = "uk_carbon_intensity"
    cadence: timedelta | None = STEP
    reach: timedelta = timedelta(hours=48)

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask ``/intensity/{from}/fw48h``, or the same of a region."""
        del until
        path = f"intensity/{_text(now)}/fw48h"
        place = _place(zone)
        if place:
            path = f"regional/{path}/{place}"
        return self._ask(path, zone, partial(self._forecast, zone, now))

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask ``/intensity/{from}/{to}``, 14 days at a time; the answer ends with what is known."""
        return Steps(service=self.name, steps=partial(self._history, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for the half-hours of the last day."""
        return self.history(zone, begin=now - 24 * HOUR, end=now)

    def check(self) -> Call[str]:
        """Ask for the half-hour that is running."""
        return self._ask("intensity", ZoneKey(NATION), self._running)

    def _running(self, reply: httpx.Response) -> str:
        (row,) = reply.json()["data"]
        value = number(row["intensity"]["forecast"])
        return f"{self.name}: {value:.0f} g/kWh forecast for {row['from']}; no key is needed"

    def _history(
        self, zone: ZoneKey, begin: datetime, end: datetime
    ) -> Generator[Call[Any], Any, IntensitySeries]:
        if _place(zone):
            raise ServiceUnavailableError(self.name, f"it has no actuals of a region ({zone})")
        parts: list[IntensitySeries | None] = []
        for first, last in chunks(begin, end, LONGEST_RANGE):
            path = f"intensity/{_text(first)}/{_text(last)}"
            parts.append((yield self._ask(path, zone, partial(_actual, zone, begin, end))))
        return joined(parts, source=self.name, begin=begin, end=end)

    def _ask(self, path: str, zone: ZoneKey, read: Callable[[httpx.Response], T]) -> Call[T]:
        return Http(
            service=self.name,
            url=f"{self.base_url}/{path}",
            read=read,
            refuse=partial(_refusal, zone),
        )

    def _forecast(self, zone: ZoneKey, now: datetime, reply: httpx.Response) -> Forecast:
        series = _series(zone, _points(zone, "forecast", reply))
        issued_at = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
        return issue(series, issued_at=issued_at, now=now, source=self.name)


def _actual(
    zone: ZoneKey, begin: datetime, end: datetime, reply: httpx.Response
) -> IntensitySeries | None:
    """Return what is known of the span; None for nothing yet."""
    points = within(_points(zone, "actual", reply), begin, end, STEP)
    return _series(zone, points) if points else None


def _points(zone: ZoneKey, key: str, reply: httpx.Response) -> list[tuple[datetime, float | None]]:
    points = []
    for row in _rows(zone, reply):
        begin = instant(row["from"])
        if instant(row["to"]) - begin != STEP:
            message = f"the row of {row['from']} is not half an hour long"
            raise ValueError(message)
        points.append((begin, number(row["intensity"][key])))
    return points


def _series(zone: ZoneKey, points: Iterable[tuple[datetime, float | None]]) -> IntensitySeries:
    return even_series(points, zone=zone, step=STEP, factor_type=FactorType.DIRECT)


def _rows(zone: ZoneKey, reply: httpx.Response) -> list[Mapping[str, Any]]:
    """Return the half-hours: of a region they stand in an object, or in a list of one.

    Raises:
        UnknownZoneError: nothing at all: a postcode that is none.
    """
    body = reply.json() if reply.content.strip() else None
    data = None if body is None else body["data"]
    if not data:
        raise UnknownZoneError(zone)
    if isinstance(data, list) and "data" in data[0]:
        (data,) = data
    return list(data["data"] if isinstance(data, dict) else data)


def _place(zone: ZoneKey) -> str:
    """Return the path of a region, empty for the nation.

    Raises:
        UnknownZoneError: a zone that is not in Great Britain.
    """
    region, postcode = _REGION.fullmatch(zone), _POSTCODE.fullmatch(zone)
    if region:
        return f"regionid/{region[1]}"
    if postcode:
        return f"postcode/{postcode[1]}"
    if zone == NATION:
        return ""
    raise UnknownZoneError(zone, [NATION, *(f"GB-{i}" for i in range(1, 18))])


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%MZ}"


def _refusal(zone: ZoneKey, reply: httpx.Response) -> CarbonError | None:
    """A region or postcode that is none gets 400; the nation can't be unknown."""
    bad = reply.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.NOT_FOUND}
    return UnknownZoneError(zone) if bad and zone != NATION else None
