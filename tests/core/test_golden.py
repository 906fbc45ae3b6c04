"""Cases worked by hand (``tests/golden``), priced from the measurement and from ledger rows."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest
from strategies import series_of

from airflow_carbon.core.energy import EnergyProfile, EnergyQuality
from airflow_carbon.core.intensity import Quality, Survey
from airflow_carbon.core.parts import Part, account_parts
from airflow_carbon.operators.booking import account_values, interval_rows

FILES = sorted((Path(__file__).parents[1] / "golden").glob("*.json"))
CASES = [pytest.param(json.loads(file.read_text()), id=file.stem) for file in FILES]


def survey_of(place, name):
    begins = datetime.fromisoformat(place["begins"])
    return Survey(
        series=series_of(place["g_per_kwh"], place["step_minutes"], begins, zone=name),
        source="by hand",
        quality=Quality(place["quality"]),
    )


def profile_of(rows):
    return EnergyProfile.from_rows(
        (
            datetime.fromisoformat(row["begins"]).timestamp(),
            datetime.fromisoformat(row["ends"]).timestamp(),
            float("nan") if row["joules"] is None else row["joules"],
            row["device"],
            EnergyQuality(row["quality"]),
        )
        for row in rows
    )


def priced(case):
    places = defaultdict(list)
    for row in case["intervals"]:
        places[row["place"]].append(row)
    surveys = {name: survey_of(place, name) for name, place in case["places"].items()}
    parts = [
        Part(profile=profile_of(rows), actual=surveys[name], pue=case["places"][name]["pue"])
        for name, rows in places.items()
    ]
    base = case.get("baseline")
    whole, each = account_parts(
        profile_of(case["intervals"]),
        parts,
        baseline=surveys[base["place"]] if base else None,
        baseline_pue=case["places"][base["place"]]["pue"] if base else 1.0,
        submitted=datetime.fromisoformat((base or {}).get("submitted", "2026-01-01T00:00+00:00")),
    )
    return whole, [(part, one, name) for part, one, name in zip(parts, each, places, strict=True)]


def test_there_are_cases():
    assert len(CASES) >= 8
    assert any("wrong" in one.values[0] for one in CASES)


@pytest.mark.parametrize("case", CASES)
def test_a_run_is_accounted_for_as_by_hand(case):
    whole, _ = priced(case)

    expected = dict(case["expected"])
    del expected["millijoules"]
    run, values = whole.footprint, account_values(whole)
    found = {
        **{name: getattr(run, name) for name in expected if hasattr(run, name)},
        **{name: values[name] for name in expected if name in values},
    }
    unknown = {name for name, value in expected.items() if value is None}
    assert {name for name in expected if found[name] is None} == unknown
    assert [found[name] for name in expected if name not in unknown] == pytest.approx(
        [value for value in expected.values() if value is not None], rel=1e-9
    )


@pytest.mark.parametrize("case", CASES)
def test_its_intervals_in_the_ledger_sum_to_the_whole(case):
    _, parts = priced(case)

    rows = [row for part, one, name in parts for row in interval_rows(part.profile, one, name)]
    known = [row for row in rows if row.joules is not None]
    assert sum(row.emissions_g for row in known) == pytest.approx(case["expected"]["emissions_g"])
    millijoules = sum(Fraction(row.joules) * 1000 for row in known)
    assert millijoules == case["expected"]["millijoules"]
    assert len(rows) == len(case["intervals"])


@pytest.mark.parametrize("case", [one for one in CASES if "wrong" in one.values[0]])
def test_simpler_rules_would_say_something_else(case):
    """So the case tells the rules apart, and the numbers under ``wrong`` are what they say."""
    (place,) = case["places"].values()
    whole, _ = priced(case)
    drawn = whole.footprint.energy_kwh * place["pue"]
    first, last = place["g_per_kwh"][0], place["g_per_kwh"][-1]
    mean = sum(place["g_per_kwh"]) / len(place["g_per_kwh"])

    simple = {"by_mean": drawn * mean, "by_start": drawn * first, "by_end": drawn * last}
    assert simple == pytest.approx(case["wrong"])
    for grams in simple.values():
        assert abs(grams - case["expected"]["emissions_g"]) > 0.2 * case["expected"]["emissions_g"]
