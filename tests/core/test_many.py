"""Many jobs in one call: the same answers as one by one, and as a slow search."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import MINUTE, STEPS, T0, grams, plateaus, series_of

from airflow_carbon.core import sweep
from airflow_carbon.core.errors import ForecastCoverageError, InputError, NoFeasibleWindowError
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import IntensitySeries, Signal
from airflow_carbon.core.many import best_windows
from airflow_carbon.core.window import best_window

SECOND = timedelta(seconds=1)


@st.composite
def regions(draw) -> dict[str, IntensitySeries]:
    """Up to four series; some on a grid of their own."""
    found = {}
    for i in range(draw(st.integers(1, 4))):
        values = draw(st.lists(st.one_of(grams, plateaus), min_size=8, max_size=12))
        begins = T0 + draw(st.sampled_from([0, 0, 0, 35, 7200])) * SECOND
        found[f"region{i}"] = series_of(values, draw(st.sampled_from(STEPS)), begins, f"Z{i}")
    return found


@st.composite
def tables(draw) -> pd.DataFrame:
    """Jobs at whole seconds, some of them outside of any series."""
    rows = []
    for _ in range(draw(st.integers(1, 12))):
        earliest = draw(st.integers(-600, 9 * 3600))
        length = draw(st.one_of(st.integers(1, 3 * 3600), st.sampled_from([300, 3600])))
        slack = draw(st.integers(0, 6 * 3600))
        begin = pd.Timestamp(T0) + earliest * SECOND
        rows.append((begin, begin + (length + slack) * SECOND, pd.Timedelta(length, "s")))
    return pd.DataFrame(rows, columns=["earliest", "deadline", "duration"])


def one_by_one(series, job, weights):
    """The best over the regions of the best window in each; None where none covers the job."""
    flex = Flexibility(
        duration=job.duration.to_pytimedelta(),
        earliest=job.earliest.to_pydatetime(),
        deadline=job.deadline.to_pydatetime(),
    )
    found = []
    for name, one in series.items():
        try:
            window = best_window(one, flex)
        except ForecastCoverageError:
            continue
        found.append((window.mean_g_per_kwh * weights[name], window.start, name))
    return min(found, default=None)


@settings(max_examples=200)
@given(regions(), tables(), st.lists(st.sampled_from([1.0, 1.125, 1.4]), min_size=4, max_size=4))
def test_many_jobs_get_what_each_would_get_alone(series, jobs, values):
    weights = dict(zip(series, values, strict=False))

    found = best_windows(series, jobs, weights=weights)

    for job, got in zip(jobs.itertuples(), found.itertuples(), strict=True):
        expected = one_by_one(series, job, weights)
        if expected is None:
            assert pd.isna(got.region)
            assert pd.isna(got.start)
            continue
        assert got.g_per_it_kwh == pytest.approx(expected[0], rel=1e-8, abs=1e-5)
        assert job.earliest <= got.start
        assert got.end <= job.deadline
        assert got.end - got.start == job.duration
        there = series[got.region].mean(got.start.to_pydatetime(), got.end.to_pydatetime())
        assert got.mean_g_per_kwh == pytest.approx(there, rel=1e-8, abs=1e-5)


@given(st.integers(1, 400), st.integers(0, 600), st.integers(0, 60))
def test_no_minute_of_any_region_beats_the_answer(length, slack, earliest):
    rng = np.random.default_rng(length + 1000 * slack)
    series = {name: series_of(rng.uniform(0, 500, 100), 15) for name in "abc"}
    begin = pd.Timestamp(T0) + earliest * MINUTE
    span = pd.Timedelta(length + slack, "min")
    job = pd.DataFrame(
        {"earliest": [begin], "deadline": [begin + span], "duration": [length * MINUTE]}
    )

    found = best_windows(series, job).iloc[0]

    minutes = {name: np.repeat(one.g_per_kwh, 15) for name, one in series.items()}
    tried = {
        (name, at): values[at : at + length].mean()
        for name, values in minutes.items()
        for at in range(earliest, earliest + slack + 1)
    }
    assert found.g_per_it_kwh == pytest.approx(min(tried.values()), abs=1e-6)


def jobs_of(*rows) -> pd.DataFrame:
    """Jobs of (earliest, deadline, duration) in hours from T0."""
    spans = [[pd.Timedelta(hours, "h") for hours in row] for row in rows]
    table = pd.DataFrame(spans, columns=["earliest", "deadline", "duration"])
    table[["earliest", "deadline"]] += pd.Timestamp(T0)
    return table


def test_where_all_is_equal_the_first_region_named_runs_the_job_at_once():
    series = {name: series_of([200.0] * 30) for name in ("b", "a")}

    found = best_windows(series, jobs_of((1.5, 20, 3.25)))

    assert found.region[0] == "b"
    assert found.start[0] == T0 + timedelta(hours=1.5)


def test_a_region_with_more_overhead_has_to_be_cleaner_by_it():
    series = {"near": series_of([100.0] * 10), "far": series_of([90.0] * 10)}

    found = best_windows(series, jobs_of((0, 5, 1)), weights={"near": 1.1, "far": 1.3})

    assert found.region[0] == "near"
    assert found.mean_g_per_kwh[0] == pytest.approx(100)
    assert found.g_per_it_kwh[0] == pytest.approx(110)


def test_work_in_parts_changes_nothing(monkeypatch):
    rng = np.random.default_rng(7)
    series = {name: series_of(rng.uniform(0, 500, 96)) for name in "abc"}
    hours = rng.uniform(0, 30, (50, 3))
    jobs = jobs_of(*((a, a + b + c + 0.1, c + 0.1) for a, b, c in hours))
    whole = best_windows(series, jobs)

    monkeypatch.setattr(sweep, "_BOUNDS", 10)
    monkeypatch.setattr(sweep, "_CANDIDATES", 20)

    pd.testing.assert_frame_equal(best_windows(series, jobs), whole)


def test_the_answer_has_the_index_of_the_jobs():
    jobs = jobs_of((0, 4, 1), (0, 4, 2)).set_axis(["train", "score"])

    assert list(best_windows({"a": series_of([3, 2, 1, 4])}, jobs).index) == ["train", "score"]


def test_no_job_is_no_answer():
    assert best_windows({"a": series_of([3, 2])}, jobs_of((0, 1, 1))[:0]).empty


def test_a_job_that_does_not_fit_is_named():
    with pytest.raises(NoFeasibleWindowError, match="5:00:00"):
        best_windows({"a": series_of([3] * 10)}, jobs_of((0, 4, 1), (0, 4, 5)))


@pytest.mark.parametrize(
    "change",
    [
        lambda jobs: jobs.drop(columns="duration"),
        lambda jobs: jobs.assign(earliest=jobs.earliest.dt.tz_localize(None)),
        lambda jobs: jobs.assign(deadline=pd.NaT),
        lambda jobs: jobs.assign(duration=3600),
        lambda jobs: jobs.assign(duration=pd.Timedelta(0)),
    ],
)
def test_a_table_that_cannot_be_read_says_what_is_wrong(change):
    with pytest.raises(InputError):
        best_windows({"a": series_of([3] * 10)}, change(jobs_of((0, 4, 1))))


def test_average_and_marginal_are_not_compared():
    marginal = IntensitySeries(
        zone="US", begins=T0, step=MINUTE, g_per_kwh=[1, 2], signal=Signal.MARGINAL
    )

    with pytest.raises(InputError, match="marginal"):
        best_windows({"a": series_of([1, 2]), "b": marginal}, jobs_of((0, 1, 1)))


@pytest.mark.parametrize("weights", [{}, {"a": 0}, {"a": float("inf")}])
def test_every_region_needs_a_weight(weights):
    with pytest.raises(InputError, match="needs a number above 0"):
        best_windows({"a": series_of([1, 2])}, jobs_of((0, 1, 1)), weights=weights)
