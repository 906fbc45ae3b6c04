"""One place for time-outs, retry, error classes and the gate; both colours."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from servers.web import Say, serving

from airflow_carbon import __version__, clock
from airflow_carbon.core.errors import (
    AccessRefusedError,
    MalformedReplyError,
    RateLimitedError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.services import gate, http
from airflow_carbon.services.calls import send
from airflow_carbon.services.gate import FAILURES, Gate
from airflow_carbon.services.http import Http, retry_after

NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.01)
    gate.GATES.gates.clear()


@pytest.fixture
def web():
    with serving() as server:
        server.routes["/x"] = {"value": 42}
        yield server


@pytest.fixture(params=["sync", "async"])
def ask(request, web):
    def asked(**fields):
        call = Http(
            service="x", url=f"{web.url}/x", read=lambda reply: reply.json()["value"], **fields
        )
        return send(call) if request.param == "sync" else asyncio.run(call.amake())

    return asked


def test_a_good_reply_is_read_and_the_request_names_the_package(ask, web):
    assert ask(params={"zone": "DE"}, headers={"auth-token": "k"}) == 42

    (asked,) = web.asked
    assert asked.query == {"zone": "DE"}
    assert asked.headers["user-agent"] == f"airflow-carbon/{__version__}"
    assert asked.headers["auth-token"] == "k"


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_server_error_is_tried_once_more(ask, web, status):
    sorry = [Say(status, "sorry")]
    web.mood = lambda _: sorry.pop() if sorry else None

    assert ask() == 42
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("said", "error", "says", "asks"),
    [
        (Say(400, {"error": {"message": "bad"}}), ServiceUnavailableError, "400.*bad", 1),
        (Say(401, {"error": "invalid token"}), AccessRefusedError, "401.*invalid.*mend the key", 1),
        (Say(403, "Access denied"), AccessRefusedError, "403.*Access denied", 1),
        (Say(404, {"message": "no such"}), ServiceUnavailableError, "404.*no such", 1),
        (Say(409, {}), ServiceUnavailableError, "409", 1),
        (Say(429, {}, {"retry-after": "7"}), RateLimitedError, "0:00:07", 1),
        (Say(429), RateLimitedError, "0:01:00", 1),
        (Say(302, "", {"location": "https://login.example"}), ServiceUnavailableError, "login", 1),
        (Say(500, "boom"), ServiceUnavailableError, "500.*boom", 2),
        (Say(body={"value": 42}, drop=True), ServiceUnavailableError, "127.0.0.1", 2),
        (Say(body={"value": 42}, cut=True), MalformedReplyError, "can't be read", 1),
        (Say(body="<html>Log in</html>", headers={"content-type": "text/html"}),
         MalformedReplyError, "text/html", 1),
        (Say(body={"other": 1}), MalformedReplyError, "KeyError", 1),
        (Say(204), MalformedReplyError, "can't be read", 1),
    ],
)  # fmt: skip
def test_what_is_no_answer_is_an_error_of_its_class(  # noqa: PLR0917
    ask, web, said, error, says, asks
):
    web.mood = lambda _: said

    with pytest.raises(error, match=says) as caught:
        ask()

    assert type(caught.value) is error
    assert len(web.asked) == asks


@pytest.mark.parametrize("said", [Say(body=[0] * 40, dribble_s=0.05), Say(body=1, wait_s=1.5)])
def test_an_answer_that_takes_too_long_is_given_up(ask, web, said, monkeypatch):
    monkeypatch.setattr(http, "WHOLE_S", 0.3)
    monkeypatch.setattr(http, "TRIES", 1)
    web.mood = lambda _: said
    began = time.monotonic()

    with pytest.raises(ServiceUnavailableError, match="took too long"):
        ask()

    assert time.monotonic() - began < 10


def test_an_answer_without_end_is_given_up(ask, web, monkeypatch):
    monkeypatch.setattr(http, "LARGEST_BYTES", 1 << 20)
    web.mood = lambda _: Say(body=b"x" * (2 << 20))

    with pytest.raises(MalformedReplyError, match="larger than 1 MiB"):
        ask()


def test_nobody_listens(ask, web):
    web.url = "http://127.0.0.1:9"

    with pytest.raises(ServiceUnavailableError, match=r"127.0.0.1.*Connect"):
        ask()


def test_a_service_may_refuse_in_its_own_words(ask, web):
    web.mood = lambda _: Say(400)

    with pytest.raises(UnknownZoneError):
        ask(refuse=lambda reply: UnknownZoneError("DE") if reply.status_code == 400 else None)


def test_after_some_failures_the_service_is_left_alone_then_one_ask_probes(ask, web, monkeypatch):
    monkeypatch.setattr(gate, "FIRST_PAUSE", timedelta(seconds=1))
    web.mood = lambda _: Say(503)
    for _ in range(FAILURES):
        with pytest.raises(ServiceUnavailableError, match="503"):
            ask()
    count = len(web.asked)

    with pytest.raises(ServiceUnavailableError, match=r"it is not asked before .*503"):
        ask()
    assert len(web.asked) == count

    web.mood = None
    time.sleep(1)
    assert ask() == 42
    assert ask() == 42


def test_a_limit_holds_back_everyone_for_as_long_as_it_says(ask, web):
    web.mood = lambda _: Say(429, headers={"retry-after": "7200"})
    with pytest.raises(RateLimitedError):
        ask()
    web.mood = None
    (closed,) = (one for one in gate.GATES.gates.values() if one.service == "x" and one.failures)
    assert closed.closed_until - clock.now() > 7000 * SECOND

    with pytest.raises(ServiceUnavailableError, match="not asked before"):
        ask()
    assert len(web.asked) == 1


def test_a_wrong_key_does_not_close_the_gate(ask, web):
    web.mood = lambda _: Say(401)
    for _ in range(2 * FAILURES):
        with pytest.raises(AccessRefusedError, match="401"):
            ask()


def test_only_one_ask_probes_at_a_time():
    one = Gate("x")
    for _ in range(FAILURES):
        one.failed(NOW, ServiceUnavailableError("x", "503"))
    later = NOW + gate.FIRST_PAUSE

    one.enter(later)

    with pytest.raises(ServiceUnavailableError):
        one.enter(later)
    one.enter(later + gate.LONGEST_PROBE)


def test_each_failed_probe_doubles_the_pause_up_to_a_limit():
    one, now, pauses = Gate("x"), NOW, []
    for _ in range(FAILURES - 1):
        one.failed(now, ServiceUnavailableError("x", "503"))
    for _ in range(10):
        one.failed(now, ServiceUnavailableError("x", "503"))
        pauses.append(one.closed_until - now)
        now = one.closed_until

    assert pauses[:3] == [gate.FIRST_PAUSE, 2 * gate.FIRST_PAUSE, 4 * gate.FIRST_PAUSE]
    assert max(pauses) == gate.LONGEST_PAUSE


@pytest.mark.parametrize(
    ("text", "wants"),
    [
        ("120", 120 * SECOND),
        ("Wed, 01 Jul 2026 10:00:30 GMT", 30 * SECOND),
        ("Wed, 01 Jul 2026 09:00:00 GMT", 0 * SECOND),
        ("7200", 7200 * SECOND),
        ("99999999999999999999", 86400 * SECOND),
        ("soon", http.DEFAULT_PEACE),
        ("", http.DEFAULT_PEACE),
        ("-5", http.DEFAULT_PEACE),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, wants):
    assert retry_after(httpx.Response(429, headers={"retry-after": text}), NOW) == wants


def test_what_is_secret_shows_in_no_repr():
    call = Http(
        service="x", url="http://x", read=len, headers={"auth-token": "canary"},
        auth=httpx.BasicAuth("me", "canary"),
    )  # fmt: skip

    assert "canary" not in repr(call)


@pytest.mark.parametrize(
    "how",
    [
        {"headers": {"auth-token": "canary-key"}},
        {"headers": {"authorization": "Bearer canary-key"}},
        {"auth": httpx.BasicAuth("me", "canary-key")},
    ],
)
def test_a_service_that_repeats_the_key_does_not_give_it_away(ask, web, how):
    web.mood = lambda asked: Say(403, {"error": f"bad key canary-key in {asked.headers}"})

    with pytest.raises(AccessRefusedError, match="bad key") as caught:
        ask(**how)

    assert "canary" not in str(caught.value)
    sent = web.asked[0].headers
    for word in f"{sent.get('auth-token', '')} {sent.get('authorization', '')}".split():
        assert word in {"Bearer", "Basic"} or word not in str(caught.value)
