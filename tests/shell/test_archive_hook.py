"""The hook keeps what services issue in the ledger, and goes on where it can't."""

from __future__ import annotations

import asyncio
import json

import pytest
from servers.web import serving

from airflow_carbon import clock
from airflow_carbon.core.policy import flexibility
from airflow_carbon.hooks.archive import ARCHIVES, Archives
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.services.flight import ANSWERS
from airflow_carbon.services.memory import LAST_ISSUES


@pytest.fixture
def flex():
    return flexibility(submitted=clock.now(), duration="1h", max_delay="12h")


@pytest.fixture
def web():
    def route(_):
        first = clock.now().replace(minute=0, second=0, microsecond=0)
        hours = [first.replace(hour=0).timestamp() + 3600 * hour for hour in range(72)]
        quarters = [int(at + 900 * i) for at in hours for i in range(4)]
        return {
            "unix_seconds": quarters,
            "co2eq": [300.0 if at < clock.now().timestamp() - 900 else None for at in quarters],
            "co2eq_forecast": [310.0] * len(quarters),
        }

    with serving() as server:
        server.routes = {"/co2eq": route}
        yield server


@pytest.fixture(autouse=True)
def a_new_process():
    """Forget what this process was told."""
    for memory in (ANSWERS.known, LAST_ISSUES.issues, ARCHIVES.opened, ARCHIVES.failed):
        memory.clear()


@pytest.fixture
def hook(monkeypatch, web):
    extra = {"sources": "energy_charts", "energy_charts_url": web.url}
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GRID", value)
    return CarbonHook("grid")


@pytest.fixture
def ledger_at(monkeypatch):
    def put(path):
        value = json.dumps({"conn_type": "sqlite", "host": str(path)})
        monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
        return f"sqlite:///{path}"

    return put


def ask(hook, flex, colour):
    if colour == "sync":
        return hook.forecast("DE", flex)
    return asyncio.run(hook.aforecast("DE", flex))


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_what_is_issued_is_in_the_ledger(hook, flex, ledger_at, tmp_path, colour):
    url = ledger_at(tmp_path / "carbon.db")

    forecast = ask(hook, flex, colour)

    assert forecast.source == "energy_charts"
    with Ledger.open(url) as ledger:
        assert Archive(ledger).last("energy_charts", "DE") is not None
        begin = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        assert Archive(ledger).actuals("energy_charts", "DE", begin=begin, end=clock.now())


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_ledger_that_can_not_be_had_costs_a_warning(  # noqa: PLR0917
    hook, flex, ledger_at, tmp_path, caplog, colour
):
    ledger_at(tmp_path)  # a folder

    for _ in range(3):
        assert ask(hook, flex, colour).source == "energy_charts"

    assert caplog.text.count("forecasts are not archived") == 1


@pytest.mark.parametrize("colour", ["sync", "async"])
def test_a_ledger_of_a_type_that_can_not_be_costs_a_warning(
    hook, flex, monkeypatch, capsys, colour
):
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps({"conn_type": "mysql"}))

    assert ask(hook, flex, colour).source == "energy_charts"
    assert "forecasts are not archived" in capsys.readouterr().out


def test_without_the_archive_nothing_is_written(web, flex, ledger_at, tmp_path, monkeypatch):
    ledger_at(tmp_path / "carbon.db")
    extra = {
        "sources": "energy_charts", "energy_charts_url": web.url, "archive_issues": "false",
    }  # fmt: skip
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_GRID", value)

    assert CarbonHook("grid").forecast("DE", flex).quality == "issued"
    assert not (tmp_path / "carbon.db").exists()


def test_a_ledger_is_opened_once_in_a_process(tmp_path):
    archives, url = Archives(), f"sqlite:///{tmp_path / 'carbon.db'}"

    first = archives.at(url, keep=clock.LONGEST_NAP)

    assert first is archives.at(url, keep=clock.LONGEST_NAP)
    first.ledger.close()
