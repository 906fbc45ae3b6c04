"""One run in two places: each part at its own intensity, the baseline without the pause."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, grams, profiles, series_of

from airflow_carbon.core.accounting import account
from airflow_carbon.core.energy import EnergyProfile, EnergyQuality
from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import FactorType, Quality, Signal, Survey
from airflow_carbon.core.parts import Part, account_parts

HOURS = st.lists(grams, min_size=6, max_size=6)


def survey(values, zone="DE", quality=Quality.ACTUAL):
    return Survey(series=series_of(values, zone=zone), source="test", quality=quality)


def joined(*some):
    rows = [
        row
        for one in some
        for row in zip(one.begins, one.ends, one.joules, one.devices, one.qualities, strict=True)
    ]
    return EnergyProfile.from_rows(rows)


@given(data=st.data(), here=HOURS, there=HOURS, base=HOURS)
def test_the_whole_emits_what_its_parts_do(data, here, there, base):
    surveys = survey(here), survey(there, zone="FR", quality=Quality.ISSUED)
    some = [data.draw(profiles(one.series)) for one in surveys]
    parts = [
        Part(profile=profile, actual=one, pue=pue)
        for profile, one, pue in zip(some, surveys, (1.1, 1.5), strict=True)
    ]
    otherwise = {"baseline": survey(base), "baseline_pue": 1.2, "submitted": T0}

    whole, each = account_parts(joined(*some), parts, **otherwise)

    alone = [
        account(part.profile, part.actual, pue=part.pue, **otherwise).footprint for part in parts
    ]
    run = whole.footprint
    assert [one.footprint.emissions_g for one in each] == [one.emissions_g for one in alone]
    assert run.emissions_g == pytest.approx(sum(one.emissions_g for one in alone))
    assert run.energy_kwh == pytest.approx(sum(one.energy_kwh for one in alone))
    assert run.low_g <= run.emissions_g <= run.high_g
    assert run.intensity_quality is Quality.ISSUED
    if run.mean_g_per_kwh is not None:
        mean = run.mean_g_per_kwh
        assert run.emissions_g == pytest.approx(run.energy_kwh * run.pue * mean, abs=1e-9)


@given(data=st.data(), here=HOURS, base=HOURS)
def test_a_run_in_one_place_is_accounted_as_ever(data, here, base):
    actual = survey(here)
    profile = data.draw(profiles(actual.series))
    given_ = {"baseline": survey(base), "baseline_pue": 1.2, "submitted": T0}

    whole, _ = account_parts(profile, [Part(profile=profile, actual=actual, pue=1.3)], **given_)

    ever = account(profile, actual, pue=1.3, **given_)
    assert whole.difference == ever.difference
    assert whole.baseline_method == ever.baseline_method
    assert whole.footprint.emissions_g == ever.footprint.emissions_g
    assert whole.footprint.energy_kwh == ever.footprint.energy_kwh


@pytest.mark.parametrize("other", [{"signal": Signal.MARGINAL}, {"factor_type": FactorType.DIRECT}])
def test_parts_of_another_method_are_not_added_up(other):
    here, there = survey([100] * 6), survey([100] * 6, zone="FR")
    there = replace(there, series=replace(there.series, **other))
    parts = [Part(profile=hours(at), actual=one, pue=1.0) for at, one in enumerate((here, there))]

    with pytest.raises(InvalidSeriesError, match="don't add up"):
        account_parts(hours(0, 1), parts, baseline=None, baseline_pue=1.0, submitted=T0)


def hours(*begins):
    zero = T0.timestamp()
    return EnergyProfile.from_rows(
        (zero + 3600 * at, zero + 3600 * (at + 1), 3.6e6, "gpu", EnergyQuality.COUNTER)
        for at in begins
    )


def test_the_baseline_of_a_paused_run_does_not_pause():
    run = account(
        hours(0, 4),
        survey([100] * 6),
        pue=1.0,
        baseline=survey([100, 200, 0, 0, 900, 900]),
        baseline_pue=1.0,
        submitted=T0,
    )

    assert run.difference.baseline_g == pytest.approx(300)


@given(data=st.data())
def test_without_gaps_energy_and_lengths_stay_and_no_instant_is_idle(data):
    profile = data.draw(profiles(series_of([1.0] * 6)))

    dense = profile.without_gaps()

    assert dense.total == pytest.approx(profile.total)
    assert (dense.ends - dense.begins) == pytest.approx(profile.ends - profile.begins)
    zero = round(profile.begins.min())
    busy = {
        second
        for begin, end in zip(profile.begins, profile.ends, strict=True)
        for second in range(round(begin), round(end))
    }
    seen = {
        second
        for begin, end in zip(dense.begins, dense.ends, strict=True)
        for second in range(round(begin), round(end))
    }
    assert seen == set(range(zero, zero + len(busy)))
