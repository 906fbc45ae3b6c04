"""A file of the past, replayed; and what is said of files that can't be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from airflow_carbon.core.errors import InvalidOptionError, InvalidSeriesError, UnknownZoneError
from airflow_carbon.services.calls import send
from airflow_carbon.services.replay import Replay, read_series

HOUR = timedelta(hours=1)
MONDAY = datetime(2022, 1, 3, tzinfo=UTC)


@pytest.fixture
def weeks(tmp_path):
    """Two weeks and a bit, each hour its own number, in two zones."""
    index = pd.date_range(MONDAY, periods=15 * 24, freq="h", name="utc")
    values = np.arange(len(index), dtype=float)
    file = tmp_path / "weeks.csv"
    pd.DataFrame({"DE": values, "FR": values / 2}, index=index).to_csv(file)
    return file


def values_at(source, zone, now, hours=1):
    until = now + hours * HOUR / source.speed
    return send(source.forecast(zone, now=now, until=until)).series.g_per_kwh


def test_an_hour_falls_on_its_own_hour_of_the_week(weeks):
    source = Replay(file=weeks)
    now = datetime(2026, 11, 18, 9, 30, tzinfo=UTC)  # a Wednesday

    assert values_at(source, "DE", now)[0] % 168 == 2 * 24 + 9


def test_the_rows_go_round_on_whole_weeks(weeks):
    source = Replay(file=weeks, starts_at=MONDAY)

    assert values_at(source, "DE", MONDAY + timedelta(weeks=2) - HOUR, 2).tolist() == [335, 0]


def test_an_hour_can_pass_in_seconds(weeks):
    start = datetime(2026, 11, 21, 12, tzinfo=UTC)
    source = Replay(file=weeks, speed=720, starts_at=start)
    series = send(
        source.forecast("FR", now=start + timedelta(seconds=7), until=start + timedelta(minutes=1))
    ).series

    assert series.step == timedelta(seconds=5)
    assert series.begins == start + timedelta(seconds=5)
    assert series.g_per_kwh[:3].tolist() == [0.5, 1.0, 1.5]


def test_a_lone_column_that_names_no_zone_stands_for_every_zone(tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("Time,Carbon Intensity\n2020-01-01 00:00:00,100\n2020-01-01 00:30:00,200\n")

    assert values_at(Replay(file=file), "GB", MONDAY, 0.5)[0] == 100


def test_a_lone_column_that_names_a_zone_is_that_zone(tmp_path):
    file = tmp_path / "one.csv"
    file.write_text("Time,DE\n2020-01-01 00:00:00,100\n2020-01-01 00:30:00,200\n")

    with pytest.raises(UnknownZoneError, match="did you mean DE"):
        values_at(Replay(file=file), "DEE", MONDAY)


def test_parquet_reads_as_csv_does(weeks, tmp_path):
    file = tmp_path / "weeks.parquet"
    pd.read_csv(weeks, index_col=0, parse_dates=True).to_parquet(file)

    assert read_series(file)["FR"].g_per_kwh.tolist() == read_series(weeks)["FR"].g_per_kwh.tolist()


def test_a_file_that_is_written_anew_is_read_anew(weeks):
    source = Replay(file=weeks, starts_at=MONDAY)
    assert values_at(source, "DE", MONDAY)[0] == 0
    weeks.write_text(weeks.read_text().replace("00:00:00+00:00,0.0,", "00:00:00+00:00,777.0,", 1))

    assert values_at(source, "DE", MONDAY)[0] == 777


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("utc,DE\n", "no rows|two rows|does not hold"),
        ("utc\n2022-01-01T00:00Z\n", "a column of instants and at least one"),
        ("utc,DE\n2022-01-01T00:00Z,1\n", "two rows"),
        ("utc,DE\n2022-01-01T00:00Z,1\n2022-01-01T01:00Z,1\n2022-01-01T03:00Z,1\n", "uneven"),
        ("utc,DE\n2022-01-01T00:00Z,1\n2022-01-01T01:00Z,\n2022-01-01T02:00Z,1\n", "1 of 3 values"),
        ("utc,DE\n2022-01-01T00:00Z,1\n2022-01-01T01:00Z,-3\n", "not negative"),
        ("utc,DE\n2022-01-01T00:00Z,1\n2022-01-01T00:00Z,3\n", "more than once"),
        ("utc,DE\n2022-01-01T01:00Z,1\n2022-01-01T00:00Z,3\n", "not in order"),
        ("utc,DE\n2022-01-01T01:00Z,x\n2022-01-01T02:00Z,y\n", "holds numbers"),
        ("utc,DE\nmonday,1\ntuesday,2\n", "does not hold instants"),
        ("utc,DE\n2022-01-01T01:00Z,1,1,1\n2022,2\n", "."),
    ],
)
def test_a_file_that_can_not_be_is_refused_by_name_and_fault(tmp_path, text, says):
    file = tmp_path / "broken.csv"
    file.write_text(text)

    with pytest.raises(InvalidSeriesError, match=says) as caught:
        values_at(Replay(file=file), "DE", MONDAY)
    assert "broken.csv" in str(caught.value)


def test_a_file_that_is_not_there_says_who_must_see_it(tmp_path):
    with pytest.raises(InvalidOptionError, match="as the triggerer and the workers see it"):
        values_at(Replay(file=tmp_path / "absent.csv"), "DE", MONDAY)


def test_a_file_of_another_kind_says_which_can_be(tmp_path):
    (tmp_path / "data.xlsx").write_text("x")

    with pytest.raises(InvalidOptionError, match=r"\.csv or \.parquet"):
        values_at(Replay(file=tmp_path / "data.xlsx"), "DE", MONDAY)


@pytest.mark.parametrize("speed", [0, -1, float("inf"), float("nan")])
def test_a_speed_that_can_not_be_is_refused(speed):
    with pytest.raises(InvalidOptionError, match="replay_speed"):
        Replay(speed=speed)
