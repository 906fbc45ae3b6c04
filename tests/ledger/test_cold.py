"""The archive, opened for each question: it reads what others keep, and makes nothing."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import make_url
from strategies import T0, forecast_of, series_of

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.cold import ColdArchive

HOUR = timedelta(hours=1)


def test_what_is_kept_is_read_and_nothing_is_kept(ledger, ledger_url):
    archive, cold = Archive(ledger), ColdArchive(ledger_url)
    archive.keep(forecast_of([1.0, 2.0], source="one"))
    archive.keep_actuals("one", series_of([3.0, 4.0]))
    cold.keep(forecast_of([9.0], source="two"))
    cold.keep_actuals("two", series_of([9.0]))

    assert list(cold.last("one", "DE").series.g_per_kwh) == [1.0, 2.0]
    assert len(cold.issues("one", "DE", since=T0 - HOUR, every=HOUR)) == 1
    actuals = cold.actuals("one", "DE", begin=T0, end=T0 + 2 * HOUR)
    assert list(actuals.g_per_kwh) == [3.0, 4.0]
    assert archive.last("two", "DE") is None


def test_a_ledger_that_nobody_made_is_not_made(ledger_url):
    with pytest.raises(LedgerError):
        ColdArchive(ledger_url).last("one", "DE")

    url = make_url(ledger_url)
    if url.get_backend_name() == "sqlite":
        assert not Path(url.database).exists()


def test_a_server_that_is_away_is_not_waited_for():
    away = ColdArchive("postgresql://nobody@127.0.0.1:9/nothing")

    with pytest.raises(LedgerError):
        away.last("one", "DE")
