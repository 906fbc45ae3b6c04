"""Replay: a real series from a file, moved to the present, as fast as one likes.

The rows go round and round on a whole number of weeks (of days, in a shorter file), so
that at speed 1 an hour of the file falls on the same hour of day and day of week. Without
a file, the bundled typical year is replayed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Final

import numpy as np
import pandas as pd

from airflow_carbon.core.errors import InvalidOptionError, InvalidSeriesError, UnknownZoneError
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.data import typical_profiles
from airflow_carbon.services.calls import Local, send
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call

DAY: Final = timedelta(days=1)
WEEK: Final = timedelta(weeks=1)

TYPICAL_YEAR: Final = datetime(2026, 6, 1, tzinfo=UTC)
"""The Monday on which the bundled typical year begins."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Replay:
    """A perfect forecast from a CSV or Parquet file of what once happened.

    ``file`` None stands for the bundled typical year. ``speed`` is how many seconds of the
    series pass in one. ``starts_at`` is the instant at which the first row is replayed;
    without it, the row's own hour of the week.

    Raises:
        InvalidOptionError: a speed that is not positive and finite.
    """

    file: Path | None = None
    speed: float = 1.0
    starts_at: datetime | None = None
    cadence: timedelta | None = None
    reach: timedelta = timedelta(days=7)

    def __post_init__(self) -> None:
        if not 0 < self.speed < float("inf"):
            raise InvalidOptionError("replay_speed", self.speed, "write a positive number")

    @property
    def name(self) -> str:
        """``replay:`` and the file's name."""
        return f"replay:{self.file.name if self.file else 'typical'}"

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask for the rows from the step running now on; issued anew at each step."""
        return Local(service=self.name, answer=partial(self._forecast, zone, now, until))

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask for the rows that were replayed over a span."""
        return Local(service=self.name, answer=partial(self._series, zone, begin, end))

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for the row that is replayed now."""
        return self.history(zone, begin=now, end=now)

    def check(self) -> Call[str]:
        """Ask what the file holds."""
        return Local(service=self.name, answer=self._check)

    def _check(self) -> str:
        if self.file is None:
            return f"{self.name}: the typical year of every bundled zone, at speed {self.speed:g}"
        columns = read_series(self.file)
        rows = next(iter(columns.values()))
        return (
            f"{self.name}: {len(rows.g_per_kwh)} rows of {rows.step} from {rows.begins:%F %H:%MZ} "
            f"for {', '.join(columns)}, at speed {self.speed:g}"
        )

    def _forecast(self, zone: ZoneKey, now: datetime, until: datetime) -> Forecast:
        series = self._series(zone, now, until)
        return Forecast(series=series, issued_at=series.begins, source=self.name)

    def _series(self, zone: ZoneKey, begin: datetime, end: datetime) -> IntensitySeries:
        rows = _typical_year(zone) if self.file is None else _column(read_series(self.file), zone)
        values = _round(rows)
        step = rows.step / self.speed
        zero = self.starts_at or rows.begins
        first = (begin - zero) // step
        count = max(1, -(-(end - zero) // step) - first)
        return IntensitySeries(
            zone=zone,
            begins=zero + first * step,
            step=step,
            g_per_kwh=values[np.arange(first, first + count) % len(values)],
        )


@lru_cache(maxsize=128)
def _typical_year(zone: ZoneKey) -> IntensitySeries:
    return send(Typical().history(zone, begin=TYPICAL_YEAR, end=TYPICAL_YEAR + 52 * WEEK))


def _round(rows: IntensitySeries) -> NDArray[np.float64]:
    """Return the rows of the whole weeks, else of the whole days, else all."""
    length = rows.ends - rows.begins
    for period in (WEEK, DAY):
        if length >= period and period % rows.step == timedelta(0):
            return rows.g_per_kwh[: (length // period) * (period // rows.step)]
    return rows.g_per_kwh


def read_series(file: Path) -> dict[str, IntensitySeries]:
    """Read a file: instants in the first column (or the index), then a column a zone [g/kWh].

    Instants without an offset are taken as UTC.

    Raises:
        InvalidOptionError: there is no such file, or it is neither CSV nor Parquet.
        InvalidSeriesError: it is empty, has gaps, or values that can't be intensities.
        OSError: it is there and can't be read.
    """
    try:
        stat = file.stat()
    except FileNotFoundError as exc:
        remedy = "there is no such file; write the path as the triggerer and the workers see it"
        raise InvalidOptionError("replay_file", str(file), remedy) from exc
    return _read(file, stat.st_mtime_ns, stat.st_size)


@lru_cache(maxsize=4)
def _read(file: Path, _modified: int, _size: int) -> dict[str, IntensitySeries]:
    table = _table(file)
    if not isinstance(table.index, pd.DatetimeIndex):
        if table.shape[1] < 2:  # noqa: PLR2004 - an instant and a value
            fault = "it needs a column of instants and at least one of intensities [g/kWh]"
            raise InvalidSeriesError(file.name, fault)
        table = table.set_index(table.columns[0])
        try:
            table.index = pd.to_datetime(table.index.astype(str), utc=True, format="ISO8601")
        except (ValueError, TypeError) as exc:
            fault = (
                f"its first column {table.index.name!r} does not hold instants in ISO 8601: {exc}"
            )
            raise InvalidSeriesError(file.name, fault) from exc
    if table.empty:
        raise InvalidSeriesError(file.name, "it has no rows")
    index = pd.DatetimeIndex(table.index)
    table.index = index.tz_localize(UTC) if index.tz is None else index.tz_convert(UTC)
    numbers = table.select_dtypes("number")
    if numbers.empty:
        fault = f"none of its columns {list(table.columns)} holds numbers [g/kWh]"
        raise InvalidSeriesError(file.name, fault)
    return {
        str(column): IntensitySeries.from_pandas(
            numbers[column], zone=f"{file.name}, column {column!r}"
        )
        for column in numbers
    }


def _table(file: Path) -> pd.DataFrame:
    try:
        if file.suffix.lower() in {".parquet", ".pq"}:
            return pd.read_parquet(file)
        if file.suffix.lower() in {".csv", ".txt", ".gz"}:
            return pd.read_csv(file, comment="#")
    except ImportError as exc:
        remedy = "reading Parquet needs pyarrow: `pip install pyarrow`, or give a CSV"
        raise InvalidOptionError("replay_file", str(file), remedy) from exc
    except pd.errors.EmptyDataError as exc:
        raise InvalidSeriesError(file.name, "it is empty") from exc
    except (ValueError, pd.errors.ParserError) as exc:
        raise InvalidSeriesError(file.name, f"it can't be parsed: {exc}") from exc
    raise InvalidOptionError("replay_file", str(file), "give a .csv or .parquet file")


def _column(columns: dict[str, IntensitySeries], zone: ZoneKey) -> IntensitySeries:
    """Return the zone's column; a lone column that names no zone stands for every zone."""
    if zone in columns:
        return columns[zone]
    (first, *others) = columns
    if not others and first not in typical_profiles():
        return columns[first]
    raise UnknownZoneError(zone, list(columns))
