"""A run's energy by another signal or other factors, beside its account and apart from it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, func, insert, select

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.rows import is_of, values_of
from airflow_carbon.ledger.schema import carbon_run_signal
from airflow_carbon.ledger.versions import lock_try

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger


@dataclass(frozen=True, kw_only=True, slots=True)
class Beside:
    """What a try emitted by a signal and factors [gCO2eq]; the columns are those of ``Entry``."""

    intensity_signal: str
    intensity_factor_type: str
    pue: float
    emissions_g: float
    emissions_low_g: float
    emissions_high_g: float
    intensity_mean_g_per_kwh: float | None
    intensity_source: str
    intensity_quality: str
    baseline_g: float | None
    delta_g: float | None
    delta_percent: float | None
    baseline_method: str
    computed_at: datetime


_ROWS: Final = carbon_run_signal.c
_OWN: Final = tuple(field.name for field in fields(Beside))


@dataclass(frozen=True, slots=True)
class Signals:
    """What stands beside the accounts of a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def write(self, key: RunKey, one: Beside) -> int:
        """Write the newest version for a try, its signal and its factors; return its number.

        The try's account has to be there. What was written before stays.
        """
        row: dict[str, Any] = {name: getattr(one, name) for name in _OWN}
        engine = self.ledger.engine
        same = and_(
            is_of(carbon_run_signal, key),
            _ROWS.intensity_signal == one.intensity_signal,
            _ROWS.intensity_factor_type == one.intensity_factor_type,
        )
        with (
            reporting(engine.url),
            engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
        ):
            lock_try(connection, key)
            newest = connection.scalar(select(func.max(_ROWS.version)).where(same)) or 0
            connection.execute(
                insert(carbon_run_signal).values(values_of(key) | row | {"version": newest + 1})
            )
        return newest + 1

    def of(self, key: RunKey) -> list[Beside]:
        """Return the newest of each signal and factor type, by these."""
        asked = (
            select(carbon_run_signal)
            .where(is_of(carbon_run_signal, key))
            .order_by(_ROWS.intensity_signal, _ROWS.intensity_factor_type, _ROWS.version)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            rows = connection.execute(asked).mappings().all()
        newest = {(row["intensity_signal"], row["intensity_factor_type"]): row for row in rows}
        return [Beside(**{name: row[name] for name in _OWN}) for row in newest.values()]
