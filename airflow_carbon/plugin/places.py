"""Azure's regions, and how clean each one's grid is now: as kept, else as it typically is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon.azure.regions import regions
from airflow_carbon.core.errors import CarbonError
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.services.calls import send
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.region import Region
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.ledger.store import Ledger

KEPT_FOR: Final = timedelta(days=2)
"""How old an issue may be that still says something of now."""

INSTANT: Final = timedelta(minutes=1)


@dataclass(frozen=True, kw_only=True, slots=True)
class Here:
    """A region, and the intensity of its grid now [gCO2eq/kWh]; None where nobody knows it."""

    region: Region
    g_per_kwh: float | None
    source: str
    issued_at: datetime | None = None


def everywhere(ledger: Ledger, now: datetime) -> list[Here]:
    """Return every region, the cleanest first; nothing is fetched.

    Raises:
        LedgerError: the archive can't be read.
    """
    kept = _current(Archive(ledger).newest(since=now - KEPT_FOR), now)
    known = [_here(region, kept, now) for region in regions().values()]
    return sorted(known, key=lambda one: (one.g_per_kwh is None, one.g_per_kwh, one.region.name))


def _current(issues: Iterable[Forecast], now: datetime) -> dict[str, Forecast]:
    """Return the newest issue of each zone that covers now; average where there is one."""
    found: dict[str, Forecast] = {}
    for one in sorted(issues, key=lambda one: (one.series.signal != "average", one.issued_at)):
        zone = str(one.series.zone)
        is_better = zone not in found or found[zone].series.signal == one.series.signal
        if is_better and one.series.covers(now, now + INSTANT):
            found[zone] = one
    return found


def _here(region: Region, kept: dict[str, Forecast], now: datetime) -> Here:
    if (issue := kept.get(str(region.zone))) is not None:
        g = float(issue.series.mean(now, now + INSTANT))
        return Here(region=region, g_per_kwh=g, source=issue.source, issued_at=issue.issued_at)
    g_per_kwh = _typical(region.zone, now)
    source = "typical days" if g_per_kwh is not None else "no source"
    return Here(region=region, g_per_kwh=g_per_kwh, source=source)


def _typical(zone: ZoneKey, now: datetime) -> float | None:
    try:
        series = send(Typical().latest(zone, now=now))
        return float(series.g_per_kwh[0])
    except CarbonError:
        return None
