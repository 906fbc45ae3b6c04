"""Between records and rows of ``carbon_run`` and ``carbon_interval``."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_

from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.schema import KEY

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, RowMapping, Table

ENTRY: Final = tuple(field.name for field in fields(Entry) if field.name != "key")
INTERVAL: Final = tuple(field.name for field in fields(IntervalRow))


def values_of(record: RunKey | IntervalRow) -> dict[str, Any]:
    """Return a record's columns."""
    return {name: getattr(record, name) for name in record.__slots__}


def entry_of(row: RowMapping) -> Entry:
    """Return the record of a row, of whichever version."""
    key = RunKey(**{name: row[name] for name in KEY})
    return Entry(key=key, **{name: row[name] for name in ENTRY})


def is_of(rows: Table, key: RunKey) -> ColumnElement[bool]:
    """Return that rows are of a try."""
    return and_(*(rows.c[name] == getattr(key, name) for name in KEY))
