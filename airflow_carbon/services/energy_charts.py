"""Energy-Charts of Fraunhofer ISE: countries of Europe, quarter-hours, no key."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from airflow_carbon.core.errors import CarbonError, UnknownZoneError
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.services.http import Http
from airflow_carbon.services.reading import even_series, issue, joined, number, within

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_carbon.services.calls import Call

T = TypeVar("T")

BASE_URL: Final = "https://api.energy-charts.info"

STEP: Final = HOUR / 4

COUNTRIES: Final = (
    "al am at az ba be bg by ch cy cz de dk ee es fi fr ge gr hr hu ie it lt lu lv md me mk mt "
    "nie nl no pl pt ro rs ru se si sk tr ua uk xk"
)
"""Countries that the API has data of, in its own names; not of each for every hour."""

_OTHER_NAMES: Final = {"gb": "uk"}


@dataclass(frozen=True, kw_only=True, slots=True)
class EnergyCharts:
    """gCO2eq/kWh by country: a zone that is part of one (``SE-SE3``) gets the whole country's.

    The reply does not say which emissions a fuel is charged with; ``factor_type`` is what the
    series is labelled with. It does not say when a forecast was issued either, so it is taken
    to be of the quarter-hour in which it is asked.
    """

    base_url: str = BASE_URL
    factor_type: FactorType = FactorType.LIFECYCLE
    name: str = "energy_charts"
    cadence: timedelta | None = HOUR
    reach: timedelta = timedelta(hours=48)

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask ``/co2eq`` from today to the day of ``until``; it ends where the service does."""
        read = partial(self._forecast, zone, now)
        return self._ask(zone, now - STEP, until, read)

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask ``/co2eq`` for the actuals of a span; the answer ends with what is known."""
        return self._ask(zone, begin, end, partial(self._history, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for the actuals of the last day."""
        return self.history(zone, begin=now - 24 * HOUR, end=now)

    def check(self) -> Call[str]:
        """Ask for Germany's figures of today."""
        url = f"{self.base_url}/co2eq"
        return Http(service=self.name, url=url, params={"country": "de"}, read=self._today)

    def _today(self, reply: httpx.Response) -> str:
        body = reply.json()
        actual = sum(value is not None for value in body["co2eq"])
        ahead = sum(value is not None for value in body["co2eq_forecast"])
        return (
            f"{self.name}: {actual} quarter-hours of today known and {ahead} forecast for DE; "
            "no key is needed"
        )

    def _ask(
        self, zone: ZoneKey, begin: datetime, end: datetime, read: Callable[[httpx.Response], T]
    ) -> Call[T]:
        return Http(
            service=self.name,
            url=f"{self.base_url}/co2eq",
            params={"country": _country(zone), "start": _text(begin), "end": _text(end)},
            read=read,
            refuse=partial(_refusal, zone),
        )

    def _forecast(self, zone: ZoneKey, now: datetime, reply: httpx.Response) -> Forecast:
        body = reply.json()
        actual, ahead = _column(body, "co2eq"), _column(body, "co2eq_forecast")
        points = [
            (at, ahead[at] if ahead[at] is not None else actual[at])
            for at in ahead
            if at > now - STEP
        ]
        series = self._series(zone, points)
        issued_at = now.replace(minute=now.minute // 15 * 15, second=0, microsecond=0)
        return issue(series, issued_at=issued_at, now=now, source=self.name)

    def _history(
        self, zone: ZoneKey, begin: datetime, end: datetime, reply: httpx.Response
    ) -> IntensitySeries:
        points = within(_column(reply.json(), "co2eq").items(), begin, end, STEP)
        part = self._series(zone, points) if points else None
        return joined([part], source=self.name, begin=begin, end=end)

    def _series(
        self, zone: ZoneKey, points: Iterable[tuple[datetime, float | None]]
    ) -> IntensitySeries:
        return even_series(points, zone=zone, step=STEP, factor_type=self.factor_type)


def _column(body: Mapping[str, Any], key: str) -> dict[datetime, float | None]:
    """Return a column by instant.

    Raises:
        ValueError: columns of different lengths, or two values for one instant.
    """
    column: dict[datetime, float | None] = {}
    for seconds, value in zip(body["unix_seconds"], body[key], strict=True):
        at, found = datetime.fromtimestamp(seconds, UTC), number(value)
        if column.setdefault(at, found) != found:
            message = f"two values of {key} for {at:%F %H:%MZ}"
            raise ValueError(message)
    return column


def _country(zone: ZoneKey) -> str:
    """Return the API's name of the country that a zone is in.

    Raises:
        UnknownZoneError: a country that it lacks.
    """
    first = zone.partition("-")[0].lower()
    country = _OTHER_NAMES.get(first, first)
    if country not in COUNTRIES.split():
        raise UnknownZoneError(zone, [one.upper() for one in COUNTRIES.split()])
    return country


def _text(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def _refusal(zone: ZoneKey, reply: httpx.Response) -> CarbonError | None:
    unknown = {httpx.codes.NOT_FOUND, httpx.codes.UNPROCESSABLE_ENTITY}
    return UnknownZoneError(zone) if reply.status_code in unknown else None
