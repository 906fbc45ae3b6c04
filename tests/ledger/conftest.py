"""A fresh database for each test: a file of SQLite, and a real PostgreSQL."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING

import pgserver
import pytest
from sqlalchemy import create_engine, make_url, text

from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.store import Ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import URL

T0 = datetime(2026, 3, 28, 22, 30, 15, 123456, tzinfo=UTC)
"""The night in which Europe's clocks change."""

SECOND = timedelta(seconds=1)

GUARDED = "guarded"
"""A login of the server that must give a password; the others need none."""


class Server:
    """A PostgreSQL of the tests' own."""

    def __init__(self, url: URL) -> None:
        self.url = url
        self.numbers = count()

    def run(self, *statements: str) -> None:
        engine = create_engine(self.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
        engine.dispose()

    def fresh(self) -> URL:
        name = f"ledger_{next(self.numbers)}"
        self.run(f"CREATE DATABASE {name}")
        return self.url.set(database=name)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    # not pytest's folder: the server runs as a user of its own, who may not look into that
    folder = tempfile.mkdtemp(prefix="ledger-")
    process = pgserver.get_server(folder)
    url = make_url(process.get_uri()).set(drivername="postgresql+psycopg2")
    server = Server(url)
    rules = process.pgdata / "pg_hba.conf"
    rules.write_text(f"local all {GUARDED} scram-sha-256\n{rules.read_text()}")
    server.run(f"CREATE ROLE {GUARDED} LOGIN PASSWORD 'right'", "SELECT pg_reload_conf()")
    yield server
    # Its own cleanup waits a minute for a process that nobody reaps where init does not.
    process.cleanup_mode = None
    process.cleanup()
    os.kill(int((process.pgdata / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request, tmp_path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'carbon.db'}"
    return request.getfixturevalue("postgres").fresh().render_as_string(hide_password=False)


@pytest.fixture
def url(ledger_url) -> str:
    return ledger_url


@pytest.fixture
def ledger(ledger_url) -> Iterator[Ledger]:
    with Ledger.open(ledger_url) as opened:
        yield opened


def entry_of(try_number=1, **fields) -> Entry:
    """A run of which nothing is known that need not be."""
    key = RunKey(dag_id="train", task_id="gpu", run_id="manual__1", try_number=try_number)
    known = {
        "key": key,
        "submitted_at": T0,
        "started_at": T0 + SECOND,
        "ended_at": T0 + 3 * SECOND,
        "zone": "SE-SE3",
        "device_names": "GPU-1 (H200), cpu",
        "energy_j": 1234.5,
        "energy_method": "counter+model",
        "coverage": 1.0,
        "pue": 1.16,
        "pue_source": "published",
        "emissions_g": 0.01,
        "emissions_low_g": 0.008,
        "emissions_high_g": 0.012,
        "intensity_source": "typical",
        "intensity_quality": "climatology",
        "intensity_signal": "average",
        "intensity_factor_type": "lifecycle",
        "baseline_method": "no source knows the default region's intensity at submission",
        "computed_at": T0 + 9 * SECOND,
        "package_version": "0.1.0",
    }
    return Entry(**{**known, **fields})


def interval_of(second=0, device="GPU-1", **fields) -> IntervalRow:
    known = {
        "device": device,
        "begins_at": T0 + second * SECOND,
        "ends_at": T0 + (second + 1) * SECOND,
        "joules": 700.25,
        "quality": "counter",
        "intensity_g_per_kwh": 24.7,
        "emissions_g": 0.005,
    }
    return IntervalRow(**{**known, **fields})


@pytest.fixture
def an_entry():
    return entry_of


@pytest.fixture
def an_interval():
    return interval_of
