"""Sums of the ledger, and what was let through, on SQLite and PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, text

from airflow_carbon.core.auto import LearnFrom
from airflow_carbon.core.budget import PENDING, Emitted
from airflow_carbon.ledger.budgets import Asker, Budgets, Scope, _sums
from airflow_carbon.ledger.efficiency import Efficiency
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.grants import FORGOTTEN
from airflow_carbon.ledger.past_runs import PastRuns
from airflow_carbon.ledger.provider import ProviderReports
from airflow_carbon.ledger.schema import carbon_run
from airflow_carbon.ledger.store import Ledger

MARCH = (datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 4, 1, tzinfo=UTC))
NOON = datetime(2026, 3, 15, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def ran(ledger, an_entry):
    """Write a measured try of an hour."""

    def write(run_id, grams=100.0, at=NOON, hours=1.0, intervals=(), **fields):
        names = ("dag_id", "task_id", "map_index", "try_number")
        key = RunKey(
            **{"dag_id": "train", "task_id": "gpu", "run_id": run_id}
            | {name: fields.pop(name) for name in names if name in fields}
        )
        known = {
            "submitted_at": at,
            "started_at": at,
            "ended_at": at + hours * HOUR,
            "computed_at": at + (hours + 1) * HOUR,
            "emissions_g": grams,
            "emissions_low_g": 0.9 * grams,
            "emissions_high_g": 1.2 * grams,
            "energy_j": 3.6e6,
            "model": "churn",
        }
        ledger.write(replace(an_entry(), key=key, **{**known, **fields}), intervals)

    return write


@pytest.fixture
def budgets(ledger):
    return Budgets(ledger)


def asker(run_id="now", **fields):
    return Asker(**{"dag_id": "train", "run_id": run_id, "model": "churn"} | fields)


CHURN = Scope(model="churn")


def ask(budgets, who, *, grams=10.0, scope=CHURN, span=MARCH, now=NOON, lets=True):
    """Ask for a run, and return what is known to be spent."""
    expected = None if grams is None else Emitted(g=grams, low_g=grams / 2, high_g=2 * grams)
    return budgets.decide(
        who, scope, lambda spent: (spent, lets), expected=expected, span=span, now=now
    )


def test_a_run_that_was_revised_counts_once_by_its_newest_version(budgets, ledger, ran):
    for grams in (100.0, 110.0, 90.0):
        ran("a", grams, functional_unit="epoch", functional_units=5.0)
        ran("b", grams, return_code=0)

    spent = budgets.spent(CHURN, MARCH)
    assert (spent.runs, spent.emitted.g) == (2, 180)
    assert [one.emitted.g for one in budgets.past(asker())] == [90, 90]
    assert len(Efficiency(ledger).of(Scope(run_id="a"))) == 1
    assert len(PastRuns(ledger).of(LearnFrom(dag="train", tasks=("gpu",), newest=20)).runs) == 1
    shares = ProviderReports(ledger).measured(*MARCH)
    assert [one.emissions_g for one in shares] == [90, 90]


def test_a_sum_is_of_its_scope(budgets, ran):
    ran("a", 1)
    ran("b", 2, model="fraud")
    ran("c", 4, dag_id="other")
    ran("d", 8, model=None, dag_id="other")
    ran("a", 16, task_id="second", map_index=3)

    def grams(**scope):
        return budgets.spent(Scope(**scope), MARCH).emitted.g

    assert grams() == 31
    assert grams(model="churn") == 21
    assert grams(dag_id="train") == 19
    assert grams(dag_id="other", model="churn") == 4
    assert grams(dag_id="train", run_id="a") == 17
    assert grams(dag_id="train", run_id="a", map_index=3) == 16
    assert grams(model="absent") == 0


def test_bounds_and_what_is_poorly_measured_are_in_the_sum(budgets, ran):
    ran("a", 100)
    ran("b", 200, coverage=0.5)
    ran("c", 0.0, intensity_signal="marginal")
    spent = budgets.spent(CHURN, MARCH)

    assert spent.emitted.low_g == pytest.approx(270)
    assert spent.emitted.high_g == pytest.approx(360)
    assert (spent.runs, spent.partly_measured) == (3, 1)
    assert spent.kinds == ("average lifecycle", "marginal lifecycle")


def test_a_sum_is_of_the_signal_that_is_asked_for(budgets, ran):
    ran("a", 100)
    for name in ("b", "c"):
        ran(name, 7, intensity_signal="marginal")
    ran("d", 1, at=NOON - 60 * DAY, intensity_signal="marginal")

    def of(signal, span=MARCH):
        spent = budgets.spent(Scope(model="churn", signal=signal), span)
        return spent.emitted.g, spent.runs, spent.other_signal, len(spent.kinds)

    assert of("average") == (100, 1, 2, 1)
    assert of("marginal") == (14, 2, 1, 1)
    assert of("marginal", None) == (15, 3, 1, 1)
    assert of(None) == (114, 3, 0, 2)
    assert [one.emitted.g for one in budgets.past(asker(), signal="average")] == [100]


def test_a_run_over_the_turn_of_the_month_is_shared_between_the_two(budgets, ran, an_interval):
    turn = MARCH[1]
    ran("by_time", 100, at=turn - HOUR, hours=4)
    hours = [
        an_interval(begins_at=turn + i * HOUR, ends_at=turn + (i + 1) * HOUR, emissions_g=grams)
        for i, grams in ((-1, 60.0), (0, 20.0))
    ]
    ran("by_intervals", 80, at=turn - HOUR, hours=2, intervals=hours)
    april = (turn, turn + 30 * DAY)

    assert budgets.spent(CHURN, MARCH).emitted.g == pytest.approx(25 + 60)
    assert budgets.spent(CHURN, april).emitted.g == pytest.approx(75 + 20)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    runs=st.lists(st.tuples(st.integers(0, 90 * 24), st.integers(0, 72), st.integers(0, 50))),
    cuts=st.lists(st.integers(0, 90 * 24), min_size=1, max_size=4, unique=True),
)
def test_spans_that_follow_one_another_add_up_to_the_whole(ledger, budgets, ran, runs, cuts):
    with ledger.engine.begin() as connection:
        connection.execute(delete(carbon_run))
    begin = datetime(2026, 2, 1, tzinfo=UTC)
    for number, (at, hours, grams) in enumerate(runs):
        ran(f"r{number}", grams, at=begin + at * HOUR, hours=hours)
    edges = [begin - DAY, *(begin + cut * HOUR for cut in sorted(cuts)), begin + 200 * DAY]

    parts = [budgets.spent(CHURN, span).emitted.g for span in pairwise(edges)]

    assert sum(parts) == pytest.approx(sum(grams for _, _, grams in runs))


def test_energy_that_a_later_try_holds_as_well_is_counted_once(budgets, ran):
    ran("a", 100, try_number=1)
    ran("a", 250, try_number=2, hours=3)  # its log went on where the first try ended
    ran("b", 10, try_number=1)
    ran("b", 10, try_number=2, at=NOON + 2 * HOUR)  # a log of its own

    assert budgets.spent(CHURN, MARCH).emitted.g == 270
    assert [run.emitted.g for run in budgets.past(asker())] == [20, 250]


def test_the_past_is_of_whole_dag_runs_newest_first(budgets, ran):
    for day in range(5):
        ran(f"r{day}", 10 * day, at=NOON + day * DAY)
        ran(f"r{day}", 1, at=NOON + day * DAY, task_id="evaluate")
    ran("now", 999, at=NOON + 9 * DAY)
    ran("r9", 999, dag_id="other")
    ran("r9", 999, model="fraud")

    past = budgets.past(asker(), limit=3)

    assert [run.emitted.g for run in past] == [41, 31, 21]
    assert past[0].energy_kwh == pytest.approx(2)


def test_a_mapped_asker_has_the_past_of_its_map_index(budgets, ran):
    for index in range(3):
        ran("a", 10 * index, map_index=index)

    assert [run.emitted.g for run in budgets.past(asker(map_index=2))] == [20]
    assert [run.emitted.g for run in budgets.past(asker())] == [30]


def test_runs_that_ask_one_after_the_other_see_one_another(budgets):
    seen = [ask(budgets, asker(f"r{i}")) for i in range(3)]

    assert [spent.pending.g for spent in seen] == [0, 10, 20]
    assert [spent.pending_runs for spent in seen] == [0, 1, 2]
    assert seen[2].pending.high_g == 40


def test_of_many_that_ask_at_once_no_more_go_on_than_fit(budgets):
    def enter(number):
        def choice(spent):
            fits = spent.pending.g + 10 <= 30
            return fits, fits

        return budgets.decide(
            asker(f"r{number}"), CHURN, choice, expected=Emitted(g=10), span=MARCH, now=NOON
        )

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(enter, range(8))) == 3


def test_who_asks_again_does_not_stand_in_its_own_way(budgets):
    assert ask(budgets, asker()).pending.g == 0
    assert ask(budgets, asker()).pending.g == 0
    assert ask(budgets, asker(map_index=1)).pending.g == 10


def test_who_is_not_let_through_is_not_awaited(budgets):
    ask(budgets, asker("a"))
    ask(budgets, asker("a"), lets=False)

    assert ask(budgets, asker("b")).pending_runs == 0


def test_a_figure_takes_the_place_of_what_was_expected(budgets, ran):
    ask(budgets, asker("a"))
    ran("a", 7)
    spent = ask(budgets, asker("b"), now=NOON + 3 * HOUR)

    assert (spent.pending_runs, spent.emitted.g) == (0, 7)


def test_the_figure_of_a_try_before_is_not_that_of_the_run_that_goes_on(budgets, ran):
    ran("a", 7)
    ask(budgets, asker("a"), now=NOON + 3 * HOUR)  # cleared, and asked again

    assert ask(budgets, asker("b"), now=NOON + 3 * HOUR).pending.g == 10


def test_a_figure_that_is_only_revised_is_not_that_of_the_run_that_goes_on(budgets, ran):
    booked = NOON + 2 * HOUR
    ran("a", 7, booked_at=booked)
    ask(budgets, asker("a"), now=NOON + 50 * HOUR)  # cleared, and asked again
    ran("a", 8, booked_at=booked, computed_at=NOON + 51 * HOUR)

    spent = ask(budgets, asker("b"), now=NOON + 52 * HOUR)
    assert (spent.pending.g, spent.emitted.g) == (10, 8)


def test_another_models_figure_is_not_awaited(budgets, ran):
    ask(budgets, asker("a"))
    ran("a", 7, model="fraud")

    assert ask(budgets, asker("b")).pending_runs == 1


def test_a_run_whose_figure_never_came_is_said_and_not_counted(budgets):
    ask(budgets, asker("a"), now=NOON - PENDING)
    ask(budgets, asker("b"), grams=None)
    spent = ask(budgets, asker("c"))

    assert (spent.without_figure, spent.pending_unknown, spent.pending_runs) == (1, 1, 0)
    assert spent.pending == Emitted()
    ever = ask(budgets, asker("d"), span=None, now=NOON + 60 * DAY)
    assert ever.without_figure == 3


def test_what_was_let_through_last_month_and_still_runs_counts_in_this_one(budgets):
    ask(budgets, asker("a"), now=MARCH[0] - HOUR)

    assert ask(budgets, asker("b"), now=MARCH[0] + HOUR).pending.g == 10


def test_a_whole_dag_and_a_model_of_it_are_not_awaited_twice(budgets):
    whole = Scope(dag_id="train")
    ask(budgets, asker("a"))
    ask(budgets, asker("a", model=None), scope=whole)
    ask(budgets, asker("b", model="fraud"))

    assert ask(budgets, asker("c", model=None), scope=whole).pending.g == 20


def test_what_was_let_through_long_ago_is_forgotten(budgets, ledger):
    ask(budgets, asker("a"), now=NOON - FORGOTTEN - HOUR)
    ask(budgets, asker("b"))

    with ledger.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM carbon_grant")) == 1


@pytest.mark.parametrize("scope", [CHURN, Scope(dag_id="train"), Scope()])
def test_a_month_is_found_by_an_index(tmp_path, scope):
    with Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}") as ledger:
        asked = _sums(scope.of(carbon_run.c), MARCH).compile(ledger.engine)
        values = tuple(asked.params[name] for name in asked.positiontup)
        with ledger.engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {asked}", values).all()

    assert any("USING INDEX ix_carbon_run" in row[3] and "ended_at>" in row[3] for row in plan)


@pytest.fixture
def efficiency(ledger):
    return Efficiency(ledger)


def test_work_is_compared_with_what_is_like_it(efficiency, ran):
    like = {"functional_unit": "epoch", "functional_units": 4.0, "return_code": 0}
    for day in range(4):
        ran(f"r{day}", at=NOON + day * DAY, **like, energy_j=400.0 * (day + 1))
    unlike = [
        {"functional_unit": "sample"},
        {"functional_units": None},
        {"return_code": 1},
        {"coverage": 0.5},
        {"energy_method": "model"},
        {"model": "fraud"},
        {"task_id": "other"},
        {"dag_id": "other"},
        {"at": NOON + 9 * DAY},
    ]
    for number, fields in enumerate(unlike):
        ran(f"unlike{number}", **{**like, **fields})

    (work,) = efficiency.of(Scope(dag_id="train", run_id="r3"))

    assert (work.joules_per_unit, work.unit) == (400.0, "epoch")
    assert [one.joules_per_unit for one in efficiency.before(work, 20)] == [300, 200, 100]
    assert [one.joules_per_unit for one in efficiency.before(work, 2)] == [300, 200]


def test_the_last_try_of_each_task_and_map_index_is_the_work_of_a_run(efficiency, ran):
    like = {"functional_unit": "epoch", "functional_units": 1.0}
    for index in range(2):
        for number in (1, 2):
            ran("a", map_index=index, try_number=number, energy_j=10.0 * index + number, **like)

    works = efficiency.of(Scope(dag_id="train", run_id="a"))

    assert [work.joules_per_unit for work in works] == [2, 12]
    assert len(efficiency.of(Scope(dag_id="train", run_id="a", map_index=1))) == 1
