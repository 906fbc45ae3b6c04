"""A training in segments: what is behind, what is left, and that it is never late."""

from __future__ import annotations

import json
import random
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from running import FRANCE, HOUR, SWEDEN, all_costs, intensities, runs, steps, stoppings
from strategies import MINUTE, T0, forecast_of, series_of

from airflow_carbon.core.costs import Drift, Pausing, Stopping
from airflow_carbon.core.course import Because, Continue, Move, Resume
from airflow_carbon.core.drift import follow, has_drifted, resume
from airflow_carbon.core.errors import InputError
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.plan import Place
from airflow_carbon.core.promise import Promise
from airflow_carbon.core.segments import Ended, Segment, remaining, work_done

HERE = Place(zone="SE-SE3", region="swedencentral")


def segment(begin, length, ended=Ended.PAUSED, region="swedencentral", attempt=1):
    return Segment(
        region=region,
        name=f"carbon-x-{attempt}",
        attempt=attempt,
        started_at=T0 + begin * MINUTE,
        ended_at=T0 + (begin + length) * MINUTE,
        ended=ended,
    )


ends = st.sampled_from(list(Ended)[:4])


@st.composite
def histories(draw):
    """Segments in order of time, with gaps between them."""
    at, found = 0, []
    for number in range(draw(st.integers(0, 5))):
        at += draw(st.integers(0, 60))
        length = draw(st.integers(0, 120))
        region = draw(st.sampled_from(["swedencentral", "francecentral"]))
        found.append(segment(at, length, draw(ends), region, number + 1))
        at += length
    return found


