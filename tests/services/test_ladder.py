"""The ladder, with sources that fail in every way."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from airflow_carbon.core.errors import (
    InvalidSeriesError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Quality
from airflow_carbon.services.calls import Local, adrive, drive
from airflow_carbon.services.ladder import Question, climb
from airflow_carbon.services.memory import LastIssues
from airflow_carbon.services.survey import survey
from airflow_carbon.services.typical import Typical

HOUR = timedelta(hours=1)
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)


@dataclass
class Moody:
    """A source that answers from a script: a number of hours, or an error."""

    name: str
    script: list = field(default_factory=list)
    cadence = None
    reach = timedelta(days=2)

    def _answer(self, zone, begin):
        mood = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        if isinstance(mood, Exception):
            raise mood
        return IntensitySeries(zone=zone, begins=begin, step=HOUR, g_per_kwh=np.full(mood, 42.0))

    def forecast(self, zone, *, now, until):
        def answer():
            return Forecast(series=self._answer(zone, now), issued_at=now, source=self.name)

        return Local(service=self.name, answer=answer)

    def history(self, zone, *, begin, end):
        return Local(service=self.name, answer=lambda: self._answer(zone, begin))

    def check(self):
        return Local(service=self.name, answer=lambda: self.name)


DOWN = ServiceUnavailableError("x", "503")


def run(sources, *, zone="DE", last=None, strict=False, asynchronous=False, hours=3):
    failures = []
    steps = climb(
        sources,
        Question(zone=zone, now=NOW, begin=NOW, until=NOW + 10 * HOUR, need=NOW + hours * HOUR),
        last=last if last is not None else LastIssues(),
        on_failure=failures.append,
        strict=strict,
    )
    found = asyncio.run(adrive(steps)) if asynchronous else drive(steps)
    return found, failures


@pytest.fixture(params=[False, True], ids=["sync", "async"])
def asynchronous(request):
    return request.param


def test_the_first_source_that_answers_is_heard(asynchronous):
    found, failures = run([Moody("a", [10]), Moody("b", [10])], asynchronous=asynchronous)

    assert (found.source, found.quality, failures) == ("a", Quality.ISSUED, [])


def test_when_the_first_fails_the_next_is_asked(asynchronous):
    found, failures = run([Moody("a", [DOWN]), Moody("b", [10])], asynchronous=asynchronous)

    assert found.source == "b"
    assert failures == [DOWN]


def test_the_last_issue_serves_while_it_covers_the_job(asynchronous):
    last, source = LastIssues(), Moody("a", [10, DOWN])
    run([source, Moody("b", [10])], last=last, asynchronous=asynchronous)

    found, _ = run([source, Moody("b", [10])], last=last, asynchronous=asynchronous)

    assert (found.source, found.quality) == ("a", Quality.STALE)


def test_a_last_issue_that_no_longer_covers_the_job_does_not_serve():
    last, source = LastIssues(), Moody("a", [4, DOWN])
    run([source], last=last)

    found, _ = run([source], last=last, hours=6)

    assert (found.source, found.quality) == ("typical", Quality.CLIMATOLOGY)


def test_typical_days_are_always_the_last_rung():
    found, failures = run([Moody("a", [DOWN]), Moody("b", [DOWN])])

    assert found.source == "typical"
    assert len(failures) == 2


def test_a_forecast_that_ends_before_the_job_is_passed_over():
    found, failures = run([Moody("a", [2]), Moody("b", [10])])

    assert found.source == "b"
    assert "its forecast ends at" in str(failures[0])


def test_a_zone_that_nobody_knows_has_no_forecast_and_is_said_where_it_matters():
    unknown = UnknownZoneError("X", ["DE"])
    assert run([Moody("a", [unknown])], zone="X") == (None, [])

    with pytest.raises(UnknownZoneError, match="'X'"):
        run([Moody("a", [unknown])], zone="X", strict=True)


def test_a_zone_is_not_unknown_while_a_source_that_may_know_it_is_down():
    found, failures = run([Moody("a", [DOWN])], zone="X", strict=True)

    assert found is None
    assert failures == [DOWN]


def test_a_broken_file_is_said_at_first_and_borne_later():
    broken = InvalidSeriesError("f.csv", "it is empty")
    with pytest.raises(InvalidSeriesError):
        run([Moody("a", [broken])], strict=True)

    found, failures = run([Moody("a", [broken])])
    assert found.source == "typical"
    assert failures == [broken]


def test_a_file_that_can_not_be_read_is_a_source_that_is_down(asynchronous):
    found, failures = run([Moody("a", [PermissionError("no")])], asynchronous=asynchronous)

    assert found.source == "typical"
    assert "PermissionError" in str(failures[0])


def test_the_past_is_surveyed_from_actuals():
    found = drive(survey([Moody("a", [5])], "DE", begin=NOW - 5 * HOUR, end=NOW, now=NOW))

    assert (found.source, found.quality) == ("a", Quality.ACTUAL)
    assert found.series.covers(NOW - 5 * HOUR, NOW)


def test_a_span_across_now_joins_actuals_and_forecast():
    source = Moody("a", [5, 3])

    found = drive(survey([source], "DE", begin=NOW - 5 * HOUR, end=NOW + 3 * HOUR, now=NOW))

    assert found.series.covers(NOW - 5 * HOUR, NOW + 3 * HOUR)
    assert found.quality is Quality.ISSUED


def test_a_survey_that_the_first_source_can_not_cover_goes_to_the_next():
    found = drive(survey([Moody("a", [1])], "DE", begin=NOW - 5 * HOUR, end=NOW, now=NOW))

    assert found.source == "typical"
    assert found.quality is Quality.CLIMATOLOGY


def test_a_span_that_nobody_knows_is_unknown():
    assert drive(survey([Typical()], "X", begin=NOW - HOUR, end=NOW, now=NOW)) is None
