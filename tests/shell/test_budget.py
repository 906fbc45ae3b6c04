"""``CarbonBudgetOperator``: a real ledger, a DAG, a task run by hand."""

from __future__ import annotations

import json

import pytest
from airflow.sdk.exceptions import AirflowFailException
from shell.gates import outcome, ran

from airflow_carbon import CarbonBudgetOperator
from airflow_carbon.core.errors import InvalidOptionError, LedgerError
from airflow_carbon.core.gate_errors import BudgetExceededError, UnknownFigureError
from airflow_carbon.hooks.ledger import LedgerHook


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


@pytest.fixture
def away(monkeypatch):
    """A ledger that does not answer."""
    address = "postgres://ada:canary@127.0.0.1:1/x?connect_timeout=2"
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", address)


def budget(run_id="now", map_index=-1, pushed=None, **arguments):
    known = {"limit": "20 kg", "model": "churn"}
    return outcome(CarbonBudgetOperator, run_id, map_index, pushed, **{**known, **arguments})


def test_a_month_that_has_room_lets_the_training_through(ledger):
    for number in range(3):
        ran(ledger, f"r{number}", grams=1000.0 * (number + 1))

    xcom, skipped = budget(on_exceed="skip")

    assert skipped == []
    assert (xcom["goes_on"], xcom["reason"], xcom["runs"]) == (True, "within", 3)
    assert (xcom["used_g"], xcom["expected_g"]) == (6000, 2000)
    assert xcom["left_g"] == pytest.approx(12000)
    assert json.loads(json.dumps(xcom)) == xcom


def test_a_month_without_room_for_the_next_run_skips_what_stands_right_behind(ledger):
    ran(ledger, "a", grams=11e3)

    xcom, skipped = budget(on_exceed="skip")

    assert skipped == ["train"]
    assert (xcom["goes_on"], xcom["reason"]) == (False, "over_budget")
    assert xcom["counted_g"] == 22e3
    assert xcom["left_g"] == -2e3


def test_a_mapped_budget_skips_by_what_it_pushed(ledger):
    ran(ledger, "a", grams=30e3, map_index=2)

    assert budget(on_exceed="skip", map_index=2).skipped == ["train"]


def test_a_warning_goes_on(ledger, capsys):
    ran(ledger, "a", grams=30e3)

    xcom, skipped = budget(on_exceed="warn")

    assert (xcom["goes_on"], xcom["reason"], skipped) == (True, "over_budget", [])
    assert "goes on all the same: 30 kg used of 20 kg per month" in capsys.readouterr().out


def test_a_failure_is_not_tried_again_and_says_what_to_do(ledger):
    ran(ledger, "a", grams=30e3)
    pushed = {}

    with pytest.raises(AirflowFailException, match="raise limit=") as caught:
        budget(pushed=pushed)

    assert isinstance(caught.value.__cause__, BudgetExceededError)
    assert pushed["return_value"]["reason"] == "over_budget"


def test_trainings_that_ask_at_the_same_time_share_what_is_left(ledger):
    ran(ledger, "a", grams=6e3)

    answers = [budget(f"r{i}", on_exceed="skip").xcom["reason"] for i in range(4)]

    assert answers == ["within", "within", "over_budget", "over_budget"]


def test_the_first_training_of_a_model_is_not_stopped_for_want_of_a_past(ledger):
    xcom, _ = budget()

    assert (xcom["reason"], xcom["expected_g"], xcom["used_g"]) == ("within", None, 0)


def test_what_is_expected_may_be_said_or_planned(ledger):
    ran(ledger, "a", grams=1e3)  # of 1 kWh
    plan = {"region": "polandcentral", "mean_g_per_kwh": 700.0}
    chosen = {"region": "polandcentral", "mean_g_per_kwh": 700.0, "g_per_it_kwh": 800.0}

    def expected(**arguments):
        return budget(**arguments).xcom["expected_g"]

    assert expected() == 1000
    assert expected(expected="3 kg") == 3000
    assert expected(plan=plan) == pytest.approx(700 * 1.12)
    assert expected(plan=json.dumps(chosen)) == pytest.approx(800)
    assert expected(plan={"zone": "FR", "mean_g_per_kwh": 100.0}) == pytest.approx(118)
    assert expected(plan={"zone": "FR", "mean_g_per_kwh": None}) == 1000
    with pytest.raises(InvalidOptionError, match=r"plan=wait\.output"):
        expected(plan={"start": "2026"})


@pytest.mark.parametrize(("bound", "used"), [("low", 9e3), ("central", 10e3), ("high", 11e3)])
def test_the_bound_that_counts_is_the_one_that_was_asked_for(ledger, bound, used):
    ran(ledger, "a", grams=10e3)

    assert budget(bound=bound, expected="0 g").xcom["counted_g"] == pytest.approx(used)


