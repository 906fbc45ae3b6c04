"""Tables that come with the package; this module reads packaged files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

HOURS: Final = tuple(f"h{hour:02}" for hour in range(24))


@dataclass(frozen=True, kw_only=True, slots=True)
class RegionRow:
    """A row of ``azure_regions.csv``; the file's header says where each column is from."""

    region: str
    cloud: str
    display_name: str
    geography: str
    geography_group: str
    country: str
    physical_location: str
    latitude: float
    longitude: float
    category: str
    access_restricted: bool
    zone_electricity_maps: str
    zone_watttime: str | None
    pue: float | None
    pue_year: int | None
    pue_source: str | None
    paired_region: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class TypicalProfile:
    """Typical days of a grid zone [gCO2eq/kWh]: 24 hours by (month, is it a weekend).

    Months, days and hours are those of the zone's standard time, UTC + ``utc_offset``.
    ``static`` zones have one yearly average for every hour.
    """

    zone: str
    static: bool
    utc_offset: timedelta
    g_per_kwh: Mapping[tuple[int, bool], tuple[float, ...]]


@lru_cache(maxsize=1)
def region_rows() -> Mapping[str, RegionRow]:
    """Return every Azure region by its name, of all its clouds."""
    return MappingProxyType({row["region"]: _region(row) for row in _rows("azure_regions.csv")})


@lru_cache(maxsize=1)
def typical_profiles() -> Mapping[str, TypicalProfile]:
    """Return the typical days of every grid zone that an Azure region stands in."""
    days: dict[str, dict[tuple[int, bool], tuple[float, ...]]] = {}
    heads: dict[str, tuple[bool, timedelta]] = {}
    for row in _rows("typical_profiles.csv"):
        zone, values = row["zone"], tuple(float(row[hour]) for hour in HOURS)
        static = row["status"] == "static"
        heads[zone] = static, timedelta(hours=float(row["utc_offset_hours"]))
        months = range(1, 13) if static else (int(row["month"]),)
        kinds = (False, True) if static else (row["day"] == "weekend",)
        days.setdefault(zone, {}).update({(m, k): values for m in months for k in kinds})
    return MappingProxyType(
        {
            zone: TypicalProfile(
                zone=zone, static=static, utc_offset=offset, g_per_kwh=MappingProxyType(days[zone])
            )
            for zone, (static, offset) in heads.items()
        }
    )


def _rows(name: str) -> Iterator[dict[str, str]]:
    text = files(__package__).joinpath(name).read_text(encoding="utf-8")
    return csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))


def _region(row: Mapping[str, str]) -> RegionRow:
    return RegionRow(
        region=row["region"],
        cloud=row["cloud"],
        display_name=row["display_name"],
        geography=row["geography"],
        geography_group=row["geography_group"],
        country=row["country"],
        physical_location=row["physical_location"],
        latitude=float(row["latitude"]),
        longitude=float(row["longitude"]),
        category=row["category"],
        access_restricted=row["access_restricted"] == "true",
        zone_electricity_maps=row["zone_electricity_maps"],
        zone_watttime=row["zone_watttime"] or None,
        pue=float(row["pue"]) if row["pue"] else None,
        pue_year=int(row["pue_year"]) if row["pue_year"] else None,
        pue_source=row["pue_source"] or None,
        paired_region=row["paired_region"] or None,
    )
