"""Reaches the databases that a ledger lives in, and says what to do where it can't."""

from __future__ import annotations

from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.migrate import IMMEDIATE, place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL, Connection, Engine

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


def parse(url: str | URL) -> URL:
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


def connect(url: URL, *, busy_s: float = BUSY_S) -> Engine:
    """Return an engine of a ledger's database; a folder that SQLite needs is made.

    ``busy_s`` is how long a writer waits for SQLite's lock [s].
    """
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, busy_s)
    waiting = {} if "connect_timeout" in url.query else {"connect_timeout": CONNECT_S}
    return create_engine(
        url,
        connect_args=waiting,
        hide_parameters=True,
        isolation_level="READ COMMITTED",
        pool_pre_ping=True,
    )


def _sqlite(url: URL, busy_s: float) -> Engine:
    """Return an engine whose transactions are SQLite's own, not those of Python's driver."""
    database = str(url.database)
    if not database.startswith(("file:", ":memory:")):
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": busy_s}, hide_parameters=True)

    @event.listens_for(engine, "connect")
    def prepare(raw: Any, _record: object) -> None:
        raw.isolation_level = None
        raw.execute("PRAGMA foreign_keys=ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        immediate = connection.get_execution_options().get(IMMEDIATE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if immediate else "BEGIN")

    return engine


@contextmanager
def reporting(url: URL) -> Iterator[None]:
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
