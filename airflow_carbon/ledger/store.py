"""Reads and writes the ledger: the metrics table, in SQLite or PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import (
    Text,
    and_,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
)

from airflow_carbon.ledger.engine import connect, parse, reporting
from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.migrate import IMMEDIATE, REVISIONS, check_known, migrate, version
from airflow_carbon.ledger.schema import KEY, carbon_interval, carbon_run
from airflow_carbon.ledger.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import URL, ColumnElement, Connection, Engine, Insert, RowMapping, Table


@dataclass(frozen=True, slots=True)
class Ledger:
    """The metrics table: one row a try of a task, and the intervals it is made of.

    Use it as a context manager, or ``close`` it. Threads may share one; processes open
    their own. Every method raises ``LedgerError`` where the database does not do as asked.
    """

    engine: Engine

    @classmethod
    def open(cls, url: str | URL) -> Self:
        """Open the ledger, with its tables made or brought up to date where they are behind.

        ``url`` is SQLAlchemy's. For SQLite the folder is made as well.

        Raises:
            LedgerError: the database can't be reached, or its tables are newer than this
                package. It never shows the password.
        """
        parsed = parse(url)
        with reporting(parsed):
            ledger = cls(connect(parsed))
            try:
                found = version(ledger.engine)
                check_known(ledger.engine, found)
                if found != REVISIONS[-1]:
                    migrate(ledger.engine)
            except BaseException:
                ledger.close()
                raise
        return ledger

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def write(self, entry: Entry, intervals: Sequence[IntervalRow] = ()) -> None:
        """Write a try, in one transaction; what was written of the same try is replaced."""
        key = _values(entry.key)
        row = key | {name: getattr(entry, name) for name in _ENTRY}
        with reporting(self.engine.url), self._writing() as connection:
            connection.execute(upsert(connection, carbon_run, KEY).values(row))
            connection.execute(delete(carbon_interval).where(_is(carbon_interval, entry.key)))
            if intervals and connection.dialect.name == "postgresql":
                connection.execute(_unnested(connection, key, intervals))
            elif intervals:
                connection.execute(insert(carbon_interval), [key | _values(i) for i in intervals])

    def read(self, key: RunKey) -> Entry | None:
        """Return what was written of a try."""
        asked = select(carbon_run).where(_is(carbon_run, key))
        with reporting(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(asked).mappings().one_or_none()
        return None if row is None else _entry(row)

    def intervals(self, key: RunKey) -> list[IntervalRow]:
        """Return the intervals of a try, in the order of time, then of device."""
        columns = [carbon_interval.c[name] for name in _INTERVAL]
        asked = (
            select(*columns)
            .where(_is(carbon_interval, key))
            .order_by(carbon_interval.c.begins_at, carbon_interval.c.device)
        )
        with reporting(self.engine.url), self.engine.connect() as connection:
            return [IntervalRow(**row) for row in connection.execute(asked).mappings()]

    def recent(self, limit: int = 20, dag_id: str | None = None) -> list[Entry]:
        """Return the tries that were submitted last, newest first; of one DAG where named."""
        run = carbon_run.c
        asked = select(carbon_run).order_by(
            run.submitted_at.desc(), run.started_at.desc(), *(run[name].desc() for name in KEY)
        )
        if dag_id is not None:
            asked = asked.where(run.dag_id == dag_id)
        with reporting(self.engine.url), self.engine.connect() as connection:
            return [_entry(row) for row in connection.execute(asked.limit(limit)).mappings()]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
            yield connection


_ENTRY: Final = tuple(field.name for field in fields(Entry) if field.name != "key")
_INTERVAL: Final = tuple(field.name for field in fields(IntervalRow))


def _values(record: RunKey | IntervalRow) -> dict[str, Any]:
    return {name: getattr(record, name) for name in record.__slots__}


def _entry(row: RowMapping) -> Entry:
    key = RunKey(**{name: row[name] for name in KEY})
    return Entry(key=key, **{name: row[name] for name in _ENTRY})


def _is(rows: Table, key: RunKey) -> ColumnElement[bool]:
    return and_(*(rows.c[name] == getattr(key, name) for name in KEY))


def _unnested(
    connection: Connection, key: Mapping[str, Any], intervals: Sequence[IntervalRow]
) -> Insert:
    """Return one insert of all intervals for PostgreSQL: an array in text for each column.

    A third of the time of rows of parameters, and the same with either driver.
    """
    from sqlalchemy.dialects.postgresql import ARRAY  # noqa: PLC0415

    columns = [carbon_interval.c[name] for name in _INTERVAL]
    arrays = []
    for one in columns:
        values = [getattr(interval, one.name) for interval in intervals]
        convert = one.type.bind_processor(connection.dialect)
        text = _array_text(values if convert is None else map(convert, values))
        arrays.append(cast(literal(text, Text), ARRAY(one.type)))
    rows = func.unnest(*arrays).table_valued(*(column(one.name, one.type) for one in columns))
    rows = rows.render_derived()
    constants = [literal(value, carbon_interval.c[name].type) for name, value in key.items()]
    return insert(carbon_interval).from_select(
        [*key, *_INTERVAL], select(*constants, *(rows.c[name] for name in _INTERVAL))
    )


def _array_text(values: Iterable[object]) -> str:
    r"""Write an array as PostgreSQL reads it.

    Reference: PostgreSQL 16 documentation, 8.15.6, "Array Input and Output Syntax".

    >>> print(_array_text([0.5, None, 'a "b"']))
    {"0.5",NULL,"a \"b\""}
    """
    return "{" + ",".join("NULL" if v is None else _quoted(str(v)) for v in values) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
