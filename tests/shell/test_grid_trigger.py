"""The watcher as the triggerer runs it: shared looks, a store that outlives it, broken grids."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import timedelta

import pandas as pd
import pytest
import structlog
from airflow.sdk import Asset, AssetWatcher
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger
from airflow.triggers.shared_stream import SharedStreamManager
from hanging import HANGS_S

from airflow_carbon import clock
from airflow_carbon.core.errors import InputError
from airflow_carbon.triggers.grid import GridTurnsCleanTrigger, Look

STEP = timedelta(seconds=0.5)


@pytest.fixture
def grid(monkeypatch, tmp_path):
    """Lay a grid of half-second steps from now on, by a connection of its own."""
    count = 0

    def lay(*values: float) -> str:
        nonlocal count
        count += 1
        index = pd.date_range(clock.now(), periods=len(values), freq=STEP, name="at")
        file = tmp_path / f"{count}.csv"
        pd.DataFrame({"DE": values}, index=index).to_csv(file)
        extra = {"sources": "replay", "replay_file": str(file)}
        extra["replay_starts_at"] = index[0].isoformat()
        value = json.dumps({"conn_type": "carbon", "extra": extra})
        monkeypatch.setenv(f"AIRFLOW_CONN_TURNS_{count}", value)
        return f"turns_{count}"

    return lay


class Store:
    """Airflow's store of an asset, or one that is down."""

    def __init__(self, *, broken=False):
        self.kept, self.broken = {}, broken

    async def aget(self, key, default=None):
        self._check()
        return self.kept.get(key, default)

    async def aset(self, key, value):
        self._check()
        self.kept[key] = json.loads(json.dumps(value))

    def _check(self):
        if self.broken:
            message = "the API server is away"
            raise RuntimeError(message)


def looks(*values, week=None):
    now = clock.now()

    async def stream():
        for i, g in enumerate(values):
            yield Look(
                zone="DE",
                at=now + i * timedelta(minutes=5),
                g_per_kwh=g,
                source="test",
                quality="issued",
                week=week,
            )

    return stream()


def events_of(trigger, stream):
    async def collect():
        return [event.payload async for event in trigger.filter_shared_stream(stream)]

    return asyncio.run(collect())


def watching(**fields) -> GridTurnsCleanTrigger:
    return GridTurnsCleanTrigger(**{"zone": "DE", "below": 100, **fields})


def test_a_grid_fires_once_a_spell_and_says_for_what():
    (one, two) = events_of(watching(), looks(200, 90, 80, 103, 70, 106, 100))

    assert (one["g_per_kwh"], two["g_per_kwh"]) == (90, 100)
    assert {k: one[k] for k in ("zone", "below_g_per_kwh", "source", "quality")} == {
        "zone": "DE",
        "below_g_per_kwh": 100,
        "source": "test",
        "quality": "issued",
    }
    json.dumps(one)


def test_a_restart_within_a_spell_does_not_fire_again():
    store, first, second = Store(), watching(), watching()
    first.asset_state_store = second.asset_state_store = store

    assert len(events_of(first, looks(200, 90))) == 1
    assert events_of(second, looks(80, 90)) == []
    assert len(events_of(second, looks(200, 90))) == 1


def test_watchers_that_differ_keep_their_own_notes():
    store, one, other = Store(), watching(), watching(below=120)
    one.asset_state_store = other.asset_state_store = store

    assert len(events_of(one, looks(90))) == 1
    assert len(events_of(other, looks(90))) == 1
    assert len(store.kept) == 2


def test_a_store_that_is_down_costs_the_memory_and_not_the_event():
    trigger = watching()
    trigger.asset_state_store = Store(broken=True)

    assert len(events_of(trigger, looks(200, 90, 200, 90))) == 2


def test_a_percentile_waits_for_the_week_that_it_is_of():
    trigger = watching(below=None, below_percentile=50)

    assert events_of(trigger, looks(10, 10)) == []
    (event,) = events_of(trigger, looks(200, 90, week=[50.0, 100.0, 300.0]))
    assert event["below_g_per_kwh"] == 100


def test_triggers_of_one_grid_share_one_look_and_each_fires_for_its_own_limit(grid):
    conn_id = grid(300, 300, 50, *[300] * 60)
    low, high, other = (
        watching(carbon_conn_id=conn_id, below=60),
        watching(carbon_conn_id=conn_id, below=400),
        watching(carbon_conn_id="other"),
    )
    assert low.shared_stream_key() == high.shared_stream_key() != other.shared_stream_key()
    assert hash(low.shared_stream_key()) == hash(high.shared_stream_key())

    async def both():
        manager = SharedStreamManager(log=structlog.get_logger())
        streams = {
            i: one.filter_shared_stream(
                manager.subscribe(trigger_id=i, trigger=one, key=one.shared_stream_key())
            )
            for i, one in enumerate((low, high))
        }

        async def first(stream):
            async with aclosing(stream):
                async for event in stream:
                    return event.payload["g_per_kwh"]
            return None

        async with asyncio.timeout(HANGS_S):
            found = await asyncio.gather(*map(first, streams.values()))
        groups = len(manager._groups)
        await manager.stop_all()
        return found, groups

    found, groups = asyncio.run(both())
    assert found[0] == 50
    assert found[1] in {300, 50}
    assert groups == 1


def test_an_outage_is_no_event_and_the_watch_goes_on(grid, monkeypatch, tmp_path):
    monkeypatch.setattr("airflow_carbon.triggers.course.LOOK", STEP)
    conn_id = grid(300, *[50] * 200)
    file = tmp_path / "1.csv"
    good = file.read_text().replace("DE", "HERE")  # a zone of which there are no typical days
    file.write_text("at,HERE\nnonsense")

    async def fired():
        trigger = watching(carbon_conn_id=conn_id, zone="HERE")
        async with aclosing(trigger.run()) as events, asyncio.timeout(HANGS_S):
            seen = asyncio.ensure_future(anext(events))
            await asyncio.sleep(1)
            silent = not seen.done()
            file.write_text(good)
            return silent, (await seen).payload["g_per_kwh"]

    assert asyncio.run(fired()) == (True, 50)


def test_it_survives_airflows_database_and_equal_words_make_one_trigger():
    one = watching(min_between=timedelta(hours=6))
    path, kwargs = one.serialize()
    again = GridTurnsCleanTrigger(**kwargs)
    watcher = AssetWatcher(name="turns_clean", trigger=one)
    encoded = encode_trigger(watcher.trigger)

    assert path == "airflow_carbon.triggers.grid.GridTurnsCleanTrigger"
    assert again.serialize() == one.serialize()
    assert encoded["classpath"] == path
    assert BaseEventTrigger.hash(path, kwargs) == BaseEventTrigger.hash(path, again.serialize()[1])
    assert watching(min_between="6h").shared_stream_key() == one.shared_stream_key()
    assert Asset("grid:DE", watchers=[watcher]).watchers[0].name == "turns_clean"


@pytest.mark.parametrize(
    "fields",
    [{"zone": None}, {"region": "swedencentral"}, {"below": None}, {"min_between": "soon"}],
)
def test_what_can_not_be_is_said_when_the_dag_is_read(fields):
    with pytest.raises(InputError):
        watching(**fields)


def test_a_region_stands_for_its_zone():
    trigger = GridTurnsCleanTrigger(region="Sweden Central", below=20)

    assert trigger.shared_stream_key()[2] == "SE-SE3"
