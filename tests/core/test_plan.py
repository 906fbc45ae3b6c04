"""What people read, and what XCom carries."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from strategies import T0, forecast_of, series_of

from airflow_carbon.core.decision import Reason, StartNow, WaitUntil, decide
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Quality, Signal, Survey
from airflow_carbon.core.plan import Place, Plan, at_once, wait_sentence

HOUR = timedelta(hours=1)
FLEX = Flexibility(duration=2 * HOUR, earliest=T0, deadline=T0 + 12 * HOUR)
FORECAST = forecast_of([400, 400, 300, 100, 100, 300, 400, 400, 400, 400, 400, 400, 400])
PLACE = Place(zone="NL", region="westeurope")


def plan_of(answer, now=T0, forecast=FORECAST, once=400.0) -> Plan:
    return Plan.of(
        answer, place=PLACE, flex=FLEX, now=now, forecast=forecast, at_once_g_per_kwh=once
    )


def test_a_wait_says_what_it_chose_what_now_would_be_and_from_which_forecast():
    answer = decide(FORECAST, FLEX, now=T0)

    sentence = wait_sentence(answer, place=PLACE, flex=FLEX, now=T0, forecast=FORECAST)

    assert sentence == (
        "westeurope (NL): waits to 2026-03-29 01:00Z for 100 g/kWh to 2026-03-29 03:00Z, "
        "75 % less than the 400 of running now; forecast of replay:day.csv (issued), "
        "issued 2026-03-28 22:00Z; starts by 2026-03-29 08:00Z come what may"
    )


def test_a_wait_for_its_earliest_start_without_a_forecast_says_so():
    answer = WaitUntil(at=T0, window=None)

    sentence = wait_sentence(answer, place=Place(zone="X"), flex=FLEX, now=T0 - HOUR, forecast=None)

    assert sentence == "X: waits to 2026-03-28 22:00Z, its earliest start; no forecast"


def test_a_start_says_why_and_what_it_expects():
    now = T0 + 3 * HOUR
    plan = plan_of(decide(FORECAST, FLEX, now=now), now)

    assert plan.sentence() == (
        "westeurope (NL): starts now, its cleanest window begins; expects 100 g/kWh to "
        "2026-03-29 03:00Z, 75 % less than the 400 of running at once; "
        "forecast of replay:day.csv (issued), issued 2026-03-28 22:00Z"
    )


@pytest.mark.parametrize(
    ("because", "says"),
    [
        (Reason.DEADLINE, "its latest start has come"),
        (Reason.NO_DATA, "because no source can say"),
    ],
)
def test_a_start_that_is_no_choice_does_not_look_like_one(because, says):
    plan = plan_of(StartNow(window=None, because=because), forecast=None, once=None)

    assert says in plan.sentence()
    assert plan.as_dict()["reason"] == because.value
    assert plan.as_dict()["mean_g_per_kwh"] is None


def test_a_worse_start_is_said_to_be_worse():
    late = forecast_of([100, 100, 400, 400, 400])
    now = T0 + 2 * HOUR
    flex = replace(FLEX, deadline=T0 + 4 * HOUR)
    plan = Plan.of(
        decide(late, flex, now=now),
        place=PLACE,
        flex=flex,
        now=now,
        forecast=late,
        at_once_g_per_kwh=100.0,
    )

    assert "300 % more than the 100 of running at once" in plan.sentence()
    assert plan.as_dict()["difference_percent"] == pytest.approx(300)


def test_the_plan_is_plain_values():
    values = plan_of(decide(FORECAST, FLEX, now=T0 + 3 * HOUR), T0 + 3 * HOUR).as_dict()

    assert json.loads(json.dumps(values)) == values
    assert values["start"] == "2026-03-29T01:00:00+00:00"
    assert values["end"] == "2026-03-29T03:00:00+00:00"
    assert values["deadline"] == "2026-03-29T10:00:00+00:00"
    assert values["submitted_at"] == T0.isoformat()


def survey_of(source="replay:day.csv", values=(400, 400), signal=Signal.AVERAGE) -> Survey:
    series = replace(series_of(list(values)), signal=signal)
    return Survey(series=series, source=source, quality=Quality.ACTUAL)


def test_running_at_once_is_priced_from_the_plans_own_source_and_signal():
    assert at_once(survey_of(), FORECAST, FLEX) == pytest.approx(400)
    assert at_once(survey_of(source="typical"), FORECAST, FLEX) is None
    assert at_once(survey_of(signal=Signal.MARGINAL), FORECAST, FLEX) is None
    assert at_once(survey_of(values=(400,)), FORECAST, FLEX) is None
    assert at_once(None, FORECAST, FLEX) is None
    assert at_once(survey_of(), None, FLEX) is None


def test_nothing_to_compare_with_is_no_difference():
    answer = decide(FORECAST, FLEX, now=T0 + 3 * HOUR)

    assert plan_of(answer, once=None).difference_percent is None
    assert plan_of(answer, once=0.0).difference_percent is None
