"""A run over time: power above intensity, in as many points as a screen has use for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import Integer, String, case, cast, extract, func, select, type_coerce

from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.rows import is_of
from airflow_carbon.ledger.schema import carbon_interval

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import ColumnElement, Select

    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger

POINTS: Final = 400
"""How many points a device has at most."""

_ROW: Final = carbon_interval.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Stretch:
    """What a device drew on average in ``[begins_at, ends_at)`` [W], and the grid's intensity.

    ``watts`` is None where the energy is missing; ``g_per_kwh`` is weighted by energy.
    """

    device: str
    begins_at: datetime
    ends_at: datetime
    watts: float | None
    g_per_kwh: float | None
    emissions_g: float | None


def course(ledger: Ledger, key: RunKey, *, begin: datetime, end: datetime) -> list[Stretch]:
    """Return a try's stretches by time, then device; the database sums short intervals up.

    Raises:
        LedgerError: the ledger can't be read.
    """
    width = max((end - begin) / POINTS, timedelta(milliseconds=1))
    asked = _statement(key, begin, width, ledger.engine.dialect.name)
    with reporting(ledger.engine.url), ledger.engine.connect() as connection:
        rows = connection.execute(asked).mappings().all()
    return [
        Stretch(
            device=row["device"],
            begins_at=row["begins_at"],
            ends_at=row["ends_at"],
            watts=_ratio(row["joules"], row["seconds"]),
            g_per_kwh=_ratio(row["weighted"], row["priced"]),
            emissions_g=row["emissions_g"],
        )
        for row in rows
    ]


def _statement(key: RunKey, begin: datetime, width: timedelta, dialect: str) -> Select[Any]:
    since = _seconds(_ROW.begins_at, dialect) - begin.timestamp()
    bucket = cast(func.floor(since / width.total_seconds()), Integer).label("bucket")
    length = _seconds(_ROW.ends_at, dialect) - _seconds(_ROW.begins_at, dialect)
    is_priced = _ROW.joules.is_not(None) & _ROW.intensity_g_per_kwh.is_not(None)
    return (
        select(
            bucket,
            _ROW.device,
            func.min(_ROW.begins_at).label("begins_at"),
            func.max(_ROW.ends_at).label("ends_at"),
            func.sum(_ROW.joules).label("joules"),
            func.sum(case((_ROW.joules.is_not(None), length))).label("seconds"),
            func.sum(case((is_priced, _ROW.joules * _ROW.intensity_g_per_kwh))).label("weighted"),
            func.sum(case((is_priced, _ROW.joules))).label("priced"),
            func.sum(_ROW.emissions_g).label("emissions_g"),
        )
        .where(is_of(carbon_interval, key))
        .group_by(bucket, _ROW.device)
        .order_by(func.min(_ROW.begins_at), _ROW.device)
    )


def _seconds(at: ColumnElement[Any], dialect: str) -> ColumnElement[Any]:
    """Return an instant as Unix seconds."""
    if dialect == "postgresql":
        return extract("epoch", at)
    # SQLite keeps text; its days since noon in 4714 BC hold milliseconds.
    return (func.julianday(type_coerce(at, String)) - 2440587.5) * 86400.0


def _ratio(over: float | None, under: float | None) -> float | None:
    return None if over is None or not under else float(over) / float(under)
