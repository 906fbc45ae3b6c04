"""The footprint in a message: from the ledger, from XCom, from nowhere; and to a webhook."""

from __future__ import annotations

import json
import logging
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG
from airflow.sdk.definitions.connection import Connection
from remembered import past_entry
from servers.web import Say, serving

from airflow_carbon import CarbonNotifier, footprint_text
from airflow_carbon.core.errors import InvalidOptionError, ServiceUnavailableError
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.notifications.footprint import webhook_url

KNOWN = {"energy_kwh": 2.0, "energy_method": "counter", "emissions_g": 900.0}


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


def context(task_id="train", xcom=None, map_index=-1):
    def pull(*, task_ids, key, map_indexes):
        assert (task_ids, map_indexes) == (task_id, map_index)
        return (xcom or {}).get(key)

    ti = SimpleNamespace(
        dag_id="nightly", run_id="day0", task_id=task_id, map_index=map_index, xcom_pull=pull
    )
    return {"ti": ti, "dag_run": SimpleNamespace(dag_id="nightly", run_id="day0")}


def test_a_task_is_told_of_with_all_its_tries_and_nothing_else(ledger):
    for number, grams in ((1, 100.0), (2, 200.0)):
        ledger.write(past_entry(try_number=number, emissions_g=grams))
    ledger.write(past_entry(task_id="other", emissions_g=7000.0))
    ledger.write(past_entry(run_id="day1", emissions_g=7000.0))
    ledger.write(past_entry(map_index=3, emissions_g=40.0))

    said = footprint_text(context())
    assert said.startswith("nightly.train used 2 kWh (x) and emitted 300 g CO2eq")
    assert "not known: x" in said
    assert "emitted 40 g" in footprint_text(context(map_index=3))


def test_a_task_that_is_not_in_the_ledger_tells_of_its_run(ledger):
    ledger.write(past_entry(emissions_g=100.0, baseline_g=300.0, delta_g=-200.0))
    ledger.write(past_entry(task_id="other", emissions_g=50.0, baseline_g=40.0, delta_g=10.0))

    of_dag = {"reason": "task_success", "run_id": "day0", "dag": DAG("nightly", schedule=None)}
    for asked in (context("notify"), of_dag, {**context("train"), "reason": "task_success"}):
        said = footprint_text(asked)
        assert said.startswith("nightly (day0) used 2 kWh (x) and emitted 150 g")
        assert "baseline: -190 g (-56 %) against 340 g, x." in said


def test_an_xcom_serves_where_the_ledger_has_nothing_and_its_lack_is_said(ledger):
    assert "train used 2 kWh" in footprint_text(context(xcom={"carbon_footprint": KNOWN}))
    assert "train used 2 kWh" in footprint_text(context(xcom={"return_value": KNOWN}))
    for nothing in ({}, {"return_value": 7}):
        said = footprint_text(context(xcom=nothing))
        assert said == "What nightly (day0) used and emitted is not known: it is not in the ledger."


def test_a_ledger_that_is_away_costs_the_figures_and_not_the_message(monkeypatch, caplog):
    value = json.dumps({"conn_type": "sqlite", "host": "/proc/nowhere/carbon.db"})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)

    assert "is not known" in footprint_text(context())
    assert "the ledger can't be read" in caplog.text


def test_it_is_a_macro_of_a_dag(ledger):
    ledger.write(past_entry(emissions_g=100.0))
    dag = DAG("nightly", schedule=None, user_defined_macros={"footprint_text": footprint_text})

    said = dag.get_template_env().from_string("{{ footprint_text() }}").render(**context())
    assert said.startswith("nightly.train used 1 kWh")


def test_a_context_of_nothing_is_refused():
    with pytest.raises(InvalidOptionError, match="the context of a task or of a DAG"):
        footprint_text({})


@pytest.fixture
def webhook(monkeypatch):
    with serving() as web:
        url = f"{web.url}/s3cret"
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "password": url}))
        yield web


def test_the_notifier_logs_the_text_and_posts_it(ledger, webhook, caplog):
    ledger.write(past_entry())
    webhook.routes["/s3cret"] = "ok"
    notify = CarbonNotifier(message="{{ ti.task_id }} is done.", http_conn_id="chat")
    with caplog.at_level(logging.INFO):
        notify(context())

    (ask,) = webhook.asked
    assert ask.method == "POST"
    assert ask.body["text"].startswith("train is done. nightly.train used 1 kWh")
    assert list(ask.body) == ["text"]


@pytest.mark.parametrize("answer", [Say(404), Say(500, "busy"), None])
def test_a_webhook_that_does_not_take_it_is_an_error_without_its_url(
    ledger, webhook, caplog, monkeypatch, answer
):
    webhook.routes["/s3cret"] = answer
    if answer is None:
        url = "http://127.0.0.1:1/s3cret"
        monkeypatch.setenv("AIRFLOW_CONN_CHAT", json.dumps({"conn_type": "http", "password": url}))
    with pytest.raises(ServiceUnavailableError) as raised:
        CarbonNotifier(http_conn_id="chat")(context())

    assert "chat" in str(raised.value)
    assert "s3cret" not in f"{raised.value!r} {caplog.text}"


@pytest.mark.parametrize(
    ("fields", "url"),
    [
        ({"password": "https://chat/x/y"}, "https://chat/x/y"),
        ({"host": "chat", "port": 8443, "extra": {"path": "/x"}}, "https://chat:8443/x"),
        ({"host": "http://chat", "extra": {"path": "x"}}, "http://chat/x"),
        ({"host": "chat", "schema": "http"}, "http://chat/"),
    ],
)
def test_the_url_of_a_webhook_is_its_password_or_its_parts(fields, url):
    extra = json.dumps(fields.pop("extra", {}))

    assert webhook_url(Connection(conn_id="c", conn_type="http", extra=extra, **fields)) == url


def test_a_webhook_without_a_url_is_refused():
    with pytest.raises(InvalidOptionError, match="write the webhook's URL"):
        webhook_url(Connection(conn_id="c", conn_type="http"))
