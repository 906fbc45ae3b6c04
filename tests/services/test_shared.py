"""One fetch serves all, and the archive serves those who come after."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from servers.web import Say, serving
from sqlalchemy import text

from airflow_carbon import clock
from airflow_carbon.core.errors import (
    LedgerError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.services.calls import adrive, drive, send
from airflow_carbon.services.flight import Answers
from airflow_carbon.services.gate import GATES
from airflow_carbon.services.http import Http
from airflow_carbon.services.ladder import Question, climb
from airflow_carbon.services.memory import LastIssues
from airflow_carbon.services.reading import even_series, instant
from airflow_carbon.services.shared import Shared
from airflow_carbon.services.survey import survey

HOUR = timedelta(hours=1)
WAITS, ZONES = 2000, 20


def truth(begin, hours):
    """What the intensity is: a day's swing about 200 g/kWh."""
    first = (begin - datetime(2026, 1, 1, tzinfo=UTC)) / HOUR
    return 200 + 80 * np.sin((first + np.arange(hours)) * 2 * np.pi / 24)


@dataclass(frozen=True, kw_only=True)
class Weather:
    """A small service: what a package of somebody else's could add."""

    base_url: str
    name: str = "weather"
    cadence: timedelta | None = HOUR
    reach: timedelta = 48 * HOUR

    def forecast(self, zone, *, now, until):
        def read(reply):
            body = reply.json()
            points = [(instant(point["at"]), point["g"]) for point in body["points"]]
            issued_at = instant(body["issued_at"])
            return Forecast(
                series=even_series(points, zone=zone), issued_at=issued_at, source=self.name
            )

        url = f"{self.base_url}/forecast"
        return Http(service=self.name, url=url, params={"zone": zone}, read=read)

    def history(self, zone, *, begin, end):
        def read(_):
            hours = max(1, (end - begin) // HOUR)
            return IntensitySeries(
                zone=zone, begins=begin, step=HOUR, g_per_kwh=truth(begin, hours)
            )

        return Http(service=self.name, url=f"{self.base_url}/history", read=read)

    def latest(self, zone, *, now):
        return self.history(zone, begin=now - HOUR, end=now)

    def check(self):
        raise NotImplementedError


@dataclass
class Issuer:
    """Issues when told; every answer is the last issue, too high by ``bias``."""

    bias: float = 0.0
    issued_at: object = field(default_factory=lambda: clock.now().replace(minute=0, second=0))

    def __call__(self, ask):
        del ask
        first = self.issued_at.replace(microsecond=0)
        said = truth(first, 48) + self.bias
        points = [{"at": (first + i * HOUR).isoformat(), "g": g} for i, g in enumerate(said)]
        return {"issued_at": first.isoformat(), "points": points}


@pytest.fixture
def web():
    GATES.gates.clear()
    with serving() as server:
        server.routes = {"/forecast": Issuer(), "/history": {}}
        yield server


def shared(web, archive=None):
    """As a process of its own: with a memory that nobody shares."""
    return Shared(
        source=Weather(base_url=web.url), archive=archive, answers=Answers(), last=LastIssues()
    )


def ask(source, zone="DE"):
    now = clock.now()
    return source.forecast(zone, now=now, until=now + HOUR)


def test_two_thousand_waits_on_twenty_zones_make_twenty_requests_an_issue(web):
    source = shared(web)

    async def wait(i):
        now = clock.now()
        flex = Flexibility(duration=HOUR, earliest=now, deadline=now + (5 + i % 30) * HOUR)
        steps = climb(
            [source],
            Question(
                zone=f"Z{i % ZONES}",
                now=now,
                begin=now,
                until=flex.deadline,
                need=now + flex.duration,
            ),
            last=source.last,
            on_failure=print,
        )
        return await adrive(steps)

    async def all_waits():
        return await asyncio.gather(*(wait(i) for i in range(WAITS)))

    for _ in range(3):
        forecasts = asyncio.run(all_waits())
        assert {forecast.source for forecast in forecasts} == {"weather"}
    assert web.paths() == {"/forecast": ZONES}

    # the next issue is out, and due
    web.routes["/forecast"].issued_at += HOUR
    source.answers.known.clear()
    asyncio.run(all_waits())
    assert web.paths() == {"/forecast": 2 * ZONES}


def test_threads_share_a_flight_too(web):
    source = shared(web)
    web.mood = lambda _: Say(200, Issuer()(None), wait_s=0.3)
    threads = [threading.Thread(target=lambda: send(ask(source))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(web.asked) == 1


def test_an_issue_that_is_late_is_asked_for_again_soon_but_not_at_once(web):
    web.routes["/forecast"].issued_at -= 2 * HOUR
    source = shared(web)

    send(ask(source))
    send(ask(source))
    assert len(web.asked) == 1

    (known,) = source.answers.known.values()
    assert known.good_until - clock.now() <= timedelta(minutes=1)


def test_a_wait_that_is_cancelled_leaves_the_flight_to_the_others(web):
    source = shared(web)
    web.mood = lambda _: Say(200, Issuer()(None), wait_s=0.3)

    async def scene():
        first = asyncio.ensure_future(ask(source).amake())
        await asyncio.sleep(0.05)
        second = asyncio.ensure_future(ask(source).amake())
        await asyncio.sleep(0.05)
        first.cancel()
        return await second

    assert asyncio.run(scene()).source == "weather"
    assert len(web.asked) == 1


def test_a_failure_is_an_answer_for_a_moment(web):
    source = shared(web)
    web.mood = lambda _: Say(404)

    for _ in range(5):
        with pytest.raises(ServiceUnavailableError, match="404"):
            send(ask(source))

    assert len(web.asked) == 1


def test_history_is_asked_by_the_day_and_once(web):
    source = shared(web)
    day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 48 * HOUR

    one = send(source.history("DE", begin=day + 3 * HOUR, end=day + 5 * HOUR))
    other = send(source.history("DE", begin=day + 9 * HOUR, end=day + 11 * HOUR))

    assert one is other
    assert (one.begins, one.ends) == (day, day + 24 * HOUR)
    assert web.paths() == {"/history": 1}


@pytest.fixture
def archive(tmp_path):
    with Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}") as ledger:
        yield Archive(ledger)


def test_another_process_takes_the_issue_from_the_archive(web, archive):
    first = send(ask(shared(web, archive)))
    second = send(ask(shared(web, archive)))

    np.testing.assert_array_equal(first.series.g_per_kwh, second.series.g_per_kwh)
    assert second.issued_at == first.issued_at
    assert len(web.asked) == 1


def test_a_process_that_starts_while_the_service_is_down_goes_on_with_the_archive(web, archive):
    web.routes["/forecast"].issued_at -= 3 * HOUR  # stale by now: it would be asked again
    send(ask(shared(web, archive)))
    web.mood = lambda _: Say(503)
    source = shared(web, archive)
    now = clock.now()

    forecast = asyncio.run(
        adrive(
            climb(
                [source],
                Question(zone="DE", now=now, begin=now, until=now + 9 * HOUR, need=now + 2 * HOUR),
                last=source.last,
                on_failure=print,
            )
        )
    )

    assert (forecast.source, forecast.quality) == ("weather", "stale")


def test_what_was_asked_is_archived(web, archive):
    source = shared(web, archive)
    day = clock.now().replace(hour=0, minute=0, second=0, microsecond=0) - 48 * HOUR
    send(ask(source))
    send(source.history("DE", begin=day, end=day + HOUR))

    assert len(archive.issues("weather", "DE", since=day)) == 1
    assert archive.actuals("weather", "DE", begin=day, end=clock.now()).begins == day


@dataclass
class Broken:
    """An archive whose database is away."""

    def __getattr__(self, name):
        def fail(*_, **__):
            raise LedgerError("postgresql://somewhere", "connection refused")

        return fail


def test_an_archive_that_is_away_costs_nothing_but_a_warning(web, caplog):
    forecast = send(ask(shared(web, Broken())))

    assert forecast.source == "weather"
    assert "the archive is passed by" in caplog.text
    assert "connection refused" in caplog.text


def outcome(source, web, *, hours=30):
    """Climb the ladder as a wait does."""
    now = clock.now()
    question = Question(
        zone="DE", now=now, begin=now, until=now + hours * HOUR, need=now + hours * HOUR
    )
    failures = []
    steps = climb([source], question, last=source.last, on_failure=failures.append)
    return asyncio.run(adrive(steps)), failures


def test_a_plan_without_forecasts_falls_to_what_is_usual_in_its_own_history(web, archive):
    web.mood = lambda asked: Say(401) if asked.path == "/forecast" else None

    forecast, (refused,) = outcome(shared(web, archive), web)

    assert (forecast.source, forecast.quality) == ("weather", "climatology")
    expected = truth(forecast.series.begins, len(forecast.series.g_per_kwh))
    np.testing.assert_allclose(forecast.series.g_per_kwh, expected, atol=1)
    assert "401" in str(refused)
    assert web.paths() == {"/forecast": 1, "/history": 1}


def test_an_issue_is_corrected_by_how_its_elders_fared(web, archive):
    source = shared(web, archive)
    issuer = web.routes["/forecast"]
    issuer.bias = 60.0
    now = issuer.issued_at
    for day in range(30, 0, -1):
        issued_at = (now - day * 24 * HOUR).replace(microsecond=0)
        series = IntensitySeries(
            zone="DE", begins=issued_at, step=HOUR, g_per_kwh=truth(issued_at, 48) + 60
        )
        archive.keep(Forecast(series=series, issued_at=issued_at, source="weather"))
    begin = (now - 31 * 24 * HOUR).replace(microsecond=0)
    actual = IntensitySeries(zone="DE", begins=begin, step=HOUR, g_per_kwh=truth(begin, 31 * 24))
    archive.keep_actuals("weather", actual)

    forecast, failures = outcome(source, web)

    assert failures == []
    assert forecast.quality == "corrected"
    off = forecast.series.g_per_kwh[:30] - truth(forecast.series.begins, 30)
    assert np.abs(off).mean() < 20


def test_past_the_horizon_of_the_service_what_is_usual_carries_on(web, archive):
    forecast, failures = outcome(shared(web, archive), web, hours=80)

    assert failures == []
    assert (forecast.source, forecast.quality) == ("weather", "corrected")
    expected = truth(forecast.series.begins, len(forecast.series.g_per_kwh))
    np.testing.assert_allclose(forecast.series.g_per_kwh, expected, atol=3)


def test_hours_without_an_actual_yet_are_surveyed_from_the_issue_of_the_time(web, archive):
    source = shared(web, archive)
    now = clock.now()
    begin = (now - 3 * HOUR).replace(microsecond=0)
    web.routes["/forecast"].issued_at -= 3 * HOUR
    send(ask(source))
    web.mood = lambda _: Say(503)

    found = drive(survey([source], "DE", begin=begin, end=now, now=now))

    assert (found.source, found.quality) == ("weather", "issued")


def test_a_history_that_can_not_be_had_leaves_the_issue_as_it_is(web, archive):
    for said in (Say(401), Say(503)):
        web.mood = lambda asked, said=said: said if asked.path == "/history" else None

        forecast, failures = outcome(shared(web, archive), web)

        assert (forecast.source, forecast.quality, failures) == ("weather", "issued", [])


@dataclass(frozen=True, kw_only=True)
class Faulty(Weather):
    """Somebody else's service, with a mistake in it."""

    def forecast(self, zone, *, now, until):
        return [][len(zone)]

    def history(self, zone, *, begin, end):
        raise UnknownZoneError(zone)


def test_a_fault_in_somebody_elses_service_does_not_end_a_wait(web, archive, caplog):
    source = replace(shared(web, archive), source=Faulty(base_url=web.url))

    forecast, (failure,) = outcome(source, web)

    assert forecast.source == "typical"
    assert "weather gave no answer: IndexError" in str(failure)
    assert "weather has a fault" in caplog.text


def test_actuals_are_asked_for_now_and_then_not_with_each_issue(web, archive):
    source = shared(web, archive)
    for _ in range(3):
        outcome(source, web)
        web.routes["/forecast"].issued_at += timedelta(minutes=1)
        source.answers.known.clear()
        with archive.ledger.engine.begin() as connection:  # as if the issue were due
            connection.execute(text("DELETE FROM carbon_issue"))

    assert web.paths()["/history"] == 1
