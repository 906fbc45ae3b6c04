"""The condition that a ledger is in, found out without changing it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import func, insert, select, text

from airflow_carbon import clock
from airflow_carbon.ledger.engine import connect, parse, reporting
from airflow_carbon.ledger.migrate import IMMEDIATE, REVISIONS, check_known, place, version
from airflow_carbon.ledger.schema import carbon_issue, carbon_run

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import URL, Connection, Engine

PATIENCE_S: Final = 3
"""How long another writer may hold a ledger that is looked at [s]."""

ENOUGH: Final = 256 * 1024
"""What is written, and taken back, to see that there is room [bytes]."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """What is known of a ledger that can be reached and written.

    ``version`` is that of its tables, None where there are none; ``clocks`` are this machine's
    and the database's at one moment, None where it has no clock of its own.
    """

    where: str
    version: str | None = None
    runs: int = 0
    issues: int = 0
    clocks: tuple[datetime, datetime] | None = None


def look(url: str | URL) -> Condition:
    """Return the condition of the ledger; what is written on trial is taken back.

    Raises:
        LedgerError: it can't be reached or written, or its tables are newer than this package.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite" and not Path(str(parsed.database)).exists():
        _check_folder(parsed)
        return Condition(where=place(parsed))
    with reporting(parsed):
        engine = connect(parsed, busy_s=PATIENCE_S)
        try:
            found = version(engine)
            check_known(engine, found)
            _try_writing(engine, current=found == REVISIONS[-1])
            return _read(engine, found)
        finally:
            engine.dispose()


def _read(engine: Engine, found: str | None) -> Condition:
    where = place(engine.url)
    with engine.connect() as connection:
        clocks = None
        if engine.dialect.name == "postgresql":
            theirs: datetime = connection.scalars(select(func.clock_timestamp())).one()
            clocks = clock.now(), theirs
        if found != REVISIONS[-1]:
            return Condition(where=where, version=found, clocks=clocks)
        runs, issues = (
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (carbon_run, carbon_issue)
        )
    return Condition(where=where, version=found, runs=runs, issues=issues, clocks=clocks)


def _try_writing(engine: Engine, *, current: bool) -> None:
    """Write so much that it reaches the disk, and take it back."""
    with engine.execution_options(**{IMMEDIATE: True}).connect() as connection:
        _prepare(connection)
        if current:
            at = clock.now()
            row = {
                **dict.fromkeys(
                    ("source", "zone", "signal", "factor_type"), "airflow-carbon doctor"
                ),
                **dict.fromkeys(("issued_at", "begins_at"), at),
                "step_s": 1.0,
                "filled": 0,
                "g_per_kwh": bytes(ENOUGH),
            }
            connection.execute(insert(carbon_issue).values(row))
        else:
            connection.execute(text("CREATE TABLE carbon_doctor (kept TEXT)"))
        connection.rollback()


def _prepare(connection: Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{PATIENCE_S}s'"))
    else:
        connection.execute(text("PRAGMA cache_size = 8"))  # pages: the rest goes to the disk


def _check_folder(url: URL) -> None:
    """See that the file could be made; a file that is tried is gone again."""
    folder = Path(str(url.database)).absolute().parent
    while not folder.exists():
        folder = folder.parent
    probe = folder / f".carbon-{clock.now():%Y%m%dT%H%M%S%f}"
    with reporting(url):
        try:
            probe.write_bytes(bytes(ENOUGH))
        finally:
            probe.unlink(missing_ok=True)
