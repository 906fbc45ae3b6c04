"""A threshold: what is below it goes on, and what is not known is not below it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.decision import Reason
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.threshold import NOT_WAITED, OnTimeout, outcome, outcome_sentence

intensities = st.one_of(st.none(), st.integers(0, 900).map(float))
plans = st.fixed_dictionaries(
    {
        "zone": st.just("DE"),
        "region": st.none(),
        "reason": st.sampled_from([str(reason) for reason in Reason]),
        "mean_g_per_kwh": intensities,
        "limit_g_per_kwh": intensities,
    }
)
words = st.sampled_from(list(OnTimeout))


@given(plans, words)
def test_it_goes_on_exactly_where_it_is_below_or_was_not_to_wait_or_may_go_on_anyway(plan, word):
    figures = plan["mean_g_per_kwh"], plan["limit_g_per_kwh"]
    mean, limit = (math.nan if figure is None else figure for figure in figures)
    goes = mean <= limit or plan["reason"] in {"real_time", "opted_out", "dry_run"}

    assert outcome(plan, word) == ("go" if goes else word)


@given(plans, words, st.integers(0, 300))
def test_a_higher_limit_never_stops_what_a_lower_one_lets_through(plan, word, more):
    higher = plan["limit_g_per_kwh"] and plan["limit_g_per_kwh"] + more
    if outcome(plan, word) == "go":
        assert outcome(plan | {"limit_g_per_kwh": higher or plan["limit_g_per_kwh"]}, word) == "go"


@given(plans)
def test_a_sentence_says_the_figures_or_that_nobody_knows_them(plan):
    said = outcome_sentence(plan)

    unknown = [plan["mean_g_per_kwh"], plan["limit_g_per_kwh"]].count(None)
    assert said.count("nobody knows") == unknown
    assert plan["reason"] in said


def test_the_reasons_that_go_on_are_reasons():
    assert {str(reason) for reason in Reason} >= NOT_WAITED


def test_another_word_is_refused():
    with pytest.raises(InvalidOptionError, match="go, fail, skip"):
        outcome({"reason": "clean", "mean_g_per_kwh": 1.0, "limit_g_per_kwh": 1.0}, "stop")
