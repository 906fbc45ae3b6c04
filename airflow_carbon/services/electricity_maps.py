"""Electricity Maps: most grids of the world, average intensity, flow-traced."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from airflow_carbon.core.errors import (
    AccessRefusedError,
    CarbonError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.services.calls import Call, Steps
from airflow_carbon.services.http import Http, excerpt
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

BASE_URL: Final = "https://api.electricitymaps.com/v4"

STEPS: Final = {"5_minutes": HOUR / 12, "15_minutes": HOUR / 4, "hourly": HOUR}
"""What a forecast's granularity may be."""

HORIZONS_H: Final = (6, 24, 48, 72)

LONGEST_RANGE: Final = timedelta(days=10)
"""How much one question for the past may span, at hourly steps."""

_COORDINATES: Final = re.compile(r"(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?)")
_NOT_IN_PLAN: Final = ("do not have access", "unauthorized for zonekey", "not available")
_NO_ZONE: Final = re.compile(
    r"zone.*(not exist|unknown|invalid|not found)|(unknown|invalid|no) zone", re.IGNORECASE
)
_ABOUT_THE_ASK: Final = {400, 404, 422}


@dataclass(frozen=True, kw_only=True, slots=True)
class ElectricityMaps:
    """API v4, and v3 by ``base_url``: gCO2eq/kWh of consumption, or of production.

    A zone may be a zone key, a data centre (``azure:westeurope``) or coordinates
    (``52.37,4.90``). Replies about another zone, and those of sandbox keys, whose numbers are
    false on purpose, are refused.
    """

    token: str = field(repr=False)
    base_url: str = BASE_URL
    factor_type: FactorType = FactorType.LIFECYCLE
    flow_traced: bool = True
    granularity: str = "hourly"
    horizon_hours: int = HORIZONS_H[-1]
    disable_estimations: bool = False
    allow_sandbox: bool = False
    name: str = "electricity_maps"
    cadence: timedelta | None = HOUR

    @property
    def reach(self) -> timedelta:
        """As far as the horizon that is asked for."""
        return self.horizon_hours * HOUR

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask ``/carbon-intensity/forecast``."""
        asked = -(-(until - now) // HOUR)
        horizon = next((hours for hours in HORIZONS_H if hours >= asked), HORIZONS_H[-1])
        params = {"horizonHours": str(min(horizon, self.horizon_hours))}
        return self._ask("forecast", zone, params, partial(self._forecast, zone, now))

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask ``/carbon-intensity/past-range``, and for the last day where that is refused."""
        return Steps(service=self.name, steps=partial(self._history, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask ``/carbon-intensity/latest``."""
        del now
        return self._ask("latest", zone, {}, partial(self._latest, zone))

    def check(self) -> Call[str]:
        """Ask which zones the key opens, and one of them for its latest value and forecast."""
        return Steps(service=self.name, steps=self._check)

    def _history(
        self, zone: ZoneKey, begin: datetime, end: datetime
    ) -> Generator[Call[Any], Any, IntensitySeries]:
        parts: list[IntensitySeries | None] = []
        try:
            for first, last in chunks(begin, end, LONGEST_RANGE):
                span = {"start": first.isoformat(), "end": last.isoformat()}
                read = partial(self._rows, zone, "data", begin, end)
                parts.append((yield self._ask("past-range", zone, span, read)))
        except AccessRefusedError:
            read = partial(self._rows, zone, "history", begin, end)
            parts = [(yield self._ask("history", zone, {}, read))]
        return joined(parts, source=self.name, begin=begin, end=end)

    def _check(self) -> Generator[Call[Any], Any, str]:
        zones: dict[str, Any] = yield Http(
            service=self.name,
            url=f"{self.base_url}/zones",
            headers=self._headers(),
            read=lambda reply: dict(reply.json()),
            refuse=partial(_refusal, self.name, ZoneKey(""), "zones"),
        )
        zone = ZoneKey("DE" if "DE" in zones else min(zones, default="DE"))
        said: list[str] = []
        refused: list[AccessRefusedError] = []
        for what in ("latest", "forecast"):
            read = partial(self._known, zone, "carbonIntensity" if what == "latest" else "forecast")
            try:
                said.append(f"{what} works{(yield self._ask(what, zone, {}, read))}")
            except AccessRefusedError as exc:
                said.append(f"no {what} in this plan ({exc.cause})")
                refused.append(exc)
        if len(refused) == len(said):
            raise refused[0]
        return f"{self.name}: {len(zones)} zones; {zone}: {', '.join(said)}"

    def _ask(
        self,
        path: str,
        zone: ZoneKey,
        params: Mapping[str, str],
        read: Callable[[httpx.Response], T],
    ) -> Call[T]:
        always = {
            "emissionFactorType": self.factor_type.value,
            "flowTraced": str(self.flow_traced).lower(),
            "temporalGranularity": self.granularity,
            "disableCallerLookup": "true",  # else an unknown zone becomes the caller's own
        }
        if self.disable_estimations:
            always["disableEstimations"] = "true"
        return Http(
            service=self.name,
            url=f"{self.base_url}/carbon-intensity/{path}",
            params={**_where(zone), **always, **params},
            headers=self._headers(),
            read=read,
            refuse=partial(_refusal, self.name, zone, path),
        )

    def _headers(self) -> dict[str, str]:
        return {"auth-token": self.token}

    def _forecast(self, zone: ZoneKey, now: datetime, reply: httpx.Response) -> Forecast:
        body = self._body(zone, reply)
        series = self._series(body, self._points(body["forecast"]))
        issued_at = instant(body["updatedAt"]) if "updatedAt" in body else now
        return issue(series, issued_at=issued_at, now=now, source=self.name)

    def _rows(
        self, zone: ZoneKey, key: str, begin: datetime, end: datetime, reply: httpx.Response
    ) -> IntensitySeries | None:
        """Return what is known of the span; None for nothing, which is no fault of the reply."""
        body = self._body(zone, reply)
        points = within(self._points(body[key]), begin, end, self._step(body))
        return self._series(body, points) if points else None

    def _latest(self, zone: ZoneKey, reply: httpx.Response) -> IntensitySeries:
        body = self._body(zone, reply)
        return self._series(body, self._points([body]))

    def _known(self, zone: ZoneKey, key: str, reply: httpx.Response) -> str:
        found = self._body(zone, reply)[key]
        return f" ({found} g/kWh)" if key == "carbonIntensity" else f", to {len(found) - 1} steps"

    def _body(self, zone: ZoneKey, reply: httpx.Response) -> dict[str, Any]:
        """Return the reply's object.

        Raises:
            AccessRefusedError: a sandbox key's.
            ServiceUnavailableError: it is about another zone.
        """
        body: dict[str, Any] = dict(reply.json())
        rows = [body, *(body.get("data") or []), *(body.get("history") or [])]
        sandbox = "SANDBOX MODE" in str(body.get("_disclaimer", ""))
        sandbox |= any(row.get("estimationMethod") == "SANDBOX_MODE_DATA" for row in rows)
        if sandbox and not self.allow_sandbox:
            cause = "a sandbox key gives false numbers on purpose: use a key of a real plan"
            raise AccessRefusedError(self.name, cause)
        if "zone" in _where(zone) and body["zone"] != zone:
            cause = f"asked for zone {zone}, it answered for {body['zone']}"
            raise ServiceUnavailableError(self.name, cause)
        return body

    def _points(self, rows: list[dict[str, Any]]) -> list[tuple[datetime, float | None]]:
        for row in rows:
            factors = row.get("emissionFactorType", self.factor_type)
            if factors != self.factor_type:
                message = f"its factors are {factors!r}, asked for {self.factor_type.value!r}"
                raise ValueError(message)
        return [(instant(row["datetime"]), number(row["carbonIntensity"])) for row in rows]

    def _series(
        self, body: Mapping[str, Any], points: Iterable[tuple[datetime, float | None]]
    ) -> IntensitySeries:
        zone = ZoneKey(str(body["zone"]))
        return even_series(points, zone=zone, step=self._step(body), factor_type=self.factor_type)

    def _step(self, body: Mapping[str, Any]) -> timedelta:
        return STEPS[body.get("temporalGranularity", self.granularity)]


def _where(zone: ZoneKey) -> dict[str, str]:
    provider, _, region = zone.partition(":")
    if region:
        return {"dataCenterProvider": provider, "dataCenterRegion": region}
    found = _COORDINATES.fullmatch(zone)
    return {"lat": found[1], "lon": found[2]} if found else {"zone": zone}


def _refusal(service: str, zone: ZoneKey, what: str, reply: httpx.Response) -> CarbonError | None:
    said = excerpt(reply)
    if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        if any(sign in said.lower() for sign in _NOT_IN_PLAN):
            cause = f"the plan of this key does not include {what} of {zone}: {said}"
            return AccessRefusedError(service, cause)
        return AccessRefusedError(service, f"the key is not accepted ({said}); mend it")
    if reply.status_code in _ABOUT_THE_ASK and _NO_ZONE.search(said):
        return UnknownZoneError(zone)
    return None
