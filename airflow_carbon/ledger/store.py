"""Reads and writes the ledger: the metrics table, in SQLite or PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import (
    Text,
    cast,
    column,
    delete,
    func,
    insert,
    literal,
    select,
)

from airflow_carbon.ledger.engine import connect, parse, reporting
from airflow_carbon.ledger.entry import IntervalRow
from airflow_carbon.ledger.migrate import IMMEDIATE, REVISIONS, check_known, migrate, version
from airflow_carbon.ledger.rows import ENTRY, INTERVAL, entry_of, is_of, values_of
from airflow_carbon.ledger.schema import KEY, carbon_interval, carbon_run
from airflow_carbon.ledger.upsert import upsert
from airflow_carbon.ledger.versions import supersede

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import URL, Connection, Engine, Insert

    from airflow_carbon.ledger.entry import Entry, RunKey


@dataclass(frozen=True, slots=True)
class Ledger:
    """The metrics table: one row a try of a task, and the intervals it is made of.

    A row is the newest account of its try; :mod:`airflow_carbon.ledger.versions` has the others.

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

    def write(
        self, entry: Entry, intervals: Sequence[IntervalRow] = (), *, expected: int | None = None
    ) -> int | None:
        """Write a try's account as its newest version, in one transaction; return its number.

        What was written of the same try stays as an earlier version. With ``expected``: only
        where that is the newest; None, and nothing is written, where it is not.
        """
        key = values_of(entry.key)
        row = key | {name: getattr(entry, name) for name in ENTRY}
        with reporting(self.engine.url), self._writing() as connection:
            number = supersede(connection, entry.key, expected)
            if number is None:
                return None
            connection.execute(
                upsert(connection, carbon_run, KEY).values(row | {"version": number})
            )
            connection.execute(delete(carbon_interval).where(is_of(carbon_interval, entry.key)))
            if intervals and connection.dialect.name == "postgresql":
                connection.execute(_unnested(connection, key, intervals))
            elif intervals:
                rows = [key | values_of(one) for one in intervals]
                connection.execute(insert(carbon_interval), rows)
        return number

    def read(self, key: RunKey) -> Entry | None:
        """Return the newest account of a try."""
        asked = select(carbon_run).where(is_of(carbon_run, key))
        with reporting(self.engine.url), self.engine.connect() as connection:
            row = connection.execute(asked).mappings().one_or_none()
        return None if row is None else entry_of(row)

    def intervals(self, key: RunKey) -> list[IntervalRow]:
        """Return the intervals of a try by its newest account: by time, then by device."""
        columns = [carbon_interval.c[name] for name in INTERVAL]
        asked = (
            select(*columns)
            .where(is_of(carbon_interval, key))
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
            return [entry_of(row) for row in connection.execute(asked.limit(limit)).mappings()]

    def of_run(self, dag_id: str, run_id: str) -> list[Entry]:
        """Return the tries of a DAG run, in the order in which they began."""
        run = carbon_run.c
        asked = (
            select(carbon_run)
            .where(run.dag_id == dag_id, run.run_id == run_id)
            .order_by(run.started_at, *(run[name] for name in KEY))
        )
        with reporting(self.engine.url), self.engine.connect() as connection:
            return [entry_of(row) for row in connection.execute(asked).mappings()]

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with self.engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
            yield connection


def _unnested(
    connection: Connection, key: Mapping[str, Any], intervals: Sequence[IntervalRow]
) -> Insert:
    """Return one insert of all intervals for PostgreSQL: an array in text for each column.

    A third of the time of rows of parameters, and the same with either driver.
    """
    from sqlalchemy.dialects.postgresql import ARRAY  # noqa: PLC0415

    columns = [carbon_interval.c[name] for name in INTERVAL]
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
        [*key, *INTERVAL], select(*constants, *(rows.c[name] for name in INTERVAL))
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
