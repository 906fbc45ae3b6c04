"""The energy of a run as another meter saw it, beside what the agent measured."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, select

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.schema import CROSSCHECK_KEY, KEY, carbon_crosscheck
from airflow_carbon.ledger.upsert import upsert

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger

AZURE_MONITOR: Final = "azure_monitor"
"""The source that is Azure Monitor's metric ``GpuEnergyJoules``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CrossCheck:
    """Energy of one try between two instants [J], as ``source`` has it."""

    key: RunKey
    source: str = AZURE_MONITOR
    joules: float
    begins_at: datetime
    ends_at: datetime
    fetched_at: datetime


_OWN: Final = tuple(field.name for field in fields(CrossCheck) if field.name != "key")


@dataclass(frozen=True, slots=True)
class CrossChecks:
    """The cross-checks in a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def write(self, check: CrossCheck) -> None:
        """Write a cross-check; one of the same try and source is replaced: values come late."""
        row: dict[str, Any] = {name: getattr(check.key, name) for name in KEY}
        row |= {name: getattr(check, name) for name in _OWN}
        engine = self.ledger.engine
        with (
            reporting(engine.url),
            engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
        ):
            connection.execute(upsert(connection, carbon_crosscheck, CROSSCHECK_KEY).values(row))

    def read(self, key: RunKey) -> list[CrossCheck]:
        """Return the cross-checks of a try, by source."""
        rows = carbon_crosscheck.c
        asked = (
            select(carbon_crosscheck)
            .where(and_(*(rows[name] == getattr(key, name) for name in KEY)))
            .order_by(rows.source)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            found = connection.execute(asked).mappings().all()
        return [CrossCheck(key=key, **{name: row[name] for name in _OWN}) for row in found]
