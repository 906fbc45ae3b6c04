"""A queue planned together: every run starts, whatever is known, and says why."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from strategies import T0, forecast_of, region_of

from airflow_carbon.core.decision import Reason
from airflow_carbon.core.intensity import Signal
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.queue import QueuedRun, span_of
from airflow_carbon.core.queue_plan import plan_queue

HOUR = timedelta(hours=1)


NORTH = region_of("north", "SE", 1.1)
SOUTH = region_of("south", "FR", 1.2)


def run(name, **fields):
    given = {"dag_id": "train", "name": name, "duration": "2h", "max_delay": "6h"}
    return QueuedRun.read(given | fields, Policy())


def starts(queue, forecasts, now=T0, **slots):
    allowed = {one.name: [NORTH, SOUTH] for one in queue}
    planned = plan_queue(queue, allowed, forecasts, submitted=T0, now=now, **slots)
    assert [one.run for one in planned.starts] == list(queue)
    return planned


def test_where_nothing_is_known_all_start_when_they_may_and_none_looks_like_a_choice():
    queue = [
        run("free"),
        run("later", earliest=T0 + HOUR),
        run("live", policy="real_time", max_delay=None),
    ]

    planned = starts(queue, {NORTH: None, SOUTH: None})

    assert [one.at for one in planned.starts] == [T0, T0 + HOUR, T0]
    reasons = [one.because for one in planned.starts]
    assert reasons == [Reason.NO_DATA, Reason.NO_DATA, Reason.REAL_TIME]
    assert planned.fleet is None
    assert set(planned.left_out) == {NORTH, SOUTH}


def test_a_forecast_has_to_cover_the_longest_run_and_is_asked_for_the_last_deadline():
    queue = [run("short", duration="1h", max_delay="20h"), run("long", duration="5h")]
    late = run("late", max_delay=None, deadline=T0 + HOUR)

    span = span_of([*queue, late], T0, T0)

    assert span.duration == 5 * HOUR
    assert span.deadline == T0 + 21 * HOUR
    assert span_of([late], T0, T0).deadline == T0 + 2 * HOUR


def test_runs_are_planned_in_the_hours_that_are_known():
    planned = starts([run("a", max_delay="20h")], {NORTH: forecast_of([300, 100, 100, 300])})

    assert planned.starts[0].at == T0 + HOUR
    assert planned.starts[0].because is Reason.CLEAN


def test_a_region_of_another_signal_is_left_out():
    average = forecast_of([100.0] * 12)
    marginal = replace(average, series=replace(average.series, signal=Signal.MARGINAL))

    planned = starts([run("a")], {NORTH: average, SOUTH: marginal})

    assert planned.starts[0].region == NORTH
    assert "does not compare" in planned.left_out[SOUTH]


def test_the_overhead_of_a_region_counts():
    planned = starts(
        [run("a")], {NORTH: forecast_of([105.0] * 12), SOUTH: forecast_of([99.0] * 12)}
    )

    assert planned.starts[0].region == NORTH


def test_the_sentence_says_when_where_and_why():
    queue = [run(name, max_delay=None, deadline=T0 + 2 * HOUR) for name in "ab"]

    planned = starts(queue, {NORTH: forecast_of([105.0] * 12)}, slots={"north": 1})

    said = sorted(one.sentence() for one in planned.starts)
    assert sum("in north, 105 g/kWh to" in one for one in said) == 2
    assert sum("though no slot is left" in one for one in said) == 1


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(1, 5),
            st.integers(0, 10),
            st.integers(0, 6),
            st.sampled_from(["real_time", "window_flexible", "delay_tolerant"]),
        ),
        min_size=1,
        max_size=6,
    ),
    st.lists(st.floats(0, 900), min_size=1, max_size=14),
    st.integers(0, 6),
    st.integers(1, 2),
)
def test_every_run_starts_by_its_latest_start_whatever_is_forecast(jobs, values, late, slots):
    queue = [
        run(
            f"job{i}",
            duration=f"{length}h",
            max_delay=None if kind == "real_time" else f"{delay}h" if delay else "0s",
            earliest=T0 + first * HOUR,
            policy=kind,
        )
        for i, (length, delay, first, kind) in enumerate(jobs)
    ]
    now = T0 + late * HOUR

    planned = starts(queue, {NORTH: forecast_of(values)}, now, slots={"north": slots})

    for one in planned.starts:
        latest = one.run.flexibility(T0).latest_start
        assert now <= one.at <= max(latest, now)
