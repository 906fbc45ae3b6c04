"""Sums add up over any partition, and say what they lack."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.summary import NUMBERS, Facet, Summary, Sums, regroup

T0 = datetime(2026, 10, 1, tzinfo=UTC)
counts = st.integers(0, 1000)
amounts = st.integers(-1_000_000, 1_000_000).map(lambda n: n / 64)  # add up without rounding
instants = st.integers(0, 10**6).map(lambda s: T0 + timedelta(seconds=s))


@st.composite
def sums(draw):
    known = {name: draw(amounts if name.endswith("_g") else counts) for name in NUMBERS}
    return Sums(**known, first=draw(instants), last=draw(instants))


@st.composite
def summaries(draw):
    names = st.sampled_from(["a", "b", None])
    return Summary(
        signal=draw(st.sampled_from(["average", "marginal"])),
        factor_type="lifecycle",
        of={Facet.DAG: draw(names), Facet.MODEL: draw(names)},
        sums=draw(sums()),
    )


@given(sums(), sums(), sums())
def test_sums_add_up_in_any_order_and_nothing_adds_nothing(a, b, c):
    assert (a + b) + c == a + (b + c)
    assert a + b == b + a
    assert a + Sums() == a


@given(st.lists(summaries(), max_size=8))
def test_what_is_grouped_again_is_what_was_grouped_at_once(found):
    for facets in ((), (Facet.DAG,), (Facet.MODEL, Facet.DAG)):
        again = regroup(regroup(found, Facet.MODEL, Facet.DAG), *facets)

        assert {one.kind: one.sums.runs for one in regroup(again)} == {
            one.kind: one.sums.runs for one in regroup(found)
        }
        assert again == regroup(found, *facets)


@given(st.lists(summaries(), max_size=8))
def test_signals_are_never_in_one_sum(found):
    for one in regroup(found):
        ours = [other.sums.emissions_g for other in found if other.kind == one.kind]
        assert one.sums.emissions_g == sum(ours)


@given(sums(), sums())
def test_bounds_of_energy_add_up_and_hold_the_energy(a, b):
    both = a + b

    assert both.low_kwh <= both.energy_kwh <= both.high_kwh


def test_what_nothing_is_known_of_is_none_and_not_0():
    plain = Sums(runs=1, energy_kwh=1.0).as_dict()

    unknown = ("baseline_g", "delta_g", "difference_percent", "embodied_g", "promised_g")
    assert {name: plain[name] for name in unknown} == dict.fromkeys(unknown)
    assert (plain["compared_share"], plain["uncompared_runs"]) == (0.0, 1)
    assert Sums().as_dict()["measured_share"] is None


def test_energy_of_which_it_is_not_known_is_as_unsure_as_a_models():
    split = Sums(runs=1, energy_kwh=10.0, modelled_kwh=2.0, unsplit_kwh=2.0)

    assert split.measured_kwh == 6.0
    assert split.high_kwh - split.energy_kwh == pytest.approx(0.05 * 6 + 0.5 * 4)


def test_a_summary_as_plain_values_has_its_month_as_people_write_it():
    one = Summary(
        signal="average", factor_type="direct", of={Facet.MONTH: T0.date()}, sums=Sums(runs=2)
    )

    assert one.as_dict()["month"] == "2026-10"
    assert set(NUMBERS) <= set(one.as_dict())
    assert len(fields(Sums)) == len(NUMBERS) + 2
