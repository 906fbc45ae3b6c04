"""Azure Monitor, ``Microsoft.Insights`` metrics 2024-02-01: the GPU energy of a run.

Azure Machine Learning alone has such a metric: of plain machines and of Container Apps there is
none. Kept for 93 days (Microsoft Learn, "Azure Monitor Metrics overview", 2025).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Ask
from airflow_carbon.azure.errors import AzureRefusedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from airflow_carbon.azure.arm import Arm, Reply

API_VERSION: Final = "2024-02-01"

METRIC: Final = "GpuEnergyJoules"
"""Energy of a GPU node, a value a minute [J] (Microsoft Learn, "Supported metrics for
Microsoft.MachineLearningServices/workspaces", 2025: unit Count, aggregation Total)."""

UNITS: Final = frozenset({"Count", "Unspecified"})
"""Azure Monitor has no unit of energy; any of its others would be another metric."""

MINUTE: Final = timedelta(minutes=1)

LONGEST: Final = timedelta(days=1)
"""The span of one question: 1440 values."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunEnergy:
    """GPU energy of a run: by the minute that begins at an instant [J].

    A minute without a value is not in it: it is unknown, not 0 J.
    """

    by_minute: tuple[tuple[datetime, float], ...]

    @property
    def joules(self) -> float:
        """The total [J]."""
        return math.fsum(joules for _, joules in self.by_minute)

    @property
    def begins_at(self) -> datetime:
        """When the first minute with a value begins."""
        return self.by_minute[0][0]

    @property
    def ends_at(self) -> datetime:
        """When the last minute with a value ends."""
        return self.by_minute[-1][0] + MINUTE


def gpu_energy(
    workspace_id: str, run_id: str, begin: datetime, end: datetime
) -> Ask[RunEnergy | None]:
    """Ask for the GPU energy of an Azure Machine Learning run; None where there is no value.

    ``workspace_id`` is the workspace's resource id; the span is widened to whole minutes.
    """
    first, last = _floor(begin), _ceiling(end)
    quoted = run_id.replace("'", "''")
    return Ask(
        method="GET",
        path=f"{workspace_id.rstrip('/')}/providers/Microsoft.Insights/metrics",
        api_version=API_VERSION,
        params={
            "metricnames": METRIC,
            "aggregation": "Total",
            "interval": "PT1M",
            "timespan": f"{first:{_INSTANT}}/{last:{_INSTANT}}",
            "$filter": f"runId eq '{quoted}'",
        },
        read=partial(_read, first, last),
    )


def run_energy(
    arm: Arm, workspace_id: str, run_id: str, begin: datetime, end: datetime
) -> RunEnergy | None:
    """Ask day after day for the GPU energy of a run, however long; None where there is no value.

    Raises:
        CarbonError: as ``Arm.send`` does.
    """
    parts = [
        arm.send(gpu_energy(workspace_id, run_id, first, last)) for first, last in _days(begin, end)
    ]
    known = tuple(value for part in parts if part is not None for value in part.by_minute)
    return RunEnergy(by_minute=known) if known else None


def _days(begin: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    first, last = _floor(begin), _ceiling(end)
    while first < last:
        yield first, min(first + LONGEST, last)
        first += LONGEST


_INSTANT: Final = "%Y-%m-%dT%H:%M:%SZ"


def _floor(instant: datetime) -> datetime:
    return instant.astimezone(UTC).replace(second=0, microsecond=0)


def _ceiling(instant: datetime) -> datetime:
    return _floor(instant + MINUTE - timedelta.resolution)


def _read(first: datetime, last: datetime, reply: Reply) -> RunEnergy | None:
    """Read the values: those of several series, one a device say, are added up."""
    sums: dict[datetime, float] = {}
    for metric in reply.body["value"]:
        if metric["name"]["value"].lower() != METRIC.lower():
            continue
        _check(metric)
        for series in metric["timeseries"]:
            for instant, joules in _points(series):
                if first <= instant < last:
                    sums[instant] = sums.get(instant, 0.0) + joules
    return RunEnergy(by_minute=tuple(sorted(sums.items()))) if sums else None


def _check(metric: Mapping[str, Any]) -> None:
    """Refuse an error inside an answer, and another unit.

    Raises:
        AzureRefusedError: the metric's own error.
        ValueError: another unit.
    """
    code = metric.get("errorCode") or "Success"
    if code != "Success":
        raise AzureRefusedError(code, metric.get("errorMessage") or f"no {METRIC}")
    if metric["unit"] not in UNITS:
        message = f"unit {metric['unit']!r} of {METRIC}"
        raise ValueError(message)


def _points(series: Mapping[str, Any]) -> Iterator[tuple[datetime, float]]:
    for point in series.get("data") or ():
        if point.get("total") is None:
            continue
        joules = float(point["total"])
        if not (math.isfinite(joules) and joules >= 0):
            message = f"{joules} J at {point['timeStamp']}"
            raise ValueError(message)
        yield datetime.fromisoformat(point["timeStamp"]).astimezone(UTC), joules
