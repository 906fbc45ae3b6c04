"""Typical days: the bundled profile of each grid zone; no key, no network."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np

from airflow_carbon.core.errors import UnknownZoneError
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Quality
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.data import typical_profiles
from airflow_carbon.services.calls import Local

if TYPE_CHECKING:
    from airflow_carbon.data import TypicalProfile
    from airflow_carbon.services.calls import Call

SATURDAY: Final = 5


@dataclass(frozen=True, slots=True)
class Typical:
    """Mean intensity by month, hour of day and working day or weekend; lifecycle average."""

    name: str = "typical"
    cadence: timedelta | None = None
    reach: timedelta = timedelta(days=7)

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask for typical days as a forecast; issued anew at each full hour."""
        return Local(service=self.name, answer=partial(_forecast, zone, now, until))

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask for typical days as if they had happened."""
        return Local(service=self.name, answer=partial(_series, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for the typical hour that is running."""
        return self.history(zone, begin=now, end=now)

    def check(self) -> Call[str]:
        """Ask how many zones there are."""
        return Local(service=self.name, answer=_check)


def _check() -> str:
    profiles = typical_profiles()
    static = sum(profile.static for profile in profiles.values())
    return f"typical: typical days of {len(profiles)} grid zones, {static} of them yearly averages"


def _forecast(zone: ZoneKey, now: datetime, until: datetime) -> Forecast:
    series = _series(zone, now, until)
    static = typical_profiles()[zone].static
    return Forecast(
        series=series,
        issued_at=series.begins,
        source="typical",
        quality=Quality.STATIC if static else Quality.CLIMATOLOGY,
    )


def _series(zone: ZoneKey, begin: datetime, end: datetime) -> IntensitySeries:
    profile = typical_profiles().get(zone)
    if profile is None:
        raise UnknownZoneError(zone, typical_profiles())
    first = begin.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    hours = max(1, -(-(end - first) // HOUR))
    return IntensitySeries(zone=zone, begins=first, step=HOUR, g_per_kwh=_hours(zone, first, hours))


@lru_cache(maxsize=512)
def _hours(zone: ZoneKey, first: datetime, hours: int) -> np.ndarray:
    profile = typical_profiles()[zone]
    return np.array([_typical(profile, first + i * HOUR) for i in range(hours)], dtype=np.float64)


def _typical(profile: TypicalProfile, at: datetime) -> float:
    local = at + profile.utc_offset
    return profile.g_per_kwh[local.month, local.weekday() >= SATURDAY][local.hour]
