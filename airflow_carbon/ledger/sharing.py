"""Which tasks were charged one GPU at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from airflow_carbon.core.handover import ANYWHERE
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.schema import KEY, carbon_run

if TYPE_CHECKING:
    from airflow_carbon.ledger.entry import Entry
    from airflow_carbon.ledger.store import Ledger


def sharing(ledger: Ledger, entry: Entry) -> list[RunKey]:
    """Return the tries of other runs in the ledger that had one of a try's GPUs meanwhile.

    By the time from the begin of each to its end: one may have paused while another ran. Tries
    of the same run are not among them: what they both hold is counted once.

    Raises:
        LedgerError: the ledger can't be read.
    """
    run, own = carbon_run.c, _gpus(entry.device_names)
    asked = (
        select(*(run[name] for name in KEY), run.device_names)
        .where(run.started_at < entry.ended_at, run.ended_at > entry.started_at)
        .order_by(run.started_at, *(run[name] for name in KEY))
    )
    if not own:
        return []
    with reporting(ledger.engine.url), ledger.engine.connect() as connection:
        rows = connection.execute(asked).mappings().all()
    found = [
        RunKey(**{name: row[name] for name in KEY})
        for row in rows
        if own & _gpus(row["device_names"])
    ]
    return [key for key in found if _run(key) != _run(entry.key)]


def _gpus(device_names: str) -> set[str]:
    return {name for name in device_names.split(", ") if name.startswith(ANYWHERE)}


def _run(key: RunKey) -> tuple[str | int, ...]:
    return (key.dag_id, key.task_id, key.run_id, key.map_index)
