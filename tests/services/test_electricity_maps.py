"""Electricity Maps: what of a span is known, which refusal it is, and how long a step is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from servers.web import Say, serving
from services.case import CANARY, NOW

from airflow_carbon.core.errors import (
    AccessRefusedError,
    RateLimitedError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.services.calls import asend, send
from airflow_carbon.services.electricity_maps import ElectricityMaps

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
MIDNIGHT = NOW.replace(hour=0, minute=0)
NOT_IN_PLAN = {"error": "Request unauthorized for zoneKey=DE,requestType=forecast"}


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def ask(request):
    return lambda call: send(call) if request.param == "sync" else asyncio.run(asend(call))


def maps(web, **fields):
    return ElectricityMaps(token=CANARY, base_url=web.url, **fields)


def rows(begin, count, value=300):
    return [
        {"carbonIntensity": value, "datetime": (begin + i * HOUR).isoformat(), "isEstimated": True}
        for i in range(count)
    ]


@pytest.mark.parametrize("unknown", [[], rows(MIDNIGHT, 1, value=None)])
def test_a_last_chunk_of_which_nothing_is_known_costs_nothing(ask, web, unknown):
    begin = MIDNIGHT - 10 * DAY
    web.routes["/carbon-intensity/past-range"] = lambda asked: {
        "zone": "DE",
        "data": rows(begin, 240) if asked.query["start"] == begin.isoformat() else unknown,
    }

    series = ask(maps(web).history("DE", begin=begin, end=MIDNIGHT + HOUR / 2))

    assert (series.begins, series.ends) == (begin, MIDNIGHT)


def test_the_last_day_is_no_history_of_last_week(ask, web):
    web.routes["/carbon-intensity/past-range"] = Say(401, NOT_IN_PLAN)
    web.routes["/carbon-intensity/history"] = {"zone": "DE", "history": rows(MIDNIGHT - DAY, 24)}

    with pytest.raises(ServiceUnavailableError, match="knows nothing of 2026-10-15"):
        ask(maps(web).history("DE", begin=MIDNIGHT - 9 * DAY, end=MIDNIGHT - 8 * DAY))


def test_history_is_cut_to_the_steps_that_were_asked_for(ask, web):
    web.routes["/carbon-intensity/past-range"] = {"zone": "DE", "data": rows(MIDNIGHT - DAY, 25)}

    series = ask(maps(web).history("DE", begin=MIDNIGHT - 3.5 * HOUR, end=MIDNIGHT))

    assert (series.begins, series.ends) == (MIDNIGHT - 4 * HOUR, MIDNIGHT)


def test_a_check_with_a_wrong_key_fails_though_the_zones_are_public(ask, web):
    web.routes["/zones"] = {"DE": {}, "FR": {}}
    for what in ("latest", "forecast"):
        web.routes[f"/carbon-intensity/{what}"] = Say(401, {"error": "Invalid auth-token"})

    with pytest.raises(AccessRefusedError, match="key is not accepted"):
        ask(maps(web).check())


def test_a_plan_without_forecast_says_that_it_has_none(ask, web):
    web.routes["/carbon-intensity/forecast"] = Say(401, NOT_IN_PLAN)

    with pytest.raises(AccessRefusedError, match="plan of this key does not include forecast of D"):
        ask(maps(web).forecast("DE", now=NOW, until=NOW + HOUR))


def test_the_last_inclusive_row_begins_one_more_step(ask, web):
    body = {"zone": "DE", "forecast": rows(MIDNIGHT + 22 * HOUR, 25)}
    web.routes["/carbon-intensity/forecast"] = {**body, "updatedAt": NOW.isoformat()}

    series = ask(maps(web).forecast("DE", now=NOW, until=NOW + DAY)).series

    assert series.ends - series.begins == 25 * HOUR


def test_a_v3_reply_that_does_not_say_its_step_has_the_one_asked_for(ask, web):
    quarter = HOUR / 4
    body = [
        {"carbonIntensity": 1, "datetime": (MIDNIGHT + 22 * HOUR + i * quarter).isoformat()}
        for i in range(4)
    ]
    web.routes["/carbon-intensity/forecast"] = {"zone": "DE", "forecast": body}

    source = maps(web, granularity="15_minutes")
    series = ask(source.forecast("DE", now=NOW, until=NOW + HOUR)).series

    assert (series.step, series.ends) == (quarter, MIDNIGHT + 23 * HOUR)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Say(404, {"error": "Zone 'XX' does not exist"}), UnknownZoneError),
        (Say(400, {"message": "Unknown zone"}), UnknownZoneError),
        (Say(429, {"error": "too many asks of an unknown zone"}), RateLimitedError),
        (Say(404, {"error": 'No recent data for zone "DE"'}), ServiceUnavailableError),
    ],
)
def test_only_an_unknown_zone_is_one(ask, web, said, error):
    web.routes["/carbon-intensity/forecast"] = said

    with pytest.raises(error):
        ask(maps(web).forecast("DE", now=NOW, until=NOW + HOUR))
