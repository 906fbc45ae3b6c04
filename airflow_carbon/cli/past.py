"""Where a backtest's past comes from: files, the ledger's archive, or the services' histories."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from airflow_carbon import clock
from airflow_carbon.core.backtest import Past
from airflow_carbon.core.errors import (
    InvalidOptionError,
    InvalidSeriesError,
    ServiceUnavailableError,
)
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Quality
from airflow_carbon.core.units import EPOCH, ZoneKey
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.services.replay import read_series

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection

FIRST: Final = timedelta(days=28)
"""History asked for before the first job, so that its forecast has something to learn from."""

WIDE: Final = ("zone", "issued_at")
"""The columns before the values in a file of issues."""


def past_of(
    options: argparse.Namespace, zones: Collection[str], begin: datetime, end: datetime
) -> dict[str, Past]:
    """Return the past of each zone that the options name.

    Raises:
        InputError: a file that can't be read, or lacks a zone.
        ServiceUnavailableError: nothing knows a zone over that span.
    """
    if options.actuals:
        return _from_files(options, zones)
    if options.archive:
        return {zone: _from_archive(zone, begin, end) for zone in zones}
    hook = CarbonHook(options.conn_id or DEFAULT_CONN_ID)
    return {zone: _from_services(hook, zone, begin, end) for zone in zones}


def zones_in(file: str) -> list[str]:
    """Return the zones that a file of actuals holds."""
    return list(read_series(Path(file)))


def _from_files(options: argparse.Namespace, zones: Collection[str]) -> dict[str, Past]:
    columns = read_series(Path(options.actuals))
    if lacking := sorted(set(zones) - set(columns)):
        remedy = f"{options.actuals} has {', '.join(columns)}"
        raise InvalidOptionError("--zone", lacking[0], remedy)
    issues = _issues(Path(options.issues), zones, options) if options.issues else {}
    return {
        zone: Past(
            actual=replace(
                columns[zone], zone=ZoneKey(zone), g_per_kwh=columns[zone].g_per_kwh * options.scale
            ),
            issues=tuple(issues.get(zone, ())),
            origin=f"{options.actuals}, issues of {options.issues or 'nobody: our own forecast'}",
        )
        for zone in zones
    }


def _issues(
    file: Path, zones: Collection[str], options: argparse.Namespace
) -> dict[str, list[Forecast]]:
    """Read issues: a row each, with ``zone``, ``issued_at``, then a column a step.

    A negative value, which some forecasters issue, stands for none: 0.
    """
    table = _table(file)
    if lacking := [name for name in WIDE if name not in table]:
        fault = f"it lacks the column {lacking[0]!r}; write zone, issued_at, then a column a step"
        raise InvalidSeriesError(file.name, fault)
    table = table[table["zone"].isin(list(zones))].copy()
    table["issued_at"] = pd.to_datetime(table["issued_at"], utc=True)
    table = table.sort_values("issued_at")
    values = table.drop(columns=list(WIDE)).to_numpy(dtype=np.float64) * options.scale
    found: dict[str, list[Forecast]] = {zone: [] for zone in zones}
    for zone, at, row in zip(table["zone"], table["issued_at"], values, strict=True):
        series = IntensitySeries(
            zone=ZoneKey(zone),
            begins=at.to_pydatetime(),
            step=timedelta(minutes=options.issue_step),
            g_per_kwh=np.maximum(row[~np.isnan(row)], 0.0),
        )
        found[zone].append(Forecast(series=series, issued_at=series.begins, source=file.name))
    return found


def _table(file: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(file) if file.suffix == ".parquet" else pd.read_csv(file)
    except FileNotFoundError as exc:
        raise InvalidOptionError("--issues", str(file), "there is no such file") from exc
    except (ValueError, pd.errors.ParserError) as exc:
        raise InvalidSeriesError(file.name, f"it can't be parsed: {exc}") from exc


def _from_archive(zone: str, begin: datetime, end: datetime) -> Past:
    """Return what the ledger's archive kept of the source that issued most."""
    archive = Archive(LedgerHook().ledger())
    best: tuple[int, Past] | None = None
    for source in archive.sources(ZoneKey(zone)):
        actual = archive.actuals(source, ZoneKey(zone), begin=begin - FIRST, end=end)
        if actual is None:
            continue
        issues = archive.issues(source, ZoneKey(zone), since=begin - FIRST)
        if best is None or len(issues) > best[0]:
            origin = f"the ledger's archive of {source}, {len(issues)} issues"
            best = len(issues), Past(actual=actual, issues=tuple(issues), origin=origin)
    if best is None:
        cause = f"it kept nothing of {zone} between {begin:%F} and {end:%F}"
        raise ServiceUnavailableError("the ledger's archive", cause)
    return best[1]


def _from_services(hook: CarbonHook, zone: str, begin: datetime, end: datetime) -> Past:
    midnight = (begin - FIRST - EPOCH) // timedelta(days=1) * timedelta(days=1) + EPOCH
    survey = hook.survey(ZoneKey(zone), midnight, min(end, clock.now()))
    if survey is None:
        cause = f"none knows {zone} from {midnight:%F} to {end:%F}; give --actuals FILE"
        raise ServiceUnavailableError("the sources", cause)
    origin = f"{survey.source} ({survey.quality}), our own forecast"
    if survey.quality is Quality.CLIMATOLOGY:
        origin += "; typical days repeat, so nothing is uncertain: this is no proof of a saving"
    return Past(actual=survey.series, origin=origin)


def span_of(past: dict[str, Past]) -> tuple[datetime, datetime]:
    """Return the span that the actuals of every zone cover."""
    series: list[Any] = [one.actual for one in past.values()]
    return max(one.begins for one in series), min(one.ends for one in series)
