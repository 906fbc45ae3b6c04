"""The grid of a demo, in which days pass in minutes, and what is said of a run in it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.regions import select
from airflow_carbon.services.replay import TYPICAL_YEAR, read_series

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_carbon.ledger.entry import Entry

REGIONS: Final = "westeurope, northeurope, uksouth, germanywestcentral, spaincentral"
DEFAULT_REGION: Final = "westeurope"

EVENING: Final = 18
"""The hour of the grid's day at which a demo begins: the sun is gone."""

HOUR: Final = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The series that is replayed, the regions whose zones it knows, and how long an hour takes."""

    file: Path | None
    begins: datetime
    regions: str
    hour: timedelta

    @classmethod
    def of(cls, file: Path | None, hour: timedelta) -> Grid:
        """Look into a file, or take the bundled typical year.

        Raises:
            CarbonError: a file that can't be read.
        """
        if file is None:
            return cls(file=None, begins=TYPICAL_YEAR, regions=REGIONS, hour=hour)
        file = file.expanduser().resolve()
        columns = read_series(file)
        everywhere = [region for region in select("all") if region.zone in columns]
        usual = [region for region in select(REGIONS) if region.zone in columns]
        chosen = usual if len(usual) > 1 else everywhere
        return cls(
            file=file,
            begins=next(iter(columns.values())).begins,
            regions=", ".join(region.name for region in chosen) or REGIONS,
            hour=hour,
        )

    @property
    def first_evening(self) -> datetime:
        """The first evening of the series."""
        return self.begins + (EVENING - self.begins.hour) % 24 * HOUR

    def connection(self, now: datetime) -> dict[str, Any]:
        """Return the fields of a connection for which it is that evening now."""
        begun = now - (self.first_evening - self.begins) / HOUR * self.hour
        fields = {
            "sources": "replay",
            "replay_speed": HOUR / self.hour,
            "replay_starts_at": begun.isoformat(),
            "default_region": DEFAULT_REGION,
        }
        return fields if self.file is None else {**fields, "replay_file": str(self.file)}

    def clock(self, at: datetime, began: datetime) -> str:
        """Return the grid's day and hour at an instant of the demo."""
        moment = self.first_evening + (at - began) / self.hour * HOUR
        return f"{moment:%a %H:%M}"

    def told(self, sentence: str, began: datetime) -> str:
        """Return a sentence with its instants as the grid's day and hour."""
        return _INSTANT.sub(
            lambda found: self.clock(datetime.fromisoformat(found[0]), began), sentence
        )


_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?Z")


def facts(entry: Entry, grid: Grid, began: datetime) -> list[tuple[str, str]]:
    """Return what the ledger knows of a run, as a person reads it."""
    start, end = (grid.clock(at, began) for at in (entry.started_at, entry.ended_at))
    bounds = f"{_mg(entry.emissions_low_g)} and {_mg(entry.emissions_high_g)}"
    known = [
        ("region", f"{entry.region} ({entry.zone}), PUE {entry.pue:g} ({entry.pue_source})"),
        ("ran", f"{start} to {end} of the grid's time"),
        ("energy", f"{entry.energy_j:.1f} J = {entry.energy_j / 3600:.4f} Wh"),
        ("obtained by", f"{entry.energy_method}, {entry.coverage:.0%} of the time known"),
        ("emissions", f"{_mg(entry.emissions_g)} CO2eq, between {bounds}"),
        ("intensity", f"{entry.intensity_mean_g_per_kwh or 0:.0f} g/kWh, {entry.intensity_source}"),
    ]
    if entry.planned_g_per_kwh is not None:
        known.append(("promised", f"{entry.planned_g_per_kwh:.0f} g/kWh ({entry.plan_reason})"))
    if entry.baseline_g is None or entry.delta_g is None:
        return [*known, ("baseline", f"unknown: {entry.baseline_method}")]
    percent = "" if entry.delta_percent is None else f" ({entry.delta_percent:+.0f} %)"
    return [
        *known,
        ("baseline", f"{_mg(entry.baseline_g)} at once in {entry.baseline_region}"),
        ("difference", f"{_mg(entry.delta_g, signed=True)}{percent}"),
    ]


def _mg(grams: float, *, signed: bool = False) -> str:
    return f"{grams * 1000:{'+' if signed else ''}.2f} mg"
