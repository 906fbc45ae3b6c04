"""``@task.measured``: a real agent, a real ledger, a context as Airflow gives it."""

from __future__ import annotations

import json
import logging
import os
import socket
from types import SimpleNamespace

import pytest
from airflow.sdk import Asset, task
from airflow.sdk.exceptions import AirflowTaskTerminated, AirflowTaskTimeout
from airflow.sdk.execution_time.context import OutletEventAccessors

from airflow_carbon import clock
from airflow_carbon.core.errors import InvalidOptionError, UnknownRegionError
from airflow_carbon.decorators.measured import MeasuredOperator
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.meters.reading import read_measurement
from airflow_carbon.operators.measured import measuring_task

HERE = "swedencentral"


@pytest.fixture(autouse=True)
def worker(monkeypatch, tmp_path):
    """A worker without a GPU, and where it keeps its measurements."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("AIRFLOW__CARBON__MEASURED_FOLDER", str(tmp_path / "measured"))
    return tmp_path / "measured"


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    """A ledger in a file, by an Airflow connection."""
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


@pytest.fixture
def no_ledger(monkeypatch):
    """A ledger whose server is not there."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    value = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "schema": "none"}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(value))


def context(**more):
    ti = SimpleNamespace(
        id="0199", dag_id="nightly", task_id="train", run_id="r/1", map_index=None, try_number=2
    )
    return {
        "ti": ti,
        "dag_run": SimpleNamespace(run_after=clock.now()),
        "outlet_events": OutletEventAccessors(),
        **more,
    }


def busy(answer=None, seconds=0.1):
    end = sum(os.times()[:2]) + seconds
    while sum(os.times()[:2]) < end:
        pass
    return answer


def measured(function, ctx=None, op_args=(), **options):
    operator = MeasuredOperator(
        task_id="train", python_callable=function, op_args=op_args, op_kwargs={}, **options
    )
    return operator.execute(ctx or context())


def test_the_task_returns_what_its_function_does_and_has_its_row(ledger, worker):
    answer = {"loss": 0.5}

    assert measured(busy, op_args=[answer], region=HERE, model="m") is answer

    (entry,) = ledger.recent()
    key = entry.key
    assert (key.dag_id, key.task_id, key.run_id) == ("nightly", "train", "r/1")
    assert (key.map_index, key.try_number) == (-1, 2)
    assert (entry.region, entry.model, entry.return_code) == (HERE, "m", 0)
    # How much it is, is told in a process of its own: tests/meters/test_measuring.py.
    assert entry.energy_j > 0
    assert list(worker.iterdir()) == []


def test_the_function_is_given_the_context_as_a_plain_task_s(ledger):
    assert measured(lambda run_id=None: run_id, context(run_id="r/1"), region=HERE) == "r/1"


def test_a_coroutine_is_measured(ledger):
    async def train():
        return busy(7)

    assert measured(train, region=HERE) == 7
    assert ledger.recent()[0].energy_j > 0


@pytest.mark.parametrize("error", [KeyError, AirflowTaskTimeout])
def test_a_try_that_fails_is_in_the_ledger_and_fails(ledger, error):
    def train():
        busy()
        raise error("its own")

    with pytest.raises(error, match="its own"):
        measured(train, region=HERE)

    assert ledger.recent()[0].return_code == 1


def test_a_task_that_is_terminated_ends_at_once_and_leaves_its_measurement(ledger, worker):
    def train():
        busy()
        raise AirflowTaskTerminated

    with pytest.raises(AirflowTaskTerminated):
        measured(train, region=HERE)

    (file,) = worker.iterdir()
    assert read_measurement(file).return_code == 1
    assert ledger.recent() == []


def test_a_ledger_that_can_t_be_reached_is_said_and_fails_nothing(no_ledger, worker, caplog):
    with caplog.at_level(logging.WARNING):
        assert measured(busy, op_args=[3], region=HERE) == 3

    (file,) = worker.iterdir()
    assert read_measurement(file).return_code == 0
    assert str(file) in caplog.text


def test_a_worker_of_no_place_is_said_and_fails_nothing(ledger, worker, caplog):
    with caplog.at_level(logging.WARNING):
        assert measured(busy, op_args=[3]) == 3

    assert "worker_region" in caplog.text
    assert len(list(worker.iterdir())) == 1


@pytest.mark.parametrize(
    ("option", "value", "zone"), [("REGION", "francecentral", "FR"), ("ZONE", "PL", "PL")]
)
def test_the_workers_place_is_that_of_the_configuration(ledger, monkeypatch, option, value, zone):
    monkeypatch.setenv(f"AIRFLOW__CARBON__WORKER_{option}", value)

    measured(busy)

    assert ledger.recent()[0].zone == zone


def test_a_named_measurement_is_kept_and_may_be_all_there_is(ledger, tmp_path):
    file = tmp_path / "mine" / "energy.jsonl"

    measured(busy, account=False, measurement=str(file))

    assert read_measurement(file).run["task_id"] == "train"
    assert ledger.recent() == []


def test_the_event_of_an_asset_has_the_footprint(ledger):
    model, ctx = Asset("s3://models/nightly"), context()

    measured(busy, ctx, region=HERE, outlets=[model])

    (entry,) = ledger.recent()
    assert ctx["outlet_events"][model].extra["carbon"]["emissions_g"] == entry.emissions_g


def test_a_block_of_a_task_is_measured_alone(ledger):
    busy(seconds=0.5)
    with measuring_task(context(), region=HERE, model="block") as meter:
        busy(seconds=0.1)

    (entry,) = ledger.recent()
    assert entry.model == "block"
    assert 0 < entry.energy_j < 0.4 * 3.76
    assert not meter.path.exists()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"region": HERE, "zone": "FR"}, InvalidOptionError),
        ({"region": "atlantis"}, UnknownRegionError),
        ({"functional_units": 3}, InvalidOptionError),
    ],
)
def test_a_mistake_is_said_when_the_dag_is_parsed(options, error):
    with pytest.raises(error):
        measured(busy, **options)


def test_airflow_offers_the_decorator():
    @task.measured(region=HERE)
    def train() -> int:
        return 1

    assert train.operator_class is MeasuredOperator
