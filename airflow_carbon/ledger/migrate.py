"""Reads and raises the version of the ledger's tables in a database."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Final

from sqlalchemy import column, inspect, select, table, text
from sqlalchemy.exc import OperationalError, ProgrammingError

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.schema import VERSION_TABLE

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

REVISIONS: Final = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
"""Every revision in ``migrations/versions``, oldest first: known without importing Alembic."""

IMMEDIATE: Final = "carbon_immediate"
"""Execution option: an SQLite transaction that takes the write lock when it begins."""

ADVISORY_LOCK: Final = 0x6361_7262_6F6E
"""The lock in PostgreSQL that one migration at a time holds: "carbon" in ASCII."""


def place(url: URL) -> str:
    """Return where a ledger is, without password and without options, which may hold one."""
    return url.set(query={}).render_as_string(hide_password=True)


def version(engine: Engine) -> str | None:
    """Return the version of the tables, by one SELECT; None where there are none yet.

    Where it fails, another process may be making the tables just now: so it looks again.
    """
    with engine.connect() as connection:
        try:
            return _stored(connection)
        except (OperationalError, ProgrammingError):
            connection.rollback()
            return _stored(connection) if inspect(connection).has_table(VERSION_TABLE) else None


def migrate(engine: Engine) -> None:
    """Bring the tables up to date, all or nothing; whoever comes meanwhile waits.

    Raises:
        LedgerError: the tables are newer than this package.
    """
    from alembic import command  # noqa: PLC0415 - costly, and seldom needed
    from alembic.config import Config  # noqa: PLC0415

    _journal_ahead(engine)
    with engine.execution_options(**{IMMEDIATE: True}).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ADVISORY_LOCK})
        known = inspect(connection).has_table(VERSION_TABLE)
        check_known(engine, _stored(connection) if known else None)
        config = Config()
        config.set_main_option("script_location", "airflow_carbon.ledger:migrations")
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def check_known(engine: Engine, found: str | None) -> None:
    """Refuse tables that only a newer release can know.

    Raises:
        LedgerError: with what to do about it.
    """
    if found is None or found in REVISIONS:
        return
    fault = (
        f"its tables have version {found!r}, and this release of airflow_carbon knows "
        f"{REVISIONS[-1]!r} at most; upgrade the package here: pip install --upgrade airflow-carbon"
    )
    raise LedgerError(place(engine.url), fault)


def _stored(connection: Connection) -> str | None:
    return connection.scalar(select(column("version_num")).select_from(table(VERSION_TABLE)))


def _journal_ahead(engine: Engine) -> None:
    """Set SQLite's write-ahead log, which is kept in the file: readers and a writer coexist.

    Where another process is about the same, or the disk is read-only, it stays as it is:
    the ledger works either way.
    """
    if engine.dialect.name != "sqlite":
        return
    with closing(engine.raw_connection()) as raw, suppress(sqlite3.OperationalError):
        raw.cursor().execute("PRAGMA journal_mode=WAL")
