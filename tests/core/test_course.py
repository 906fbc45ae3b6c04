"""Going on, pausing, moving and resuming, by example, and as people and XCom get them."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from running import FRANCE, HOUR, PLACE, SECOND, SWEDEN, left_of, region_of
from strategies import MINUTE, T0, forecast_of

from airflow_carbon.core.costs import Costs, Stopping
from airflow_carbon.core.course import Because, Continue, Move, Pause, Resume
from airflow_carbon.core.drift import follow, resume
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.intensity import Signal
from airflow_carbon.core.remaining import Remaining

DAY = forecast_of([400, 400, 300, 100, 100, 300, 400, 400, 400, 400, 400, 400, 400])


def test_it_pauses_for_the_cleanest_hours_and_says_so():
    answer = follow(DAY, left_of(2, 12), now=T0, drifted=True)

    assert isinstance(answer, Pause)
    assert answer.until == T0 + 3 * HOUR
    assert answer.saves_g_per_kw == pytest.approx(600)
    assert answer.sentence() == (
        "westeurope (NL): pauses to 2026-03-29 01:00Z for 100 g/kWh to 2026-03-29 03:00Z, "
        "75 % less than going on now, the stop included"
    )


def test_it_moves_where_it_is_cleaner_than_any_later_hour_here_pue_included():
    sweden, france = forecast_of([30] * 13), forecast_of([25] * 13)

    answer = follow(
        DAY, left_of(2, 12), now=T0, drifted=True, regions={FRANCE: france, SWEDEN: sweden}
    )

    assert isinstance(answer, Move)
    assert answer.region == SWEDEN
    assert answer.sentence() == (
        "westeurope (NL): moves to swedencentral (SE-SE3) and goes on 2026-03-28 22:00Z "
        "for 30 g/kWh to 2026-03-29 00:00Z, 92 % less than going on now, the stop included"
    )


def test_a_dear_move_loses_to_a_pause_and_both_to_going_on():
    sweden = {SWEDEN: forecast_of([90] * 13)}
    dear = Stopping(g_per_kw=100.0)

    pause = follow(
        DAY, left_of(2, 12), now=T0, drifted=True, regions=sweden, costs=Costs(moving=dear)
    )
    on = follow(
        DAY,
        left_of(2, 12),
        now=T0,
        drifted=True,
        regions=sweden,
        costs=Costs(stopping=Stopping(g_per_kw=700.0)),
    )

    assert isinstance(pause, Pause)
    assert on == Continue(because=Because.NOT_WORTH_IT, place=PLACE, going_on_g_per_kw=800.0)


def test_a_saving_below_the_margin_is_noise():
    forecast = forecast_of([100, 99.5, 99.5, 100])

    assert isinstance(follow(forecast, left_of(1, 4), now=T0, drifted=True), Continue)


def test_another_signal_or_an_unknown_region_does_not_compare():
    marginal = forecast_of([1] * 13)
    marginal = replace(marginal, series=replace(marginal.series, signal=Signal.MARGINAL))
    here = {region_of("westeurope", "NL"): forecast_of([1] * 13)}
    flat = forecast_of([400] * 13)

    for regions in ({SWEDEN: marginal}, here, {}):
        answer = follow(flat, left_of(2, 12), now=T0, drifted=True, regions=regions)
        assert answer.because is Because.NOT_WORTH_IT


@pytest.mark.parametrize(
    ("because", "forecast", "left", "now"),
    [
        (Because.NO_DATA, None, left_of(2, 12), T0),
        (Because.NO_DATA, forecast_of([400]), left_of(2, 12), T0),
        (Because.DEADLINE, DAY, left_of(2, 12), T0 + 10 * HOUR),
        (Because.DEADLINE, DAY, left_of(2, 12), T0 + 11 * HOUR),
        (Because.DEADLINE, None, left_of(2, 12, done=2 * HOUR), T0),
        (Because.MAY_NOT_STOP, DAY, left_of(2, 12, stops=2), T0),
        (Because.MAY_NOT_STOP, DAY, left_of(2, 12, ran=10 * MINUTE), T0),
        (Because.MAY_NOT_STOP, DAY, left_of(2, 12, done=1.8 * HOUR), T0),
    ],
)
def test_what_keeps_it_from_stopping_is_named(because, forecast, left, now):
    costs = Costs(stopping=Stopping(most=3, shortest=20 * MINUTE))

    answer = follow(forecast, left, now=now, drifted=True, costs=costs)

    assert isinstance(answer, Continue)
    assert answer.because is because
    assert answer.sentence().startswith("westeurope (NL): goes on, ")


def test_a_paused_job_resumes_at_once_without_data_and_at_its_latest_start():
    costs = Costs(stopping=Stopping(time=30 * MINUTE))
    left = left_of(2, 12, done=HOUR)
    latest = T0 + 12 * HOUR - HOUR - 30 * MINUTE

    outage = resume(None, left, now=T0, planned=T0 + 5 * HOUR, costs=costs)
    for forecast in (None, DAY, forecast_of([900] * 11 + [1] * 30)):
        answer = resume(forecast, left, now=latest, planned=latest + HOUR, costs=costs)
        assert answer == Resume(because=Because.DEADLINE, place=PLACE)

    assert outage == Resume(because=Because.NO_DATA, place=PLACE)


def test_a_paused_job_waits_for_a_blackout_to_end_even_in_an_outage():
    left = left_of(2, 12)
    left = replace(left, flex=replace(left.flex, blackouts=((T0 + HOUR, T0 + 4 * HOUR),)))

    answer = resume(None, left, now=T0 + 2 * HOUR, planned=T0 + 2 * HOUR)

    assert isinstance(answer, Pause)
    assert (answer.because, answer.until) == (Because.BLACKOUT, T0 + 4 * HOUR)
    assert answer.sentence().endswith("pauses to 2026-03-29 02:00Z, when it may run again")


def test_the_planned_resume_stands_against_noise_and_yields_to_a_far_better_one():
    left, planned = left_of(1, 12), T0 + 3 * HOUR
    noise = forecast_of([400, 400, 400, 100, 400, 99.5, 400])
    news = forecast_of([400, 400, 400, 100, 400, 50, 400])

    assert resume(noise, left, now=T0, planned=planned).until == planned
    assert resume(news, left, now=T0, planned=planned).until == T0 + 5 * HOUR
    assert resume(noise, left, now=planned, planned=planned).because is Because.NEXT_WINDOW
    assert resume(news, left, now=planned, planned=planned).until == T0 + 5 * HOUR


def test_waking_late_does_not_lose_the_resume_to_a_tie_or_to_noise():
    twice, noise = (
        forecast_of([400, 100, 400, 100, 400]),
        forecast_of([100, 99.5], begins=T0 + HOUR),
    )
    left, now = left_of(1, 12), T0 + HOUR

    late = resume(twice, left, now=now + 40 * SECOND, planned=now)
    later_than_the_issue = resume(noise, left, now=now, planned=now - 5 * MINUTE)

    assert late.because is Because.NEXT_WINDOW
    assert isinstance(late, Resume)
    assert isinstance(later_than_the_issue, Resume)


def test_waking_late_does_not_resume_in_a_blackout():
    left = left_of(1, 12)
    left = replace(left, flex=replace(left.flex, blackouts=((T0 + HOUR, T0 + 4 * HOUR),)))
    forecast = forecast_of([100] * 12)

    answer = resume(forecast, left, now=T0 + HOUR + MINUTE, planned=T0)

    assert (answer.because, answer.until) == (Because.BLACKOUT, T0 + 4 * HOUR)


def test_a_resume_is_planned_a_second_before_a_step_in_which_it_would_cost_more():
    forecast = forecast_of([900, 900, 100, 200, 0, 900, 900])
    costs = Costs(stopping=Stopping(energy_h=1.0))

    answer = follow(forecast, left_of(2, 7), now=T0, drifted=True, costs=costs)

    assert answer.until == T0 + 3 * HOUR - SECOND


def test_no_move_is_begun_that_could_only_end_in_a_blackout():
    left, black = left_of(2, 12), (T0 + 5 * HOUR, T0 + 11 * HOUR)
    left = replace(left, flex=replace(left.flex, blackouts=(black,)))
    slow = Costs(moving=Stopping(time=2.5 * HOUR))
    cleaner = {SWEDEN: forecast_of([1] * 13)}
    flat = forecast_of([400] * 13)

    in_time = follow(flat, left, now=T0, drifted=True, regions=cleaner, costs=slow)
    late = follow(flat, left, now=T0 + HOUR, drifted=True, regions=cleaner, costs=slow)

    assert isinstance(in_time, Move)
    assert isinstance(late, Continue)


def test_a_slow_move_keeps_its_own_latest_start():
    costs = Costs(moving=Stopping(time=3 * HOUR))
    left, now = left_of(2, 12), T0 + 7 * HOUR

    assert resume(DAY, left, now=now, costs=costs, moved=True).because is Because.DEADLINE
    assert resume(DAY, left, now=now, costs=costs).because is not Because.DEADLINE


def test_the_plain_values_of_every_answer_survive_json():
    left = left_of(2, 12)
    cleaner = {SWEDEN: forecast_of([30] * 13)}
    answers = [
        follow(DAY, left, now=T0, drifted=False),
        follow(None, left, now=T0, drifted=True),
        follow(DAY, left, now=T0, drifted=True),
        follow(DAY, left, now=T0, drifted=True, regions=cleaner),
        resume(None, left, now=T0),
        resume(DAY, left, now=T0),
        resume(DAY, left, now=T0 + 3 * HOUR),
    ]

    plain = [answer.as_dict() for answer in answers]

    assert json.loads(json.dumps(plain)) == plain
    kinds = ["continue", "continue", "pause", "move", "resume", "pause", "resume"]
    assert [one["answer"] for one in plain] == kinds
    assert all(one["because"] in list(Because) and one["zone"] == "NL" for one in plain)
    assert all(answer.sentence() for answer in answers)


def test_a_least_saving_that_can_not_be_is_refused():
    for fields in ({"min_saving": -0.1}, {"min_saving_g_per_kw": -1}):
        with pytest.raises(InvalidOptionError):
            Costs(**fields)


def test_phases_are_cut_where_the_work_stands():
    phases = (Phase(duration=HOUR, power=1), Phase(duration=2 * HOUR, power=4))
    flex = Flexibility(duration=3 * HOUR, earliest=T0, deadline=T0 + 9 * HOUR, phases=phases)

    def cut(done):
        job = Remaining(flex=flex, place=PLACE, done=done).job(T0, HOUR / 2)
        return [(phase.duration / HOUR, phase.power) for phase in job.phases]

    assert cut(HOUR / 2) == [(0.5, pytest.approx(3.4)), (0.5, 1), (2, 4)]
    assert cut(2 * HOUR) == [(0.5, 4), (1, 4)]
    assert cut(-HOUR / 4) == [(0.75, 3), (1, 1), (2, 4)]