@given(history=histories(), costs=all_costs)
def test_what_is_behind_is_what_ran_less_each_resume_minute_by_minute(history, costs):
    minutes, before = 0, None
    for one in history:
        late = costs.stopping if one.region == before else costs.move
        lost = late.time // MINUTE if before else 0
        before = one.region
        if one.ended is Ended.FAILED:
            continue
        for _ in range(one.ran // MINUTE):
            lost -= 1
            minutes += lost < 0

    done, cost = work_done(history, "swedencentral", costs)

    assert done == minutes * MINUTE
    here = costs.stopping if before == "swedencentral" else costs.move
    assert cost == (here if history else Stopping())


@given(history=histories(), costs=all_costs, ran=st.integers(0, 300))
def test_stopping_now_leaves_what_it_would_leave_as_a_segment(history, costs, ran):
    flex = Flexibility(duration=50 * HOUR, earliest=T0, deadline=T0 + 100 * HOUR)
    begin = (max([one.ended_at for one in history], default=T0) - T0) // MINUTE + 5
    since = T0 + begin * MINUTE
    running = remaining(
        flex,
        HERE,
        history,
        pue=1.0,
        costs=costs,
        running_since=since,
        now=since + ran * MINUTE,
    )
    stopped = remaining(flex, HERE, [*history, segment(begin, ran)], pue=1.0, costs=costs)

    assert stopped.done == max(running.done, work_done(history, "", costs)[0])
    assert stopped.stops == running.stops + 1


@given(history=histories())
def test_segments_survive_json(history):
    plain = json.loads(json.dumps([one.as_dict() for one in history]))

    assert [Segment.read(one) for one in plain] == history


@given(stopping=stoppings)
def test_what_a_stop_costs_survives_json(stopping):
    assert Stopping.read("stopping", json.loads(json.dumps(stopping.as_dict()))) == stopping


def test_what_a_dag_author_writes_is_read():
    pausing = Pausing.read(
        {
            "drift": {"share": "30%", "lasting": "1h"},
            "stopping": {"energy_h": 0.1, "time": "10m", "most": 3},
            "moving": {"time": "20m"},
            "min_saving": "5%",
        }
    )

    assert pausing.drift == Drift(share=0.3, lasting=HOUR)
    assert pausing.costs.stopping == Stopping(energy_h=0.1, time=10 * MINUTE, most=3)
    assert (pausing.costs.move.time, pausing.costs.min_saving) == (20 * MINUTE, 0.05)
    assert pausing.may_move
    assert not Pausing.read({}).may_move
    assert Pausing.read({"moving": True}).costs.move == Stopping()


@pytest.mark.parametrize(
    "wrong",
    [
        {"stopping": "10m"},
        {"stopping": {"tyme": "10m"}},
        {"stopping": {"time": "soon"}},
        {"stopping": {"most": 0}},
        {"moving": 3},
        {"drift": 0.2},
    ],
)
def test_what_can_not_be_read_is_refused(wrong):
    with pytest.raises(InputError):
        Pausing.read(wrong)


@given(values=intensities, step=steps, begin=st.integers(-200, 900), length=st.integers(1, 900))
def test_a_promise_survives_json_and_says_of_its_span_what_the_forecast_did(
    values, step, begin, length
):
    forecast = forecast_of(values, step)
    since, until = T0 + begin * MINUTE, T0 + (begin + length) * MINUTE

    kept = Promise.of(forecast, begin=since, until=until)
    read = Promise.read(json.loads(json.dumps(kept.as_dict())))

    assert read.source == forecast.source
    series = forecast.series
    at = max(since, series.begins)
    while at < min(until, series.ends):
        before = series.g_per_kwh[(at - series.begins) // series.step]
        after = read.series.g_per_kwh[(at - read.series.begins) // series.step]
        assert after == pytest.approx(before)
        at += timedelta(minutes=step)


@given(promised=intensities, actual=intensities, now=st.integers(0, 300))
def test_a_promise_is_broken_when_reality_has_drifted_from_it(promised, actual, now):
    drift, at = Drift(share=0.2, lasting=30 * MINUTE), T0 + now * MINUTE
    promise = Promise.of(forecast_of(promised), begin=T0, until=T0 + 12 * HOUR)
    told = series_of(actual)

    broken = promise.is_broken(told, since=T0, now=at, drift=drift)

    assert broken == has_drifted(series_of(promised), told, since=T0, now=at, drift=drift)
    assert not promise.is_broken(None, since=T0, now=at, drift=drift)
    elsewhere = series_of(actual, zone="FR")
    assert not promise.is_broken(elsewhere, since=T0, now=at, drift=drift)


def live(flex, costs, seed, forecasts, every):
    """Run a training as the triggers do, in a world that wants to delay it: its segments."""
    world = random.Random(seed)  # noqa: S311 - a test's dice
    now, over, place, regions = flex.earliest, [], SWEDEN, {"swedencentral": SWEDEN}
    regions["francecentral"] = FRANCE
    forced = False
    while True:
        since = now
        while True:
            here = Place(zone=place.zone, region=place.name)
            left = remaining(
                flex, here, over, pue=place.pue, costs=costs, running_since=since, now=now
            )
            if left.work <= timedelta(0):
                ended = Ended.SUCCEEDED
                break
            there = {one: world.choice(forecasts) for one in regions.values() if one is not place}
            answer = follow(
                world.choice(forecasts),
                left,
                now=now,
                drifted=world.random() < 0.8 and not forced,
                regions={one: said for one, said in there.items() if said},
                costs=costs,
            )
            if not isinstance(answer, Continue):
                ended = Ended.MOVED if isinstance(answer, Move) else Ended.PAUSED
                break
            now += min(every, left.work)
        last = Segment(
            region=place.name,
            name="carbon-x",
            attempt=len(over) + 1,
            started_at=since,
            ended_at=now,
            ended=ended,
        )
        over.append(last)
        if ended is Ended.SUCCEEDED:
            return over
        moved, planned = isinstance(answer, Move), answer.window.start
        place = answer.region if moved else place
        while True:
            here = Place(zone=place.zone, region=place.name)
            left = remaining(flex, here, over, pue=place.pue, costs=costs)
            said = resume(
                world.choice(forecasts), left, now=now, planned=planned, costs=costs, moved=moved
            )
            if isinstance(said, Resume):
                forced = said.because is Because.DEADLINE
                break
            planned = said.until
            now = min(now + every, planned)


@settings(max_examples=60, deadline=None)
@given(
    run=runs(),
    worlds=st.lists(st.one_of(st.none(), st.tuples(intensities, steps)), min_size=1, max_size=5),
    costs=all_costs,
    seed=st.integers(0, 10**6),
    every=st.sampled_from([1, 7, 20]),
)
def test_no_world_makes_a_training_of_many_segments_late(run, worlds, costs, seed, every):
    left, _ = run
    forecasts = [world and forecast_of(*world) for world in worlds]

    over = live(left.flex, costs, seed, forecasts, every * MINUTE)

    assert over[-1].ended_at <= left.flex.deadline
    assert all(one.ended_at <= other.started_at for one, other in pairwise(over))
    most = costs.stopping.most
    assert most is None or costs.moving is not None or len(over) <= max(most, 1)
