"""A ledger that is looked at and pruned, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import create_engine, inspect, text

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.condition import look
from airflow_carbon.ledger.engine import parse
from airflow_carbon.ledger.migrate import REVISIONS
from airflow_carbon.ledger.prune import Part, old, prune
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.versions import Versions

HOUR = timedelta(hours=1)


def test_an_empty_database_is_looked_at_without_a_trace(ledger_url, tmp_path):
    found = look(ledger_url)

    assert (found.version, found.runs) == (None, 0)
    if parse(ledger_url).get_backend_name() == "sqlite":
        assert list(tmp_path.iterdir()) == []
    else:
        assert inspect(create_engine(parse(ledger_url))).get_table_names() == []


def test_the_password_is_not_shown(postgres):
    url = postgres.fresh().update_query_dict({"password": "canary-1", "connect_timeout": "2"})

    assert "canary-1" not in look(url).where


def test_what_is_written_on_trial_is_taken_back(ledger, ledger_url, an_entry):
    ledger.write(an_entry())

    first, second = look(ledger_url), look(ledger_url)

    assert (first.version, first.runs, first.issues) == (REVISIONS[-1], 1, 0)
    assert (second.runs, second.issues) == (1, 0)
    assert (first.clocks is None) == (ledger.engine.dialect.name == "sqlite")


def test_the_servers_clock_is_read_beside_ours(postgres):
    ours, theirs = look(postgres.fresh()).clocks

    assert ours.tzinfo is not None
    assert abs(ours - theirs) < HOUR


def test_a_login_that_may_not_write_is_found_out(postgres):
    url = postgres.fresh()
    Ledger.open(url).close()
    name = url.database
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    with pytest.raises(LedgerError, match="use a login that may write"):
        look(url)


def test_a_run_goes_with_all_that_is_its_own_and_no_other_does(ledger, an_entry, an_interval):
    kept = an_entry(2, ended_at=an_entry().ended_at + HOUR)
    for entry in (an_entry(), an_entry(emissions_g=0.02), kept):
        ledger.write(entry, [an_interval()])
    cut = an_entry().ended_at + HOUR / 2

    counted = old(ledger, cut, list(Part))

    assert prune(ledger, cut, list(Part)) == counted
    assert (counted["carbon_run"], counted["carbon_interval"]) == (1, 1)
    assert counted["carbon_run_superseded"] == counted["carbon_interval_superseded"] == 1
    assert Versions(ledger).of(an_entry().key) == []
    assert ledger.read(kept.key) == kept
    assert len(ledger.intervals(kept.key)) == 1
    with ledger.engine.connect() as connection:
        for table in ("carbon_run_superseded", "carbon_interval_superseded"):
            assert connection.scalar(text(f"SELECT count(*) FROM {table}")) == 0  # noqa: S608
