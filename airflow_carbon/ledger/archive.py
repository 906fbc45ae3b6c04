"""The archive: what services forecast, and what then was; shared by all processes."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sqlalchemy import and_, delete, func, select

from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import FactorType, Forecast, IntensitySeries, Signal
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.schema import ACTUAL_KEY, ISSUE_KEY, carbon_actual, carbon_issue
from airflow_carbon.ledger.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy import ColumnElement, Engine, RowMapping, Table

    from airflow_carbon.core.intensity import FloatArray
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.ledger.store import Ledger

DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Archive:
    """Issues and actuals by source and zone; every method raises ``LedgerError``."""

    ledger: Ledger

    def keep(self, forecast: Forecast) -> None:
        """Keep an issue; the same issue again replaces it."""
        series = forecast.series
        row = _key(forecast.source, series) | {
            "issued_at": forecast.issued_at,
            "begins_at": series.begins,
            "step_s": series.step.total_seconds(),
            "filled": series.filled,
            "g_per_kwh": _packed(series.g_per_kwh),
        }
        with self._reporting(), self._engine.begin() as connection:
            connection.execute(upsert(connection, carbon_issue, ISSUE_KEY).values(row))

    def last(self, source: str, zone: ZoneKey) -> Forecast | None:
        """Return the newest issue."""
        found = self._issues(source, zone, limit=1)
        return found[0] if found else None

    def newest(self, *, since: datetime) -> list[Forecast]:
        """Return the newest issue of each source and zone that issued since an instant."""
        rows = carbon_issue.c
        last = (
            select(rows.source, rows.zone, func.max(rows.issued_at).label("issued_at"))
            .where(rows.issued_at >= since)
            .group_by(rows.source, rows.zone)
            .subquery()
        )
        asked = select(carbon_issue).join(
            last,
            and_(*(rows[name] == last.c[name] for name in last.c.keys())),  # noqa: SIM118
        )
        with self._reporting(), self._engine.connect() as connection:
            return [_forecast(row) for row in connection.execute(asked).mappings()]

    def issues(
        self, source: str, zone: ZoneKey, *, since: datetime, every: timedelta = timedelta(0)
    ) -> list[Forecast]:
        """Return the issues since an instant, oldest first, counted back from the newest.

        No two are nearer to each other than ``every``: of a service that issues each five
        minutes, one a day is what there is to learn from.
        """
        rows = carbon_issue.c
        asked = (
            select(rows.issued_at)
            .where(rows.source == source, rows.zone == zone, rows.issued_at >= since)
            .order_by(rows.issued_at.desc())
        )
        with self._reporting(), self._engine.connect() as connection:
            chosen: list[datetime] = []
            for at in connection.scalars(asked):
                if not chosen or chosen[-1] - at >= every:
                    chosen.append(at)
        return self._issues(source, zone, among=chosen)[::-1]

    def keep_actuals(self, source: str, series: IntensitySeries) -> None:
        """Keep what the intensity was; a value that is known again replaces the old one.

        Raises:
            InvalidSeriesError: steps of which a day is no whole number.
        """
        if DAY % series.step:
            raise InvalidSeriesError(series.zone, f"a day is no whole number of {series.step}")
        with (
            self._reporting(),
            self._engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
        ):
            for day, values in _by_day(series):
                key = _key(source, series) | {"day": day}
                known = (
                    connection.execute(select(carbon_actual).where(_is(carbon_actual, key)))
                    .mappings()
                    .one_or_none()
                )
                if known is not None and known["step_s"] == series.step.total_seconds():
                    values = np.where(np.isnan(values), _unpacked(known["g_per_kwh"]), values)  # noqa: PLW2901 - merged
                row = key | {"step_s": series.step.total_seconds(), "g_per_kwh": _packed(values)}
                connection.execute(upsert(connection, carbon_actual, ACTUAL_KEY).values(row))

    def actuals(
        self, source: str, zone: ZoneKey, *, begin: datetime, end: datetime
    ) -> IntensitySeries | None:
        """Return the newest stretch without a gap in ``[begin, end)``; None if nothing is known."""
        rows = carbon_actual.c
        asked = (
            select(carbon_actual)
            .where(rows.source == source, rows.zone == zone)
            .where(rows.day > begin - DAY, rows.day < end)
            .order_by(rows.day.desc())
        )
        with self._reporting(), self._engine.connect() as connection:
            days = list(connection.execute(asked).mappings())
        return _stretch(days, begin, end)

    def sources(self, zone: ZoneKey) -> list[str]:
        """Return the sources of which actuals of a zone are kept."""
        asked = select(carbon_actual.c.source).where(carbon_actual.c.zone == zone).distinct()
        with self._reporting(), self._engine.connect() as connection:
            return sorted(connection.scalars(asked))

    def prune(self, before: datetime) -> int:
        """Forget the issues and actuals before an instant; return how many rows went."""
        with self._reporting(), self._engine.begin() as connection:
            gone = connection.execute(
                delete(carbon_issue).where(carbon_issue.c.issued_at < before)
            ).rowcount
            gone += connection.execute(
                delete(carbon_actual).where(carbon_actual.c.day < before - DAY)
            ).rowcount
        return gone

    @property
    def _engine(self) -> Engine:
        return self.ledger.engine

    def _reporting(self) -> AbstractContextManager[None]:
        return reporting(self._engine.url)

    def _issues(
        self,
        source: str,
        zone: ZoneKey,
        *,
        among: Sequence[datetime] | None = None,
        limit: int | None = None,
    ) -> list[Forecast]:
        rows = carbon_issue.c
        asked = (
            select(carbon_issue)
            .where(rows.source == source, rows.zone == zone)
            .order_by(rows.issued_at.desc())
            .limit(limit)
        )
        if among is not None:
            asked = asked.where(rows.issued_at.in_(among))
        with self._reporting(), self._engine.connect() as connection:
            return [_forecast(row) for row in connection.execute(asked).mappings()]


def _key(source: str, series: IntensitySeries) -> dict[str, Any]:
    return {
        "source": source,
        "zone": series.zone,
        "signal": series.signal.value,
        "factor_type": series.factor_type.value,
    }


def _is(rows: Table, key: Mapping[str, Any]) -> ColumnElement[bool]:
    return and_(*(rows.c[name] == value for name, value in key.items()))


def _forecast(row: RowMapping) -> Forecast:
    values = _unpacked(row["g_per_kwh"])
    series = _series(row, row["begins_at"], values, filled=row["filled"])
    return Forecast(series=series, issued_at=row["issued_at"], source=row["source"])


def _series(
    row: RowMapping, begins: datetime, values: FloatArray, *, filled: int = 0
) -> IntensitySeries:
    return IntensitySeries(
        zone=row["zone"],
        begins=begins,
        step=timedelta(seconds=row["step_s"]),
        g_per_kwh=values,
        signal=Signal(row["signal"]),
        factor_type=FactorType(row["factor_type"]),
        filled=filled,
    )


def _by_day(series: IntensitySeries) -> Iterator[tuple[datetime, FloatArray]]:
    """Yield each day (UTC) that the series touches, NaN where it has no value.

    Steps that do not begin on the day's grid are put on it by their mean.
    """
    day = series.begins.replace(hour=0, minute=0, second=0, microsecond=0)
    grid = _on_grid(series, day)
    per_day = DAY // series.step
    before = (grid.begins - day) // series.step
    count = -(-(before + len(grid.g_per_kwh)) // per_day)
    values = np.full(count * per_day, np.nan)
    values[before : before + len(grid.g_per_kwh)] = grid.g_per_kwh
    for i, one in enumerate(values.reshape(count, per_day)):
        yield day + i * DAY, one


def _on_grid(series: IntensitySeries, day: datetime) -> IntensitySeries:
    late = (series.begins - day) % series.step
    if not late or len(series.g_per_kwh) == 1:
        return series.shifted(-late)
    begins = series.begins - late + series.step
    first, length = series.offset(begins), series.step.total_seconds()
    steps = np.arange(len(series.g_per_kwh) - 1, dtype=np.float64)
    means = series.mean_over(first + steps * length, series.step)
    return replace(series, begins=begins, g_per_kwh=means)


def _stretch(days: Sequence[RowMapping], begin: datetime, end: datetime) -> IntensitySeries | None:
    """Join days, newest first, as far back as signal, factors and step are the same."""
    kept: list[RowMapping] = []
    for row in days:
        if kept and (
            any(row[name] != kept[0][name] for name in ("signal", "factor_type", "step_s"))
            or row["day"] != kept[-1]["day"] - DAY
        ):
            break
        kept.append(row)
    if not kept:
        return None
    kept.reverse()
    step, first = timedelta(seconds=kept[0]["step_s"]), kept[0]["day"]
    values = np.concatenate([_unpacked(row["g_per_kwh"]) for row in kept])
    low = max(0, -(-(begin - first) // step))
    values = values[low : max(0, (end - first) // step)]
    known = np.flatnonzero(~np.isnan(values))
    if len(known) == 0:
        return None
    last = int(known[-1])
    gaps = np.flatnonzero(np.isnan(values[:last]))
    since = int(gaps[-1]) + 1 if len(gaps) else 0
    return _series(kept[0], first + (low + since) * step, values[since : last + 1])


def _packed(values: FloatArray) -> bytes:
    return zlib.compress(np.asarray(values, dtype="<f8").tobytes())


def _unpacked(blob: bytes) -> FloatArray:
    return np.frombuffer(zlib.decompress(blob), dtype="<f8").astype(np.float64)
