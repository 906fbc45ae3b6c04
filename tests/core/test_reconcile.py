"""The ledger beside Microsoft's report: nothing is lost, invented, or compared with nothing."""

from __future__ import annotations

import json
from datetime import date
from fnmatch import fnmatchcase

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import (
    months_between,
    months_later,
    nth_day_after,
    parse_month,
    span_of,
    written,
)
from airflow_carbon.core.provider_report import Figure, Level, Scopes
from airflow_carbon.core.reconcile import RunShare, reconcile

OCTOBER = date(2026, 10, 1)
GRAMS = st.integers(0, 10_000).map(float)
REGIONS = st.sampled_from(["westus2", "swedencentral", "francecentral"])
RUNS = st.lists(
    st.builds(
        RunShare,
        dag_id=st.sampled_from(["nightly_a", "nightly_b", "weekly"]),
        region=st.none() | REGIONS,
        emissions_g=GRAMS,
    )
)
GROUPS = {"Lab": ["nightly_*"], "other": ["weekly"]}


def figure(level, item, grams, scopes=Scopes.ALL):
    return Figure(scopes=scopes, level=level, item=item, emissions_g=grams)


FIGURES = st.lists(
    st.builds(figure, st.just(Level.LOCATION), REGIONS, GRAMS, st.sampled_from(Scopes)),
    unique_by=lambda one: (one.item, one.scopes),
)


def lines(runs=(), figures=(), groups=None):
    found = reconcile(OCTOBER, "S", runs=runs, figures=figures, groups=groups)
    return {(line.level, line.item): line for line in found.lines}


@given(RUNS, FIGURES)
def test_each_place_has_one_line_with_the_sums_of_both_sides(runs, figures):
    found = lines(runs, figures)

    for place in {run.region for run in runs if run.region} | {one.item for one in figures}:
        line = found[Level.LOCATION, place]
        ours = [run.emissions_g for run in runs if run.region == place]
        theirs = [x.emissions_g for x in figures if (x.item, x.scopes) == (place, Scopes.ALL)]
        assert line.measured_g == (sum(ours) if ours else None)
        assert line.runs == len(ours)
        assert line.reported_g == (theirs[0] if theirs else None)


@given(RUNS)
def test_what_ran_outside_of_azure_does_not_count(runs):
    inside = [run.emissions_g for run in runs if run.region is not None]
    line = lines(runs).get((Level.SUBSCRIPTION, "s"))

    assert (line.measured_g if line else 0) == sum(inside)


@given(RUNS, st.dictionaries(st.sampled_from("ab"), st.sampled_from(["nightly_*", "weekly", "x"])))
def test_a_run_belongs_to_the_first_group_that_names_it_or_is_counted_as_left_out(runs, patterns):
    groups = {name: [pattern] for name, pattern in patterns.items()}
    found = reconcile(OCTOBER, "s", runs=runs, figures=[], groups=groups)
    ours = [run for run in runs if run.region]
    named = [run for run in ours if any(fnmatchcase(run.dag_id, p) for p in patterns.values())]

    by_group = [line.runs for line in found.lines if line.level is Level.RESOURCE_GROUP]
    assert sum(by_group) == (len(named) if groups else 0)
    assert found.unassigned_runs == (len(ours) - len(named) if groups else 0)


def test_a_resource_group_is_found_by_its_name_however_it_is_written():
    runs = [RunShare(dag_id="nightly_a", region="westus2", emissions_g=2000.0)]
    reported = figure(Level.RESOURCE_GROUP, "/subscriptions/s/resourcegroups/lab", 3000.0)
    line = lines(runs, [reported], GROUPS)[Level.RESOURCE_GROUP, "lab"]

    assert (line.ratio, line.difference_g, line.note) == (1.5, 1000.0, None)


@pytest.mark.parametrize(
    ("ours", "theirs", "note"),
    [
        (None, 5.0, "the ledger has no run there"),
        (5.0, None, "Microsoft reports nothing there"),
        (1.0, 10.0, "order of magnitude"),
        (10.0, 1.0, "order of magnitude"),
        (10.0, 0.0, "order of magnitude"),
        (0.0, 5.0, None),
        (1.0, 2.0, None),
    ],
)
def test_what_is_missing_or_far_off_is_said(ours, theirs, note):
    runs = [] if ours is None else [RunShare(dag_id="d", region="westus2", emissions_g=ours)]
    figures = [] if theirs is None else [figure(Level.LOCATION, "westus2", theirs)]
    line = lines(runs, figures)[Level.LOCATION, "westus2"]

    assert (line.note is None) == (note is None)
    assert (note or "") in (line.note or "")
    if ours is None or theirs is None:
        assert line.ratio is line.difference_g is None
    if ours == 0:
        assert line.ratio is None


def test_scope_1_and_2_are_what_scope_3_leaves_and_unknown_without_it():
    whole = figure(Level.LOCATION, "westus2", 100.0)
    chain = figure(Level.LOCATION, "westus2", 98.0, Scopes.SUPPLY_CHAIN)

    assert lines(figures=[whole, chain])[Level.LOCATION, "westus2"].scope12_g == 2.0
    assert lines(figures=[whole])[Level.LOCATION, "westus2"].scope12_g is None


def test_rounding_makes_no_negative_emissions():
    whole = figure(Level.LOCATION, "westus2", 0.3)
    chain = figure(Level.LOCATION, "westus2", 0.1 + 0.2, Scopes.SUPPLY_CHAIN)

    assert lines(figures=[whole, chain])[Level.LOCATION, "westus2"].scope12_g == 0.0


def test_a_month_that_microsoft_has_not_reported_says_when_it_comes():
    found = reconcile(OCTOBER, "s", runs=[], figures=[])

    assert not found.is_reported
    assert "they come by about 2026-11-19" in found.reasons[0]


def test_the_reasons_say_that_a_saving_can_not_be_confirmed():
    found = reconcile(OCTOBER, "s", runs=[], figures=[figure(Level.SUBSCRIPTION, "s", 1.0)])

    assert found.is_reported
    assert "market-based" in found.text()
    assert "neither confirm nor refute a saving" in found.text()


@given(RUNS, FIGURES)
def test_the_values_are_plain_and_what_is_too_much_is_counted(runs, figures):
    many = [figure(Level.RESOURCE_GROUP, f"/s/{i}", float(i)) for i in range(60)]
    found = reconcile(OCTOBER, "s", runs=runs, figures=[*figures, *many], groups=GROUPS)
    values = found.as_dict()

    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert len(values["lines"]) + values["lines_left_out"] == len(found.lines)
    assert found.text().count("\n") < 70


@given(st.dates(), st.integers(-99, 99))
def test_months_are_counted_as_on_a_calendar(day, count):
    month = day.replace(day=1)
    number = 12 * month.year + month.month - 1 + count
    if 12 <= number < 12 * 9999:
        later = months_later(month, count)
        assert 12 * later.year + later.month - 1 == number
        assert len(months_between(month, later)) == max(0, count + 1)
        assert parse_month("month", written(later)) == later


def test_a_month_ends_where_the_next_begins():
    assert span_of(date(2026, 12, 1))[1] == span_of(date(2027, 1, 1))[0]
    assert nth_day_after(date(2026, 12, 1), 19) == date(2027, 1, 19)


@pytest.mark.parametrize("text", ["2026", "2026-13", "2026-10-02", "10/2026", "", None])
def test_what_is_no_month_is_refused(text):
    with pytest.raises(InvalidOptionError, match="2026-10"):
        parse_month("month", text)
