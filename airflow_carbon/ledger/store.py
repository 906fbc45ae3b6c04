"""Reads and writes the ledger: the metrics table, in SQLite or PostgreSQL."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, fields
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from sqlalchemy import (
    Text,
    and_,
    cast,
    column,
    create_engine,
    delete,
    event,
    func,
    insert,
    literal,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.migrate import IMMEDIATE, REVISIONS, check_known, migrate, place, version
from airflow_carbon.ledger.schema import KEY, carbon_interval, carbon_run

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from types import TracebackType

    from sqlalchemy import URL, ColumnElement, Connection, Engine, Insert, RowMapping, Table
    from sqlalchemy.dialects import postgresql, sqlite

BUSY_S: Final = 60
"""How long a writer waits for SQLite's one write lock [s]."""

CONNECT_S: Final = 10
"""How long PostgreSQL may take to answer at first [s]; ``connect_timeout`` in the URL wins."""

DRIVERS: Final = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg2", "postgresql+psycopg")

REMEDIES: Final = (
    ("readonly database", "make the file and its folder writable for this user"),
    ("read-only transaction", "use a login that may write, on a server that is no replica"),
    ("disk is full", "free space on its disk"),
    ("disk i/o error", "see that its disk is sound and has space left"),
    ("no space left", "free space on its disk"),
    ("unable to open database file", "see that its folder is there and writable for this user"),
    ("file exists", "a file stands where its folder should be: move it, or name another folder"),
    ("not a directory", "a file stands where a folder should be: move it, or name another folder"),
    ("file is not a database", "it is no SQLite file: move it away, or name another"),
    ("database is locked", "another process holds it: try again, or use PostgreSQL"),
    ("no such table", "a table is missing: restore the file, or move it away to begin anew"),
    ("unique constraint", "two intervals of one device begin at the same instant"),
    ("authentication failed", "mend login and password of its connection"),
    ("no password supplied", "give its connection a password"),
    ("permission denied", "give this user or login the right to write there"),
    ("does not exist", "create it first, or mend its name in the connection"),
    ("could not translate host name", "mend the host of its connection"),
    ("connection", "see that the server runs, and that carbon_ledger has its host and port"),
)
"""What to do, by what the database says; the first that fits."""


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
        parsed = _parse(url)
        with _reporting(parsed):
            ledger = cls(_engine(parsed))
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
        with _reporting(self.engine.url), self._writing() as connection:
            connection.execute(_upsert(connection).values(row))
            connection.execute(delete(carbon_interval).where(_is(carbon_interval, entry.key)))
            if intervals and connection.dialect.name == "postgresql":
                connection.execute(_unnested(connection, key, intervals))
            elif intervals:
                connection.execute(insert(carbon_interval), [key | _values(i) for i in intervals])

    def read(self, key: RunKey) -> Entry | None:
        """Return what was written of a try."""
        asked = select(carbon_run).where(_is(carbon_run, key))
        with _reporting(self.engine.url), self.engine.connect() as connection:
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
        with _reporting(self.engine.url), self.engine.connect() as connection:
            return [IntervalRow(**row) for row in connection.execute(asked).mappings()]

    def recent(self, limit: int = 20, dag_id: str | None = None) -> list[Entry]:
        """Return the tries that were submitted last, newest first; of one DAG where named."""
        run = carbon_run.c
        asked = select(carbon_run).order_by(
            run.submitted_at.desc(), run.started_at.desc(), *(run[name].desc() for name in KEY)
        )
        if dag_id is not None:
            asked = asked.where(run.dag_id == dag_id)
        with _reporting(self.engine.url), self.engine.connect() as connection:
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


def _upsert(connection: Connection) -> sqlite.Insert | postgresql.Insert:
    """Return the insert that replaces: it holds the row, so two writers of a try take turns."""
    statement = _dialect_insert(connection)
    return statement.on_conflict_do_update(
        index_elements=list(KEY), set_={name: statement.excluded[name] for name in _ENTRY}
    )


def _dialect_insert(connection: Connection) -> sqlite.Insert | postgresql.Insert:
    if connection.dialect.name == "postgresql":
        from sqlalchemy.dialects import postgresql  # noqa: PLC0415 - only where it is in use

        return postgresql.insert(carbon_run)
    from sqlalchemy.dialects import sqlite  # noqa: PLC0415

    return sqlite.insert(carbon_run)


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


def _parse(url: str | URL) -> URL:
    """Return a URL of a database that a ledger can live in.

    Raises:
        LedgerError: there is no such database.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        fault = "it is no URL; write 'sqlite:////folder/carbon.db' or 'postgresql://host/database'"
        raise LedgerError("an address that can't be read", fault) from None
    if parsed.drivername in {"postgres", "postgresql"}:  # SQLAlchemy 2.1 would insist on psycopg 3
        driver = "psycopg2" if find_spec("psycopg2") else "psycopg"
        parsed = parsed.set(drivername=f"postgresql+{driver}")
    if parsed.drivername not in DRIVERS:
        fault = "a ledger lives in SQLite, or in PostgreSQL by way of psycopg2 or psycopg"
        raise LedgerError(place(parsed), fault)
    if parsed.get_backend_name() == "sqlite" and not parsed.database:
        raise LedgerError(place(parsed), "it names no file, and would be lost at the end")
    return parsed


def _engine(url: URL) -> Engine:
    if url.get_backend_name() == "sqlite":
        return _sqlite(url)
    waiting = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_S}
    return create_engine(
        url,
        connect_args=waiting,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
    )


def _sqlite(url: URL) -> Engine:
    """Return an engine whose transactions are SQLite's own, not those of Python's driver."""
    database = str(url.database)
    if not database.startswith(("file:", ":memory:")):
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_S}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def connect(raw: Any, _record: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextmanager
def _reporting(url: URL) -> Iterator[None]:
    """Turn what the database says into a ``LedgerError`` that says what to do."""
    try:
        yield
    except ModuleNotFoundError as exc:
        fault = f"{exc.name} is not installed; pip install 'airflow-carbon[postgres]'"
        raise LedgerError(place(url), fault) from exc
    except (SQLAlchemyError, OSError, ValueError, OverflowError) as exc:
        raise LedgerError(place(url), _fault(exc)) from exc


def _fault(error: Exception) -> str:
    line = " ".join(str(getattr(error, "orig", None) or error).split())
    remedy = next((remedy for sign, remedy in REMEDIES if sign in line.lower()), None)
    return f"{line}; {remedy}" if remedy else line
