"""Budgets: what counts against a limit, and what is expected."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from airflow_carbon.core.budget import (
    Bound,
    Budget,
    Emitted,
    PastRun,
    Per,
    Reason,
    Spent,
    expectation,
    judge,
)
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.quantities import parse_mass, parse_unit

grams = st.floats(0, 1e7)


@st.composite
def emitted(draw) -> Emitted:
    low, central, high = sorted(draw(st.tuples(grams, grams, grams)))
    return Emitted(g=central, low_g=low, high_g=high)


def month(limit_g, bound=Bound.CENTRAL) -> Budget:
    return Budget(limit_g=limit_g, bound=bound)


@given(grams, emitted(), emitted(), st.none() | emitted(), st.sampled_from(Bound))
def test_a_budget_holds_while_the_exact_sum_is_not_over_the_limit(
    limit, used, pending, expected, bound
):
    names = {"low": "low_g", "central": "g", "high": "high_g"}
    parts = [part for part in (used, pending, expected) if part is not None]
    total = sum(Fraction(getattr(part, names[bound])) for part in parts)
    assume(abs(total - Fraction(limit)) > Fraction(limit) / 10**6)

    verdict = judge(month(limit, bound), Spent(emitted=used, pending=pending), expected)

    assert (verdict.reason is Reason.WITHIN) == (total <= limit)
    assert float(verdict.left_g) == pytest.approx(float(limit - total), abs=1e-3)


@given(grams, emitted(), st.none() | emitted())
def test_who_holds_by_the_high_bound_holds_by_the_others(limit, used, expected):
    held = [
        judge(month(limit, bound), Spent(emitted=used), expected).reason is Reason.WITHIN
        for bound in (Bound.HIGH, Bound.CENTRAL, Bound.LOW)
    ]

    assert held == sorted(held)


def test_a_limit_that_is_just_reached_is_kept():
    tenths = Emitted(g=0.1 + 0.1 + 0.1)

    assert judge(month(0.3), Spent(emitted=tenths)).reason is Reason.WITHIN


@pytest.mark.parametrize(
    ("name", "now", "begins", "hours"),
    [
        ("UTC", datetime(2026, 3, 31, 23, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), 744),
        # 22:00 UTC is the first hour of April in Berlin, in summer time by then
        (
            "Europe/Berlin",
            datetime(2026, 3, 31, 22, tzinfo=UTC),
            datetime(2026, 3, 31, 22, tzinfo=UTC),
            720,
        ),
        # March of Berlin lacks the hour in which the clocks change
        (
            "Europe/Berlin",
            datetime(2026, 3, 31, 21, tzinfo=UTC),
            datetime(2026, 2, 28, 23, tzinfo=UTC),
            743,
        ),
        ("UTC", datetime(2026, 12, 31, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), 744),
    ],
)
def test_a_month_is_that_of_the_time_zone(name, now, begins, hours):
    span = Budget(limit_g=1, time_zone=name).span(now)

    assert span == (begins, begins + timedelta(hours=hours))


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1)),  # noqa: DTZ001 - made aware below
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns"]),
)
def test_months_follow_one_another_without_gap_and_hold_their_instants(naive, zone):
    now, budget = naive.replace(tzinfo=UTC), Budget(limit_g=1, time_zone=zone)
    begin, end = budget.span(now)

    assert begin <= now < end
    assert budget.span(end)[0] == end
    assert budget.span(begin - timedelta(microseconds=1))[1] == begin


def test_only_a_month_has_a_span():
    assert Budget(limit_g=1, per=Per.MODEL).span(datetime(2026, 1, 1, tzinfo=UTC)) is None


def test_a_limit_per_thousand_inferences_is_a_rate():
    budget = Budget.read(limit="5 g", per="thousand inferences")
    spent = Spent(emitted=Emitted(g=10, low_g=8, high_g=30), runs=1, units=2000.0)

    assert judge(budget, spent).used.g == 5
    assert judge(budget, spent).reason is Reason.WITHIN
    high = Budget.read(limit="5 g", per="1000 inferences", bound="high")
    assert judge(high, spent).reason is Reason.OVER_BUDGET


def test_without_a_figure_there_is_no_verdict():
    units = Budget.read(limit="5 g", per="thousand inferences")

    assert judge(units, Spent(runs=3)).reason is Reason.NO_FIGURE
    assert judge(Budget(limit_g=1, per=Per.RUN), Spent()).reason is Reason.NO_FIGURE
    assert judge(Budget(limit_g=1, per=Per.RUN), Spent(), Emitted(g=2)).reason == "over_budget"
    assert judge(month(1), Spent()).reason is Reason.WITHIN


def run(g, kwh=1.0):
    return PastRun(energy_kwh=kwh, emitted=Emitted(g=g, low_g=g / 2, high_g=g * 2))


def test_the_next_run_is_expected_to_emit_the_median_of_the_past():
    assert expectation([]) is None
    assert expectation([run(1), run(900), run(2)]) == Emitted(g=2, low_g=1, high_g=4)


def test_a_plan_prices_the_median_energy_at_its_own_intensity():
    past = [run(100, kwh=1), run(400, kwh=2), run(600, kwh=3)]

    assert expectation(past, 30.0) == Emitted(g=60, low_g=30, high_g=120)
    assert expectation([run(0, kwh=2)], 30.0) == Emitted(g=60, low_g=60, high_g=60)


def test_what_the_sum_lacks_is_said():
    spent = Spent(
        runs=9,
        pending_runs=1,
        without_figure=3,
        partly_measured=2,
        other_signal=4,
        kinds=("average direct", "average lifecycle"),
    )
    said = judge(month(20e3), spent, Emitted(g=1500)).sentence()

    assert "0 g used of 20 kg per month, 1.5 kg expected of the next run" in said
    assert "1 run still running" in said
    assert "3 runs without a figure: the true sum is higher" in said
    assert "2 runs only partly measured" in said
    assert "4 runs priced by another signal: not counted" in said
    assert "average direct and average lifecycle intensities are added up" in said


def test_average_and_marginal_in_one_sum_are_no_verdict():
    kinds = ("average lifecycle", "marginal lifecycle")
    for grams in (0.0, 1e9):
        spent = Spent(emitted=Emitted(g=grams), runs=2, kinds=kinds)
        assert judge(month(20e3), spent).reason is Reason.MIXED_SIGNALS


@given(st.sampled_from(["mg", "g", "kg", "t"]), st.integers(0, 10**6))
def test_a_mass_is_read_with_its_unit(unit, number):
    factor = {"mg": 1e-3, "g": 1, "kg": 1e3, "t": 1e6}[unit]

    assert parse_mass("limit", f"{number} {unit}") == pytest.approx(number * factor)
    assert parse_mass("limit", f"{number}{unit.upper()} CO2eq") == pytest.approx(number * factor)


@pytest.mark.parametrize("text", ["20", 20, "", "kg", "-1 kg", "1 lb", "nan kg", None, "1 kg/day"])
def test_a_mass_without_its_unit_is_refused(text):
    with pytest.raises(InvalidOptionError, match="20 kg"):
        parse_mass("limit", text)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("thousand inferences", (1e3, "inference")),
        ("1000 inferences", (1e3, "inference")),
        ("Million samples", (1e6, "sample")),
        ("epoch", (1, "epoch")),
        ("0.5 loss", (0.5, "loss")),
        ("gpu hours", (1, "gpu hour")),
    ],
)
def test_an_amount_of_work_is_read(text, means):
    assert parse_unit("per", text) == means


@pytest.mark.parametrize(
    "wrong",
    [
        {"per": "mouth"},
        {"per": "0 epochs"},
        {"per": "12"},
        {"limit": 20},
        {"bound": "top"},
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../etc"},
    ],
)
def test_what_is_no_budget_is_refused(wrong):
    with pytest.raises(InvalidOptionError, match=next(iter(wrong))):
        Budget.read(**{"limit": "1 kg", **wrong})
