"""What a run drew and emitted, as metrics, through the exporter that Airflow is set up with."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk.configuration import conf

from airflow_carbon import __version__
from airflow_carbon.core.handover import HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import datetime

    from airflow_carbon.ledger.entry import Entry, IntervalRow

ENERGY: Final = "hw.energy"
"""Energy of a hardware component, without PUE [J]: a counter, with ``hw.id`` and ``hw.type``.

Reference: OpenTelemetry semantic conventions 1.44, "Semantic conventions for hardware metrics".
"""

EMISSIONS: Final = "airflow_carbon.emissions"
"""Emissions of a run, with PUE [gCO2eq]: a counter."""

UNITS: Final = {ENERGY: "J", EMISSIONS: "g"}

log = logging.getLogger(__name__)


def try_metrics(entry: Entry, rows: Sequence[IntervalRow], since: datetime | None) -> None:
    """Count what a run drew and emitted after ``since``; what goes wrong is a warning.

    With ``since`` the end of what the ledger had of this run before, a joule is counted once,
    however often the run is accounted for.
    """
    try:
        new = (row for row in rows if since is None or row.begins_at >= since)
        counts = list(_counts(entry, new))
        _to_opentelemetry(counts)
        _to_statsd(counts)
    except Exception as exc:  # noqa: BLE001 - an account is not worth less for want of metrics
        log.warning("no metrics of this run: %r", exc)


def _counts(
    entry: Entry, rows: Iterable[IntervalRow]
) -> Iterator[tuple[str, float, dict[str, str]]]:
    """Yield each metric, by how much it grows, and its attributes."""
    known = {
        "dag_id": entry.key.dag_id,
        "task_id": entry.key.task_id,
        "region": entry.region,
        "zone": entry.zone,
        "model": entry.model,
    }
    about = {name: value for name, value in known.items() if value}
    drawn: defaultdict[str, float] = defaultdict(float)
    grams = 0.0
    for row in rows:
        drawn[row.device] += row.joules or 0.0
        grams += row.emissions_g or 0.0
    for device, joules in drawn.items():
        kind = next((one for one in HOST if device.startswith(one)), "gpu")
        if joules > 0:
            yield ENERGY, joules, about | {"hw.id": device, "hw.type": kind}
    if grams > 0:
        yield EMISSIONS, grams, about


def _to_opentelemetry(counts: Sequence[tuple[str, float, dict[str, str]]]) -> None:
    """Count with instruments of our own, which have units and no prefix.

    Airflow sets the process's meter provider where ``[metrics] otel_on`` says so, and flushes it
    when the task's process ends; without one nothing is kept.
    """
    from opentelemetry import metrics

    meter = metrics.get_meter("airflow_carbon", __version__)
    for name, value, attributes in counts:
        meter.create_counter(name, unit=UNITS[name]).add(value, attributes)


def _to_statsd(counts: Sequence[tuple[str, float, dict[str, str]]]) -> None:
    """Count with Airflow's own client, which knows of prefix, lists and tags, but of no unit."""
    if not any(conf.getboolean("metrics", f"statsd_{on}") for on in ("on", "datadog_enabled")):
        return
    from airflow.sdk.observability import stats

    count: Any = stats.incr  # its type says whole numbers; StatsD and Datadog take any
    for name, value, attributes in counts:
        count(name, value, tags=attributes)
