"""Past runs, written into a real ledger."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from airflow_carbon.ledger.entry import Entry, RunKey

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_carbon.ledger.store import Ledger

SINCE = datetime(2026, 1, 1, tzinfo=UTC)
WORDS = ("zone", "device_names", "energy_method", "pue_source", "intensity_source",
         "intensity_quality", "intensity_signal", "intensity_factor_type", "baseline_method",
         "package_version")  # fmt: skip
NUMBERS = ("emissions_g", "emissions_low_g", "emissions_high_g")


def past_entry(day=0, hours=1.0, kwh=1.0, **fields) -> Entry:
    """A run of a day, of ``nightly``'s task ``train`` that succeeded unless it is said."""
    at = SINCE + timedelta(days=day)
    key = {"dag_id": "nightly", "task_id": "train", "run_id": f"day{day}"}
    key |= {name: fields.pop(name) for name in RunKey.__slots__ if name in fields}
    known = {
        "key": RunKey(**key),
        "submitted_at": at,
        "started_at": at,
        "ended_at": at + timedelta(hours=hours),
        "computed_at": at,
        "return_code": 0,
        "energy_j": kwh * 3.6e6,
        "coverage": 1.0,
        "pue": 1.1,
        **dict.fromkeys(WORDS, "x"),
        **dict.fromkeys(NUMBERS, 1.0),
    }
    return Entry(**{**known, **fields})


def remember(ledger: Ledger, hours: Iterable[float], **fields) -> None:
    """Write a run a day, each so many hours long, at a power of 2 kW unless it is said."""
    for day, length in enumerate(hours):
        given = {"kwh": 2 * length, "run_id": f"day{day}-{fields}"[:200], **fields}
        ledger.write(past_entry(day, length, **given))
