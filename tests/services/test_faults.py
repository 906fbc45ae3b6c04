"""Every service, in both colours, against every way in which a reply can be wrong."""

from __future__ import annotations

import asyncio
import copy
import logging
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
from servers.web import Say, serving
from services.case import CANARY, NOW

from airflow_carbon.core.errors import (
    AccessRefusedError,
    CarbonError,
    MalformedReplyError,
    RateLimitedError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.intensity import Quality
from airflow_carbon.services import http
from airflow_carbon.services.calls import asend, drive, send
from airflow_carbon.services.flight import Answers
from airflow_carbon.services.ladder import Question, climb
from airflow_carbon.services.memory import LastIssues
from airflow_carbon.services.shared import Shared

HOUR = timedelta(hours=1)
CASES = [
    import_module(f"services.{file.stem}").CASE
    for file in sorted(Path(__file__).parent.glob("case_*.py"))
]

pytestmark = [
    pytest.mark.parametrize("case", CASES, ids=lambda case: case.name),
    pytest.mark.parametrize("colour", ["sync", "async"]),
]


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.01)


@pytest.fixture
def web():
    with serving() as server:
        yield server


def ask(case, web, colour, *, now=NOW, hours=12, zone=None):
    """Return the forecast."""
    call = case.source(web.url).forecast(zone or case.zone, now=now, until=now + hours * HOUR)
    return send(call) if colour == "sync" else asyncio.run(asend(call))


def at_forecast(case, said):
    """Return a mood that replies so where the forecast is asked, and as usual elsewhere."""
    return lambda asked: said if asked.path.startswith(case.forecast_path) else None


def body_of(case, web, points):
    """Return what the server replies to the question for a forecast."""
    web.routes = dict(case.routes(points))
    send(case.source(web.url).forecast(case.zone, now=NOW, until=NOW + 12 * HOUR))
    asked = next(one for one in reversed(web.asked) if one.path.startswith(case.forecast_path))
    said = web.reply(asked)
    return copy.deepcopy(said.body)


def test_a_good_reply_gives_the_exact_series(case, colour, web):
    points = case.points()
    web.routes = dict(case.routes(points))

    forecast = ask(case, web, colour)

    series = forecast.series
    assert (series.begins, series.step) == (points[0][0], case.step)
    expected = [value * case.unit for _, value in points][: len(series.g_per_kwh)]
    np.testing.assert_allclose(series.g_per_kwh, expected, rtol=1e-9)
    assert series.covers(NOW, min(NOW + 12 * HOUR, points[-1][0]))
    assert forecast.source == case.name
    assert forecast.quality is Quality.ISSUED
    assert forecast.issued_at <= NOW
    assert series.filled == 0


@pytest.mark.parametrize(
    ("said", "errors"),
    [
        (Say(400, {"error": "bad"}), (ServiceUnavailableError, UnknownZoneError)),
        (Say(401, {"error": "no"}), AccessRefusedError),
        (Say(403, {"error": "no"}), AccessRefusedError),
        (Say(404, {"error": "none"}), (ServiceUnavailableError, UnknownZoneError)),
        (Say(409, {"error": "conflict"}), ServiceUnavailableError),
        (Say(429, {}, {"retry-after": "5"}), RateLimitedError),
        (Say(429, {}), RateLimitedError),
        (Say(500, "boom"), ServiceUnavailableError),
        (Say(502, "<html>bad gateway</html>"), ServiceUnavailableError),
        (Say(503, ""), ServiceUnavailableError),
        (Say(body="<html>hello</html>", headers={"content-type": "text/html"}),
         MalformedReplyError),
        (Say(body=b""), (MalformedReplyError, UnknownZoneError)),
        (Say(body=[]), (ServiceUnavailableError, UnknownZoneError)),
        (Say(body={}), (ServiceUnavailableError, UnknownZoneError)),
        (Say(body=None), (ServiceUnavailableError, UnknownZoneError)),
        (Say(body="null"), (ServiceUnavailableError, UnknownZoneError)),
    ],
)  # fmt: skip
def test_what_is_no_forecast_is_an_error_of_its_class(case, colour, web, said, errors):
    web.routes = dict(case.routes(case.points()))
    web.mood = at_forecast(case, said)

    with pytest.raises(errors):
        ask(case, web, colour)


@pytest.mark.parametrize("how", [{"drop": True}, {"cut": True}])
def test_half_a_reply_is_no_reply(case, colour, web, how):
    body = body_of(case, web, case.points())
    web.mood = at_forecast(case, Say(body=body, **how))

    with pytest.raises(ServiceUnavailableError):
        ask(case, web, colour)


def test_a_reply_that_takes_too_long_is_given_up(case, colour, web, monkeypatch):
    body = body_of(case, web, case.points())
    monkeypatch.setattr(http, "WHOLE_S", 0.2)
    monkeypatch.setattr(http, "TRIES", 1)
    web.mood = at_forecast(case, Say(body=body, dribble_s=0.02))

    with pytest.raises(ServiceUnavailableError, match="took too long"):
        ask(case, web, colour)


def test_an_unknown_zone_is_one(case, colour, web):
    web.routes = dict(case.routes(case.points()))
    web.mood = at_forecast(case, case.unknown_zone)

    with pytest.raises(UnknownZoneError):
        ask(case, web, colour)


def without(body, name):
    """Return a copy of JSON in which no object has the key."""
    if isinstance(body, dict):
        return {key: without(value, name) for key, value in body.items() if key != name}
    return [without(one, name) for one in body] if isinstance(body, list) else body


