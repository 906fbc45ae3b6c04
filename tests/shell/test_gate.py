"""``RetrainGate``: a model's decay and a budget, and what is no choice."""

from __future__ import annotations

import json

import pytest
from airflow.sdk.exceptions import AirflowFailException
from shell.gates import outcome, ran

from airflow_carbon import RetrainGate
from airflow_carbon.core.errors import InvalidOptionError, LedgerError
from airflow_carbon.core.gate_errors import UnknownFigureError
from airflow_carbon.hooks.ledger import LedgerHook


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


@pytest.fixture
def away(monkeypatch):
    address = "postgres://ada:canary@127.0.0.1:1/x?connect_timeout=2"
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", address)


def gate(metric, **arguments):
    known = {"threshold": 0.2, "model": "churn", "limit": "20 kg"}
    return outcome(RetrainGate, metric=metric, **{**known, **arguments})


def test_it_goes_on_where_a_model_has_decayed_and_the_budget_has_room(ledger):
    xcom, skipped = gate(0.31)

    assert skipped == []
    assert (xcom["goes_on"], xcom["reason"], xcom["metric"]) == (True, "decayed", 0.31)
    assert xcom["budget"]["reason"] == "within"
    assert json.loads(json.dumps(xcom)) == xcom


def test_a_fresh_model_is_not_trained_and_the_ledger_is_not_asked(away):
    xcom, skipped = gate("0.1")

    assert skipped == ["train"]
    assert (xcom["goes_on"], xcom["reason"], xcom["budget"]) == (False, "fresh", None)


def test_an_accuracy_has_decayed_below_its_threshold(ledger):
    assert gate(0.79, threshold=0.8, decayed_if="below").xcom["reason"] == "decayed"
    assert gate(0.81, threshold="0.8", decayed_if="below").xcom["reason"] == "fresh"


def test_a_decayed_model_waits_where_the_budget_is_spent(ledger):
    ran(ledger, "a", grams=30e3)

    xcom, skipped = gate(0.31)

    assert skipped == ["train"]
    assert (xcom["goes_on"], xcom["reason"]) == (False, "over_budget")
    assert xcom["budget"]["used_g"] == 30e3
    with pytest.raises(AirflowFailException, match="over budget"):
        gate(0.31, on_exceed="fail")


@pytest.mark.parametrize("metric", [None, "", "None", float("nan"), "n/a"])
def test_a_metric_that_is_not_there_is_no_choice(ledger, metric):
    with pytest.raises(UnknownFigureError, match="no metric"):
        gate(metric)
    shut, open_ = gate(metric, on_unknown="skip"), gate(metric, on_unknown="go")

    assert (shut.xcom["reason"], shut.skipped) == ("no_metric", ["train"])
    assert (open_.xcom["reason"], open_.xcom["goes_on"]) == ("no_metric", True)


def test_an_open_gate_without_a_metric_still_keeps_the_budget(ledger):
    ran(ledger, "a", grams=30e3)

    xcom, skipped = gate(None, on_unknown="go")

    assert (xcom["reason"], skipped) == ("over_budget", ["train"])


def test_a_ledger_that_is_away_is_no_choice(away):
    with pytest.raises(LedgerError):
        gate(0.31)
    shut, open_ = gate(0.31, on_unknown="skip"), gate(0.31, on_unknown="go")

    assert (shut.xcom["reason"], shut.skipped) == ("ledger_unreachable", ["train"])
    assert (open_.xcom["reason"], open_.xcom["goes_on"]) == ("ledger_unreachable", True)


def test_without_a_limit_the_metric_alone_decides(away):
    xcom, _ = gate(0.31, limit=None)

    assert (xcom["goes_on"], xcom["reason"], xcom["budget"]) == (True, "decayed", None)


@pytest.mark.parametrize(
    "wrong",
    [
        {"threshold": "high"},
        {"decayed_if": "beside"},
        {"limit": "20"},
        {"on_exceed": "warn"},
        {"when": "after"},
    ],
)
def test_a_mistake_breaks_the_parse(wrong):
    with pytest.raises(InvalidOptionError):
        RetrainGate(task_id="gate", **{"metric": 1, "threshold": 0.2, "limit": "1 kg", **wrong})


def test_every_templated_field_is_there():
    gate = RetrainGate(task_id="gate", metric="{{ ti.xcom_pull('psi') }}", threshold=0.2)

    assert set(gate.template_fields) <= set(vars(gate))