def test_without_a_model_it_is_this_dags_budget_and_a_star_is_everything(ledger):
    ran(ledger, "a", grams=1.0, model=None)
    ran(ledger, "b", grams=2.0)
    ran(ledger, "c", grams=4.0, dag_id="other")

    assert budget(model=None).xcom["used_g"] == 3
    assert budget(model=None, of_dag="other").xcom["used_g"] == 4
    assert budget(model=None, of_dag="*").xcom["used_g"] == 7
    assert budget().xcom["used_g"] == 6
    assert budget(of_dag="other").xcom["used_g"] == 4
    assert budget(model="None").xcom["model"] is None


def test_after_a_training_its_own_emissions_count_and_nothing_is_expected(ledger):
    ran(ledger, "a", grams=9e3)
    ran(ledger, "now", grams=3e3)

    xcom, _ = budget(per="run", limit="4 kg")

    assert (xcom["reason"], xcom["used_g"], xcom["expected_g"]) == ("within", 3e3, None)
    assert budget(per="run", limit="2 kg", on_exceed="skip").skipped == ["train"]
    assert budget(per="model", limit="12 kg", when="after").xcom["reason"] == "within"
    with pytest.raises(AirflowFailException, match="expected of the next run"):
        budget(per="model", limit="12 kg")


def test_before_a_training_a_run_is_held_against_what_is_expected_of_it(ledger):
    ran(ledger, "a", grams=3e3)

    assert budget(per="run", limit="2 kg", when="before", on_exceed="skip").skipped == ["train"]
    assert budget(per="run", limit="4 kg", when="before").xcom["reason"] == "within"


def test_inferences_have_a_rate(ledger):
    ran(ledger, "now", grams=50.0, functional_unit="inference", functional_units=10e3)

    assert budget(per="thousand inferences", limit="5 g").xcom["used_g"] == pytest.approx(5)
    over = budget(per="thousand inferences", limit="4.9 g", on_exceed="warn").xcom
    assert over["reason"] == "over_budget"


def test_a_run_without_a_figure_is_no_run_within_its_budget(ledger):
    ran(ledger, "now")  # without functional units

    with pytest.raises(UnknownFigureError, match="functional_units="):
        budget(per="thousand inferences")
    with pytest.raises(UnknownFigureError, match="after an EmissionsOperator"):
        budget("other", per="run")
    assert budget("other", per="run", on_unknown="skip").skipped == ["train"]
    xcom, _ = budget("other", per="run", on_exceed="warn")
    assert (xcom["goes_on"], xcom["reason"]) == (True, "no_figure")


def test_average_and_marginal_are_never_added_up(ledger):
    ran(ledger, "a", grams=100.0)
    ran(ledger, "b", grams=300.0, intensity_signal="marginal")

    with pytest.raises(UnknownFigureError, match="signal='average'"):
        budget()
    assert budget(on_unknown="skip").xcom["reason"] == "mixed_signals"
    average, marginal = (budget(signal=signal).xcom for signal in ("average", "marginal"))
    assert (average["used_g"], marginal["used_g"]) == (100, 300)
    assert (average["expected_g"], marginal["expected_g"]) == (100, 300)
    assert average["notes"] == ["1 run priced by another signal: not counted"]
    with pytest.raises(InvalidOptionError, match="average or marginal"):
        budget(signal="best")


def test_a_ledger_that_is_away_is_no_verdict(away):
    with pytest.raises(LedgerError):
        budget(on_exceed="skip")
    shut, open_ = budget(on_unknown="skip"), budget(on_unknown="go")

    assert (shut.xcom["goes_on"], shut.xcom["reason"]) == (False, "ledger_unreachable")
    assert shut.skipped == ["train"]
    assert (open_.xcom["goes_on"], open_.xcom["reason"]) == (True, "ledger_unreachable")
    assert "canary" not in json.dumps(open_.xcom)


@pytest.mark.parametrize(
    "wrong",
    [
        {"limit": "20"},
        {"per": "fortnight"},
        {"on_exceed": "cry"},
        {"on_unknown": "warn"},
        {"when": "during"},
        {"when": "before", "per": "thousand inferences"},
        {"bound": "top"},
        {"expected": "much"},
        {"time_zone": "Mars"},
    ],
)
def test_a_mistake_breaks_the_parse(wrong):
    with pytest.raises(InvalidOptionError, match=next(iter(wrong))):
        CarbonBudgetOperator(task_id="budget", **{"limit": "1 kg", **wrong})


def test_what_a_template_fills_in_is_read_when_the_task_runs(ledger):
    operator = CarbonBudgetOperator(
        task_id="budget", limit="{{ var.value.limit }}", per="{{ params.per }}"
    )
    assert set(operator.template_fields) <= set(vars(operator))

    operator.limit, operator.per = "much", "month"
    with pytest.raises(InvalidOptionError, match="limit="):
        operator.execute({})