def test_a_missing_field_is_a_malformed_reply(case, colour, web):
    body = body_of(case, web, case.points())
    for name in case.fields:
        broken = without(body, name)
        assert broken != body, f"there is no {name} to leave out"
        web.mood = at_forecast(case, Say(body=broken))

        with pytest.raises(ServiceUnavailableError):
            ask(case, web, colour)


def test_another_unit_is_a_malformed_reply(case, colour, web):
    if case.wrong_unit is None:
        pytest.skip(f"{case.name} states no unit")
    body = body_of(case, web, case.points())
    web.mood = at_forecast(case, Say(body=case.wrong_unit(body)))

    with pytest.raises(MalformedReplyError):
        ask(case, web, colour)


@pytest.mark.parametrize("value", [float("nan"), -5.0, "12", True])
def test_a_value_that_is_no_intensity_is_a_malformed_reply(case, colour, web, value):
    points = case.points()
    points[4] = (points[4][0], value)
    web.routes = dict(case.routes(points))

    with pytest.raises(MalformedReplyError):
        ask(case, web, colour, hours=6 if case.step >= HOUR / 2 else 1)


@pytest.mark.parametrize("hole", ["null", "missing"])
def test_a_short_gap_is_filled_and_marked(case, colour, web, hole):
    points = case.points()
    at, whole = points[1][0], [value * case.unit for _, value in points]
    points[1:2] = [(at, None)] if hole == "null" else []
    web.routes = dict(case.routes(points))

    series = ask(case, web, colour).series

    assert series.filled == 1
    assert series.g_per_kwh[1] == pytest.approx((whole[0] + whole[2]) / 2)
    assert series.begins == points[0][0]


def test_a_long_gap_is_not(case, colour, web):
    count = int(12 * HOUR / case.step)
    points = case.points(count)
    lost = int(5 * HOUR / case.step)
    del points[2 : 2 + lost]
    web.routes = dict(case.routes(points))

    with pytest.raises(MalformedReplyError):
        ask(case, web, colour)


def test_order_and_repetition_are_repaired(case, colour, web):
    points = case.points()
    web.routes = dict(case.routes([*reversed(points), points[3]]))

    series = ask(case, web, colour).series

    expected = [value * case.unit for _, value in points][: len(series.g_per_kwh)]
    np.testing.assert_allclose(series.g_per_kwh, expected)


def test_two_values_for_one_instant_are_a_malformed_reply(case, colour, web):
    points = case.points()
    web.routes = dict(case.routes([*points, (points[3][0], 1.0)]))

    with pytest.raises(MalformedReplyError):
        ask(case, web, colour)


def test_a_forecast_of_yesterday_is_none(case, colour, web):
    points = [(at - 36 * HOUR, value) for at, value in case.points()]
    web.routes = dict(case.routes(points))

    with pytest.raises(ServiceUnavailableError):
        ask(case, web, colour)


def test_a_forecast_that_ends_early_covers_what_it_covers(case, colour, web):
    points = case.points(3)
    web.routes = dict(case.routes(points))

    series = ask(case, web, colour).series

    assert series.begins == points[0][0]
    assert points[-1][0] <= series.ends <= points[-1][0] + case.step


@pytest.mark.parametrize("minutes", [-10, 10])
def test_a_clock_that_is_ten_minutes_off_does_no_harm(case, colour, web, minutes):
    web.routes = dict(case.routes(case.points(int(26 * HOUR / case.step))))
    now = NOW + timedelta(minutes=minutes)

    forecast = ask(case, web, colour, now=now, hours=2)

    assert forecast.issued_at <= now
    assert forecast.series.ends >= now + HOUR


def test_the_night_in_which_clocks_go_back_has_all_its_hours(case, colour, web):
    count = int(8 * HOUR / case.step)
    web.routes = dict(case.routes(case.points(count)))

    series = ask(case, web, colour, hours=7).series

    assert series.step == case.step
    assert series.filled == 0
    assert series.covers(NOW, NOW + 6 * HOUR)


@pytest.mark.parametrize(
    "said",
    [Say(401), Say(429), Say(503), Say(body="<p>"), Say(body={"a": 1}), Say(body=[None]), Say(204)],
)
def test_no_fault_ends_a_wait(case, colour, web, said, caplog):
    caplog.set_level(logging.DEBUG)
    web.routes = dict(case.routes(case.points()))
    web.mood = lambda _: said
    source = Shared(source=case.source(web.url), answers=Answers(), last=LastIssues())
    failures = []
    for _ in range(2):
        steps = climb(
            [source],
            Question(
                zone="GB" if case.zone == "GB" else "DE",
                now=NOW,
                begin=NOW,
                until=NOW + 12 * HOUR,
                need=NOW + HOUR,
            ),
            last=source.last,
            on_failure=failures.append,
            strict=True,
        )
        forecast = drive(steps)
        assert forecast.source == "typical"
    assert all(isinstance(failure, CarbonError) for failure in failures)
    assert CANARY not in repr((source, failures, [str(one) for one in failures])) + caplog.text
    assert colour


def test_the_key_shows_nowhere(case, colour, web, caplog):
    caplog.set_level(logging.DEBUG)
    web.routes = dict(case.routes(case.points()))
    ask(case, web, colour)
    web.mood = lambda _: Say(401, {"error": "no"})
    with pytest.raises(CarbonError) as caught:
        ask(case, web, colour)

    text = repr(case.source(web.url)) + str(caught.value) + repr(caught.value) + caplog.text
    assert CANARY not in text
    for asked in web.asked:
        assert CANARY not in f"{asked.path} {asked.query}"
