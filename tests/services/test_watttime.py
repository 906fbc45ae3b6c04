"""WattTime: which signal it is, what of a span is known, and which refusal it is."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from servers.web import Say, serving
from services.case import CANARY, NOW

from airflow_carbon.core.errors import (
    AccessRefusedError,
    InvalidOptionError,
    MalformedReplyError,
    RateLimitedError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.intensity import Signal
from airflow_carbon.services.calls import asend, send
from airflow_carbon.services.watttime import WattTime

HOUR = timedelta(hours=1)
DAY = 24 * HOUR
STEP = timedelta(minutes=5)
MIDNIGHT = NOW.replace(hour=0, minute=0)
ZONE = "CAISO_NORTH"


@pytest.fixture
def web():
    with serving() as server:
        server.routes["/login"] = {"token": f"{CANARY}-token"}
        yield server


@pytest.fixture(params=["sync", "async"])
def ask(request):
    return lambda call: send(call) if request.param == "sync" else asyncio.run(asend(call))


def watttime(web, **fields):
    return WattTime(username="me", password=CANARY, base_url=web.url, **fields)


def ahead(source):
    return source.forecast(ZONE, now=NOW, until=NOW + HOUR)


def points(begin, count):
    return [{"point_time": (begin + i * STEP).isoformat(), "value": 100} for i in range(count)]


def meta(signal_type="co2_moer"):
    return {
        "data_point_period_seconds": 300,
        "region": ZONE,
        "warnings": [],
        "signal_type": signal_type,
        "units": "lbs_co2_per_mwh",
        "generated_at": NOW.isoformat(),
    }


def test_the_average_rate_is_not_marginal(ask, web):
    web.routes["/v3/forecast"] = {"data": points(NOW, 12), "meta": meta("co2_aoer")}

    assert ask(ahead(watttime(web, signal_type="co2_aoer"))).series.signal is Signal.AVERAGE
    assert web.asked[-1].query["signal_type"] == "co2_aoer"


def test_another_signal_than_asked_for_is_a_malformed_reply(ask, web):
    web.routes["/v3/forecast"] = {"data": points(NOW, 12), "meta": meta("co2_aoer")}

    with pytest.raises(MalformedReplyError, match="its signal is 'co2_aoer'"):
        ask(ahead(watttime(web)))


def test_damage_to_health_is_no_intensity(web):
    with pytest.raises(InvalidOptionError, match="co2_moer, co2_aoer"):
        watttime(web, signal_type="health_damage")


def test_a_last_chunk_of_which_nothing_is_known_costs_nothing(ask, web):
    begin = MIDNIGHT - 30 * DAY
    web.routes["/v3/historical"] = lambda asked: {
        "data": points(begin, 12) if asked.query["start"] == begin.isoformat() else [],
        "meta": meta(),
    }

    series = ask(watttime(web).history(ZONE, begin=begin, end=MIDNIGHT + STEP))

    assert (series.begins, series.ends) == (begin, begin + HOUR)


def test_a_span_ends_before_its_end_though_the_reply_includes_it(ask, web):
    web.routes["/v3/historical"] = {"data": points(MIDNIGHT, 13), "meta": meta()}

    series = ask(watttime(web).history(ZONE, begin=MIDNIGHT, end=MIDNIGHT + HOUR))

    assert (series.begins, series.ends) == (MIDNIGHT, MIDNIGHT + HOUR)


def test_nothing_known_is_no_answer(ask, web):
    web.routes["/v3/historical"] = {"data": [], "meta": meta()}

    with pytest.raises(ServiceUnavailableError, match="knows nothing of"):
        ask(watttime(web).latest(ZONE, now=NOW))


def test_each_issue_comes_once_though_days_share_their_midnight(ask, web):
    web.routes["/v3/forecast/historical"] = lambda asked: {
        "data": [
            {"generated_at": asked.query[end], "forecast": points(MIDNIGHT, 12)}
            for end in ("start", "end")
        ],
        "meta": meta(),
    }

    issues = ask(watttime(web).issued(ZONE, begin=MIDNIGHT - 2 * DAY, end=MIDNIGHT))

    assert [one.issued_at for one in issues] == [MIDNIGHT - 2 * DAY, MIDNIGHT - DAY]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        (Say(404, {"error": "Region not found"}), UnknownZoneError),
        (Say(429, {"error": "too many asks of this region"}), RateLimitedError),
        (Say(403, {"message": "Invalid scope. All may ask region CAISO_NORTH"}),
         AccessRefusedError),
        (Say(400, {"error": "start is after end"}), ServiceUnavailableError),
    ],
)  # fmt: skip
def test_only_an_unknown_region_is_one(ask, web, said, error):
    web.routes["/v3/forecast"] = said

    with pytest.raises(error) as caught:
        ask(ahead(watttime(web)))
    assert CANARY not in f"{caught.value!r} {caught.value}"
