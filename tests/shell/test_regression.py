"""``EnergyRegressionOperator``: a real ledger, and runs that take more than they used to."""

from __future__ import annotations

import json

import pytest
from airflow.sdk.exceptions import AirflowFailException
from shell.gates import outcome, ran

from airflow_carbon import EnergyRegressionOperator
from airflow_carbon.core.errors import InvalidOptionError, LedgerError
from airflow_carbon.core.gate_errors import EnergyRegressionError, UnknownFigureError
from airflow_carbon.hooks.ledger import LedgerHook


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


def trained(ledger, run_id, joules, ago=0.0, **fields):
    """Write a training of ten epochs."""
    known = {"functional_unit": "epoch", "functional_units": 10.0, "return_code": 0}
    ran(ledger, run_id, ago=ago, energy_j=10 * joules, **{**known, **fields})


@pytest.fixture
def past(ledger):
    for number, joules in enumerate([100, 102, 98, 101, 99, 100, 900]):
        trained(ledger, f"r{number}", joules, ago=10 + number)


def alarm(**arguments):
    return outcome(EnergyRegressionOperator, **arguments)


def test_an_epoch_that_takes_as_much_as_ever_is_usual(ledger, past):
    trained(ledger, "now", 110)

    xcom, skipped = alarm()

    assert (xcom["reason"], xcom["goes_on"], skipped) == ("usual", True, [])
    found = xcom["findings"]["train"]
    assert (found["unit"], found["median_j"], found["runs"]) == ("epoch", 100, 7)
    assert found["change_percent"] == pytest.approx(10)
    assert json.loads(json.dumps(xcom)) == xcom


def test_an_epoch_that_takes_a_third_more_is_an_alarm(ledger, past):
    trained(ledger, "now", 133)

    with pytest.raises(AirflowFailException, match="133 J per epoch, \\+33 %") as caught:
        alarm()
    assert isinstance(caught.value.__cause__, EnergyRegressionError)
    assert alarm(on_regression="skip").skipped == ["train"]
    xcom, _ = alarm(on_regression="warn")
    assert (xcom["reason"], xcom["goes_on"]) == ("regressed", True)
    assert alarm(tolerance="50%").xcom["reason"] == "usual"


def test_other_hardware_is_said(ledger, past):
    trained(ledger, "now", 133, device_names="GPU-1 (T4)")

    with pytest.raises(AirflowFailException, match="other devices"):
        alarm()
    assert alarm(on_regression="warn").xcom["findings"]["train"]["other_devices"] is True


def test_of_few_runs_there_is_no_alarm(ledger, past):
    trained(ledger, "now", 5000)

    xcom, _ = alarm(least_runs=8)
    assert (xcom["reason"], xcom["goes_on"]) == ("too_few", True)


def test_each_mapped_training_is_a_finding_of_its_own(ledger, past):
    trained(ledger, "now", 100, map_index=0)
    trained(ledger, "now", 200, map_index=1)

    findings = alarm(on_regression="warn").xcom["findings"]
    assert {name: one["trend"] for name, one in findings.items()} == {
        "train[0]": "usual",
        "train[1]": "regressed",
    }
    assert list(alarm(map_index=0).xcom["findings"]) == ["train[0]"]


def test_a_run_without_a_figure_is_not_a_usual_one(ledger, past):
    trained(ledger, "now", 100, functional_units=None)

    with pytest.raises(UnknownFigureError, match="functional_units="):
        alarm()
    assert alarm(on_unknown="go").xcom["reason"] == "no_figure"
    assert alarm(on_regression="warn").xcom["goes_on"] is True


def test_another_models_work_does_not_count(ledger, past):
    trained(ledger, "now", 100)

    with pytest.raises(UnknownFigureError):
        alarm(model="fraud")
    assert alarm(model="churn").xcom["reason"] == "usual"


def test_a_ledger_that_is_away_is_no_finding(monkeypatch):
    address = "postgres://ada:canary@127.0.0.1:1/x?connect_timeout=2"
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", address)

    with pytest.raises(LedgerError):
        alarm()
    assert alarm(on_unknown="go").xcom["reason"] == "ledger_unreachable"


@pytest.mark.parametrize(
    "wrong", [{"tolerance": "lots"}, {"runs": -1}, {"least_runs": "x"}, {"on_regression": "cry"}]
)
def test_a_mistake_breaks_the_parse(wrong):
    with pytest.raises(InvalidOptionError, match=next(iter(wrong))):
        EnergyRegressionOperator(task_id="alarm", **wrong)


def test_every_templated_field_is_there():
    operator = EnergyRegressionOperator(task_id="alarm")

    assert set(operator.template_fields) <= set(vars(operator))
