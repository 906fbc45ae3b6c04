"""The timetable as Airflow uses it: serialised, asked again and again, across clock changes."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import numpy as np
import pendulum
import pytest
from airflow.sdk import DAG
from airflow.serialization.decoders import decode_timetable
from airflow.serialization.encoders import encode_timetable
from airflow.serialization.serialized_objects import DagSerialization
from airflow.timetables.base import DagRunInfo, DataInterval, TimeRestriction
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.types import DagRunType
from hypothesis import given
from hypothesis import strategies as st
from strategies import forecast_of

from airflow_carbon import CarbonAwareTimetable, Policy, clock
from airflow_carbon.core.errors import InputError
from airflow_carbon.hooks.offline import Forecasts, OfflineHook
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.store import Ledger

HOUR = timedelta(hours=1)
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, tzinfo=UTC)),
    ("Europe/Berlin", datetime(2026, 10, 25, tzinfo=UTC)),
    ("America/New_York", datetime(2026, 11, 1, tzinfo=UTC)),
    ("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC)),
    ("UTC", datetime(2026, 6, 1, tzinfo=UTC)),
]
CRONS = ["0 2 * * *", "30 2 * * 1-5", "*/20 * * * *", "0 * * * *", "0 0 1 * *"]
NO_END = TimeRestriction(None, None, catchup=True)


@dataclass
class Said(Forecasts):
    """What is known of any zone: one forecast, or none; counts how often it is asked."""

    values: list[float] = field(default_factory=list)
    begins: datetime = datetime(2026, 1, 1, tzinfo=UTC)
    asked: int = 0

    def forecast(self, conn_id, zone, flex):
        self.asked += 1
        return forecast_of(self.values, begins=self.begins) if self.values else None


def timetable_of(cron="0 2 * * *", forecasts=None, **fields) -> CarbonAwareTimetable:
    known = {"timezone": "Europe/Berlin", "slack": "6h", "duration": "1h", "zone": "DE"}
    made = CarbonAwareTimetable(cron, **{**known, **fields})
    made.forecasts = forecasts or Said()
    return made


def aware(at: datetime) -> pendulum.DateTime:
    return pendulum.instance(at)


def runs(timetable, begin: datetime, count: int) -> list[DagRunInfo]:
    restriction = TimeRestriction(aware(begin), None, catchup=True)
    found: list[DagRunInfo] = []
    for _ in range(count):
        last = found[-1].data_interval if found else None
        found.append(
            timetable.next_dagrun_info(last_automated_data_interval=last, restriction=restriction)
        )
    return found


@given(
    cron=st.sampled_from(CRONS),
    change=st.sampled_from(CHANGES),
    slack=st.integers(1, 40).map(lambda n: n * HOUR / 2),
    values=st.lists(st.floats(0, 900), min_size=1, max_size=60),
    offset=st.integers(-80, 80),
    now=st.integers(-90, 90),
)
def test_no_run_begins_before_its_cron_time_or_after_its_slack(
    cron, change, slack, values, offset, *, now
):
    zone, day = change
    said = Said(values=values, begins=day + offset * HOUR)
    ours = timetable_of(cron, said, timezone=zone, slack=slack)
    plain = runs(CronTriggerTimetable(cron, timezone=zone), day - 24 * HOUR, 3)
    for one in plain:
        tick = one.data_interval.end
        start = ours._chosen(tick, day + now * HOUR)  # what it raises would be hidden else
        assert tick <= start <= tick + slack
        assert start == ours.starts_at(tick, day + now * HOUR)


@given(cron=st.sampled_from(CRONS), change=st.sampled_from(CHANGES))
def test_the_data_intervals_are_those_of_the_cron_whatever_the_forecast(cron, change):
    zone, day = change
    values = list(np.sin(np.arange(24 * 9)) + 1)
    said = Said(values=values, begins=day - 48 * HOUR)
    ours = runs(timetable_of(cron, said, timezone=zone, interval=HOUR), day - 24 * HOUR, 4)
    plain = runs(CronTriggerTimetable(cron, timezone=zone, interval=HOUR), day - 24 * HOUR, 4)

    assert [one.data_interval for one in ours] == [one.data_interval for one in plain]
    assert all(one < two for one, two in pairwise(x.logical_date for x in ours))


EVERY_FIELD = {
    "timezone": "America/New_York",
    "interval": timedelta(hours=24),
    "run_immediately": timedelta(hours=2),
    "slack": "90m",
    "duration": [("10m", 0.4), ("20m", 1)],
    "policy": Policy(blackouts={"hours": "08:00-09:00"}, min_saving="5%"),
    "carbon_conn_id": "grid",
}


@pytest.mark.parametrize("fields", [{}, EVERY_FIELD, {"zone": None, "region": "Sweden Central"}])
def test_it_passes_airflows_own_serialisation(fields):
    made = timetable_of(**fields)
    again = decode_timetable(json.loads(json.dumps(encode_timetable(made))))

    assert again == made
    assert again.serialize() == made.serialize()
    assert (again.summary, again.description) == (made.summary, made.description)
    again.forecasts = made.forecasts
    tick = aware(datetime(2026, 3, 29, 1, tzinfo=UTC))
    assert again.starts_at(tick, tick) == made.starts_at(tick, tick)


def test_a_dag_with_it_passes_airflows_own_serialisation():
    dag = DAG("nightly", schedule=timetable_of(), start_date=datetime(2026, 1, 1, tzinfo=UTC))
    stored = json.loads(json.dumps(DagSerialization.to_dict(dag)))

    assert DagSerialization.from_dict(stored).timetable == dag.schedule


def test_other_fields_make_another_timetable():
    made = timetable_of()

    assert made != timetable_of(slack="5h")
    assert made != timetable_of(zone="FR")
    assert made != CronTriggerTimetable("0 2 * * *", timezone="Europe/Berlin")
    assert hash(made) == hash(timetable_of())


def test_the_ui_is_told_the_cron_the_slack_and_the_grid():
    made = timetable_of(slack="1h30m")

    assert made.summary == "0 2 * * * + 1 h 30 min"
    assert (
        made.description == "At 02:00, or up to 1 h 30 min later: when the grid of DE is cleanest"
    )


def test_a_run_is_named_by_its_cron_time_so_that_two_may_begin_at_once():
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    said = Said(values=[300.0] * 9 + [10.0] + [300.0] * 30, begins=now - HOUR)
    one, two = runs(timetable_of("0 * * * *", said, timezone="UTC", slack="12h"), now + HOUR, 2)

    assert one.run_after == two.run_after == now + 8 * HOUR
    names = {
        timetable_of().generate_run_id(
            run_type=DagRunType.SCHEDULED, run_after=x.run_after, data_interval=x.data_interval
        )
        for x in (one, two)
    }
    assert names == {
        f"scheduled__{aware(now + HOUR).isoformat()}",
        f"scheduled__{aware(now + 2 * HOUR).isoformat()}",
    }


def test_a_manual_run_does_not_wait_and_keeps_its_own_name():
    now = aware(datetime(2026, 3, 29, 12, 34, tzinfo=UTC))
    made = timetable_of(interval=HOUR)

    assert made.infer_manual_data_interval(run_after=now) == DataInterval(now - HOUR, now)
    name = made.generate_run_id(
        run_type=DagRunType.MANUAL, run_after=now, data_interval=DataInterval(now, now)
    )
    assert name == f"manual__{now.isoformat()}"


def test_catching_up_neither_waits_nor_asks_for_what_is_over():
    said = Said(values=[1.0])
    begin = clock.now() - timedelta(days=30)
    found = runs(timetable_of(forecasts=said), begin, 20)

    assert [one.run_after for one in found] == [one.data_interval.end for one in found]
    assert said.asked == 0


def test_without_catchup_a_run_that_still_waits_is_not_left_out_for_the_next():
    now = clock.now().replace(microsecond=0)
    ours = timetable_of("*/10 * * * *", Said(values=[9.0] * 99, begins=now - 9 * HOUR), slack="3h")
    last = aware(now - timedelta(minutes=now.minute % 10, seconds=now.second) - 2 * HOUR)
    restriction = TimeRestriction(aware(now - 9 * HOUR), None, catchup=False)
    due = ours.next_dagrun_info(
        last_automated_data_interval=DataInterval(last, last), restriction=restriction
    )
    late = timetable_of("*/10 * * * *", slack="15m").next_dagrun_info(
        last_automated_data_interval=DataInterval(last, last), restriction=restriction
    )

    assert due.data_interval.end == last + timedelta(minutes=10)
    assert timedelta(0) <= aware(now) - late.data_interval.end <= timedelta(minutes=20)


def test_after_the_end_date_there_is_no_run():
    tick = aware(datetime(2026, 3, 29, tzinfo=UTC))
    over = TimeRestriction(tick, tick, catchup=True)

    assert (
        timetable_of().next_dagrun_info(
            last_automated_data_interval=DataInterval(tick, tick), restriction=over
        )
        is None
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"slack": "soon"},
        {"duration": "0h"},
        {"zone": None},
        {"region": "swedencentral"},
        {"policy": {"below_percentile": 20}},
        {"policy": {"not_before": "08:00"}},
    ],
)
def test_what_can_not_be_is_said_when_the_dag_is_read(fields):
    with pytest.raises(InputError):
        timetable_of(**fields)


def test_a_policy_that_leaves_no_time_costs_the_wait_and_not_the_run():
    day = datetime(2026, 3, 29, tzinfo=UTC)
    tick, said = aware(day), Said(values=[300.0, 1.0, 300.0], begins=day)

    assert timetable_of(forecasts=said, policy="real_time").starts_at(tick, tick) == tick
    assert timetable_of(forecasts=said).starts_at(tick, tick) == tick + HOUR


# What is known in the scheduler's process.


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """An archive in which the last issue of a service has its valley in five hours; and now."""
    now = clock.now().replace(minute=0, second=0, microsecond=0)
    url = tmp_path / "carbon.db"
    extra = {"sources": "uk_carbon_intensity", "uk_carbon_intensity_url": "http://127.0.0.1:9"}
    connections = {
        "CARBON_DEFAULT": {"conn_type": "carbon", "extra": extra},
        "CARBON_LEDGER": {"conn_type": "sqlite", "host": str(url)},
    }
    for name, value in connections.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_{name}", json.dumps(value))
    issue = forecast_of(
        [300.0] * 5 + [10.0] + [300.0] * 40, begins=now, source="uk_carbon_intensity"
    )
    with Ledger.open(f"sqlite:///{url}") as ledger:
        series = forecast_of(issue.series.g_per_kwh, begins=now).series
        Archive(ledger).keep(
            forecast_of(series.g_per_kwh, begins=now, source="uk_carbon_intensity")
        )
    return now, url


def test_the_last_issue_in_the_archive_decides_though_its_service_is_not_asked(kept):
    now, _ = kept
    ours = timetable_of(forecasts=Forecasts(), slack="9h")

    assert ours.starts_at(aware(now + HOUR), now) == now + 5 * HOUR


def test_where_the_archive_is_gone_typical_days_decide_and_no_file_is_made(kept):
    now, file = kept
    file.unlink()
    ours = timetable_of(forecasts=Forecasts(), slack="9h", zone="FR")
    tick = aware(now + HOUR)

    assert tick <= ours.starts_at(tick, now) <= tick + 9 * HOUR
    assert OfflineHook().forecast("FR", ours.flexibility(tick)).source == "typical"
    assert not file.exists()


class Slow:
    """Answers after as many seconds as its next number says."""

    def __init__(self, *seconds):
        self.seconds, self.asked = list(seconds), 0

    def forecast(self, zone, flex):
        self.asked += 1
        time.sleep(self.seconds.pop(0))


def told_by(slow, patience) -> Forecasts:
    return Forecasts(patience=patience, hook=lambda _: slow)


def test_what_takes_too_long_is_not_waited_for_and_not_asked_again_while_it_is_on_its_way():
    slow = Slow(0.5, 0)
    forecasts = told_by(slow, timedelta(milliseconds=20))
    tick = aware(clock.now() + HOUR)
    ours = timetable_of(forecasts=forecasts)

    assert ours.starts_at(tick, clock.now()) == tick
    assert ours.starts_at(tick, clock.now()) == tick
    assert slow.asked == 1
    forecasts.late.join()
    ours.starts_at(tick, clock.now())
    assert slow.asked == 2  # the first question of a process may take long: it loads pandas


def test_after_a_later_question_took_too_long_nothing_is_asked_for_a_while():
    slow = Slow(0, 0.2)
    forecasts = told_by(slow, timedelta(milliseconds=100))
    tick = aware(clock.now() + HOUR)
    ours = timetable_of(forecasts=forecasts)
    for _ in range(3):
        ours.starts_at(tick, clock.now())
    forecasts.late.join()
    ours.starts_at(tick, clock.now())

    assert slow.asked == 2


def test_a_connection_that_can_not_be_read_costs_the_wait_and_not_the_run(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", '{"conn_type": "carbon", "extra": {"sources": "no"}}')
    tick = aware(clock.now() + HOUR)
    ours = timetable_of(forecasts=Forecasts(), carbon_conn_id="broken")

    assert ours.starts_at(tick, clock.now()) == tick
