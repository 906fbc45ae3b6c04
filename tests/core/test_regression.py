"""The regression alarm: laws, against an oracle that sorts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.regression import Trend, compare
from airflow_carbon.core.retraining import Decay, Need, read_metric

values = st.floats(1e-3, 1e6)
pasts = st.lists(values, min_size=5, max_size=25)
POWERS = st.integers(-20, 20)


def middle(numbers) -> float:
    """The mean of what no more than half of the others is below and above."""
    halves = [
        one
        for one in numbers
        if 2 * sum(other < one for other in numbers) <= len(numbers)
        and 2 * sum(other > one for other in numbers) <= len(numbers)
    ]
    return (min(halves) + max(halves)) / 2


@given(values, pasts, st.floats(0, 0.99))
def test_an_alarm_is_over_the_tolerance_and_over_the_usual_scatter(value, past, tolerance):
    center = middle(past)
    scatter = middle([abs(one - center) for one in past])
    limit = max(center + center * tolerance, center + 3 * 1.4826 * scatter)

    finding = compare(value, past, tolerance=tolerance, least_runs=5)

    assert finding.limit == pytest.approx(limit)
    assert (finding.trend is Trend.REGRESSED) == (value > finding.limit)
    assert finding.change == pytest.approx((value - center) / center)


@given(values, pasts, POWERS)
def test_the_unit_of_energy_does_not_matter(value, past, power):
    one = compare(value, past, tolerance=0.25, least_runs=5)
    scaled = [x * 2.0**power for x in past]

    assert compare(value * 2.0**power, scaled, tolerance=0.25, least_runs=5).trend is one.trend


@given(st.lists(st.floats(90, 110), min_size=3, max_size=12), st.data())
def test_wild_runs_in_the_minority_neither_raise_nor_hide_an_alarm(sound, data):
    wild = data.draw(st.lists(values, max_size=len(sound) - 1))
    past = data.draw(st.permutations(sound + wild))

    # the median lies among the sound, so no sound value is far over it
    finding = compare(100.0, past, tolerance=0.25, least_runs=3)
    assert min(sound) <= finding.median <= max(sound)
    assert finding.trend is Trend.USUAL


def test_of_few_runs_nothing_is_told():
    finding = compare(9e9, [1.0] * 4, tolerance=0.25, least_runs=5)

    assert (finding.trend, finding.runs, finding.limit) == (Trend.TOO_FEW, 4, None)
    assert compare(1.0, [], tolerance=0.25, least_runs=0).trend is Trend.TOO_FEW


def test_a_quarter_more_is_an_alarm_where_runs_are_alike_and_none_where_they_scatter():
    alike = [100, 101, 99, 100, 102, 98]
    scattered = [60, 140, 100, 80, 120, 100]

    assert compare(126, alike, tolerance=0.25, least_runs=5).trend is Trend.REGRESSED
    assert compare(124, alike, tolerance=0.25, least_runs=5).trend is Trend.USUAL
    assert compare(126, scattered, tolerance=0.25, least_runs=5).trend is Trend.USUAL


@given(st.floats(-10, 10), st.floats(-10, 10))
def test_a_model_has_decayed_at_its_threshold_and_beyond(metric, threshold):
    above = Decay.read(threshold=threshold, decayed_if="above").need(metric)
    below = Decay.read(threshold=-threshold, decayed_if="below").need(-metric)

    assert above is below
    assert (above is Need.DECAYED) == (metric >= threshold)


@pytest.mark.parametrize("value", [None, "", "None", "nan", "inf", float("nan"), True, {}, [1]])
def test_what_is_no_number_is_no_metric(value):
    assert read_metric(value) is None
    assert Decay(threshold=1).need(read_metric(value)) is Need.NO_METRIC


@pytest.mark.parametrize("wrong", [{"threshold": "high"}, {"decayed_if": "over"}])
def test_what_is_no_rule_is_refused(wrong):
    with pytest.raises(InvalidOptionError, match=next(iter(wrong))):
        Decay.read(**{"threshold": 0.2, "decayed_if": "above", **wrong})
