"""The connection of type carbon, from the environment as Airflow reads it."""

from __future__ import annotations

import asyncio
import json
from datetime import timedelta

import pytest

from airflow_carbon import clock
from airflow_carbon.core.errors import InvalidOptionError, UnknownConnectionError, UnknownZoneError
from airflow_carbon.core.policy import flexibility
from airflow_carbon.hooks.carbon import CarbonHook


@pytest.fixture
def connection(monkeypatch):
    """Define a connection in the environment; return its id."""

    def define(conn_id: str = "grid", **extra: object) -> str:
        value = json.dumps({"conn_type": "carbon", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", value)
        return conn_id

    return define


@pytest.fixture
def flex():
    return flexibility(submitted=clock.now(), duration="1h", max_delay="12h")


def test_with_no_connection_at_all_typical_days_serve(flex):
    forecast = CarbonHook().forecast("NL", flex)

    assert forecast.source == "typical"
    assert forecast.series.covers(flex.earliest, flex.deadline)


def test_both_colours_read_the_same_connection(connection, flex):
    conn_id = connection(sources="replay", replay_speed=2)

    assert CarbonHook(conn_id).forecast("NL", flex).source == "replay:typical"
    assert asyncio.run(CarbonHook(conn_id).aforecast("NL", flex)).source == "replay:typical"


def test_an_unknown_connection_says_how_to_create_it():
    with pytest.raises(UnknownConnectionError, match="airflow connections add nowhere"):
        CarbonHook("nowhere").options()
    with pytest.raises(UnknownConnectionError):
        asyncio.run(CarbonHook("nowhere").aoptions())


def test_a_zone_that_no_source_knows_is_said_only_where_it_matters(flex):
    assert CarbonHook().forecast("ATLANTIS", flex) is None
    with pytest.raises(UnknownZoneError, match="ATLANTIS"):
        CarbonHook().forecast("ATLANTIS", flex, strict=True)


def test_a_survey_covers_the_span_that_was_asked_for():
    end = clock.now()
    begin = end - timedelta(hours=5)

    assert CarbonHook().survey("NL", begin, end).series.covers(begin, end)
    assert asyncio.run(CarbonHook().asurvey("NL", begin, end)).source == "typical"


def test_the_test_button_says_what_works(connection):
    good, text = CarbonHook(connection(sources="replay, typical")).test_connection()

    assert good
    assert "replay:typical" in text
    assert "typical days of" in text


@pytest.mark.parametrize(
    ("extra", "says"),
    [
        ({"sources": "watttyme"}, "there is no such source"),
        ({"replay_file": "/nowhere/x.csv"}, "there is no such file"),
        ({"default_region": "westeurop"}, "did you mean westeurope"),
        ({"sources": "replay", "replay_speed": "fast"}, "write a number"),
        ({"sources": "typical, replay", "replay_file": "/nowhere/x.csv"}, "typical days of"),
    ],
)
def test_the_test_button_says_what_does_not(connection, extra, says):
    good, text = CarbonHook(connection(**extra)).test_connection()

    assert not good
    assert says in text


def test_a_form_with_a_mistake_is_an_input_error(connection):
    with pytest.raises(InvalidOptionError):
        CarbonHook(connection(sources="watttyme")).options().open()
