"""What a message says of a footprint: what is known with its sign, what is not as not known."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.footprint_text import Emitted, nothing_known

masses = st.integers(0, 10**7).map(float)
maybe = st.one_of(st.none(), masses)
METHODS = st.sampled_from(["counter", "model", "power"])
tries = st.builds(
    Emitted,
    energy_kwh=st.integers(0, 1000).map(float),
    energy_method=METHODS,
    emissions_g=masses,
    emissions_low_g=maybe,
    emissions_high_g=maybe,
    coverage=st.one_of(st.none(), st.sampled_from([0.0, 0.5, 0.999, 1.0])),
    baseline_g=maybe,
    delta_g=st.one_of(st.none(), st.integers(-(10**7), 10**7).map(float)),
    baseline_method=st.one_of(st.none(), st.just("run at once")),
)
GOOD = Emitted(
    energy_kwh=1.5,
    energy_method="counter",
    emissions_g=450.0,
    emissions_low_g=400.0,
    emissions_high_g=500.0,
    coverage=1.0,
    baseline_g=600.0,
    delta_g=-150.0,
    baseline_method="the same energy, run at once",
)


def test_it_reads_like_this():
    assert GOOD.sentences("nightly.train") == (
        "nightly.train used 1.5 kWh (counter) and emitted 450 g CO2eq (between 400 g and 500 g). "
        "Difference against baseline: -150 g (-25 %) against 600 g, the same energy, run at once."
    )


@given(tries)
def test_a_difference_has_its_sign_and_its_method_or_is_said_not_to_be_known(one):
    said = one.sentences("it")

    known = one.delta_g is not None and one.baseline_g is not None
    assert ("not known" in said) is not known
    if known and one.delta_g:
        assert f"baseline: {'+' if one.delta_g > 0 else '-'}" in said
    assert (one.baseline_method or "") in said
    assert "None" not in said
    assert "avoided" not in said


@given(st.lists(tries, min_size=1, max_size=4))
def test_a_sum_is_of_all_and_lacks_what_one_of_them_lacks(many):
    total = Emitted.sum(many)

    assert total.emissions_g == pytest.approx(sum(one.emissions_g for one in many))
    for name in ("emissions_low_g", "emissions_high_g", "baseline_g", "delta_g"):
        parts = [getattr(one, name) for one in many]
        assert getattr(total, name) == (None if None in parts else pytest.approx(sum(parts)))


@given(tries)
def test_the_sum_of_one_is_that_one(one):
    assert Emitted.sum([one]) == one


def test_of_nothing_nothing_is_known():
    assert Emitted.sum([]) is None
    assert "is not known" in nothing_known("it")


def test_a_run_that_was_measured_in_part_says_so():
    assert "with 80 % of its time measured" in replace(GOOD, coverage=0.8).sentences("it")
