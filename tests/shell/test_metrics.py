"""The metrics of a run, as Airflow's own exporters send them: a collector, a UDP socket."""

from __future__ import annotations

import json
import os
import socket
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pytest
from measured import WATTS, segment_of
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.proto.metrics.v1.metrics_pb2 import AGGREGATION_TEMPORALITY_DELTA
from servers.web import Say, serving

from airflow_carbon import clock
from airflow_carbon.operators.metrics import try_metrics

TASK = """
import json, sys
from datetime import timedelta
from types import SimpleNamespace

from airflow.sdk._shared.observability.metrics import stats
from airflow.sdk.configuration import conf
from airflow.sdk.observability.metrics import stats_utils

# as airflow.sdk.execution_time.task_runner begins a task
stats.initialize(
    factory=stats_utils.get_stats_factory(),
    export_legacy_names=conf.getboolean("metrics", "legacy_names_on"),
)
stats.incr("ti.start", tags={"dag_id": "nightly", "task_id": "account"})

from airflow_carbon import EmissionsOperator, clock

for log in sys.argv[2:]:
    operator = EmissionsOperator(
        task_id="account", measurement=log, region="swedencentral", model=sys.argv[1]
    )
    operator.submitted = (clock.now() - timedelta(hours=3)).isoformat()
    ti = SimpleNamespace(dag_id="d", task_id="account", run_id="r", map_index=-1, try_number=1)
    print(json.dumps(operator.execute({"ti": ti, "outlet_events": None})))
"""

ABOUT = {
    "dag_id": "nightly",
    "task_id": "train",
    "region": "swedencentral",
    "zone": "SE-SE3",
    "model": "churn",
}


@pytest.fixture
def begin():
    return (clock.now() - timedelta(minutes=10)).timestamp()


@pytest.fixture
def log(tmp_path, begin):
    file = tmp_path / "energy.jsonl"
    file.write_bytes(segment_of("5f0c9a1e", begin, 20, attempt=1))
    return file


@pytest.fixture
def ledger(tmp_path):
    return {"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")}


@pytest.fixture
def task(tmp_path, ledger, forks):
    """Account for measurements in a process that is set up as a task's is; return the XComs."""

    def ran(*logs, **settings):
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW_CONN_CARBON_LEDGER": json.dumps(ledger),
            **settings,
        }
        done = forks.run(TASK, "churn", *map(str, logs), env=env)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]

    return ran


@pytest.fixture
def collector():
    """A collector of OpenTelemetry on loopback, and what tells Airflow of it."""
    with serving() as web:
        web.routes["/v1/metrics"] = Say(headers={"content-type": "application/x-protobuf"})
        web.settings = {
            "AIRFLOW__METRICS__OTEL_ON": "True",
            "OTEL_EXPORTER_OTLP_ENDPOINT": web.url,
            "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        }
        yield web


def received(web):
    """The metrics of the last delivery, by name."""
    asked = [ask for ask in web.asked if ask.path == "/v1/metrics"]
    sent = ExportMetricsServiceRequest.FromString(asked[-1].body)
    scopes = [scope for one in sent.resource_metrics for scope in one.scope_metrics]
    return {metric.name: (scope.scope.name, metric) for scope in scopes for metric in scope.metrics}


def points(metric):
    return {
        frozenset((a.key, a.value.string_value) for a in point.attributes): point.as_double
        for point in metric.sum.data_points
    }


def test_a_collector_gets_joules_by_device_and_grams_from_airflows_own_exporter(
    task, log, collector
):
    (xcom,) = task(log, **collector.settings)
    metrics = received(collector)

    assert "airflow.ti.start" in metrics  # Airflow's own came the same way
    scope, energy = metrics["hw.energy"]
    assert (scope, energy.unit, energy.sum.is_monotonic) == ("airflow_carbon", "J", True)
    types = {"GPU-1": "gpu", "GPU-2": "gpu", "cpu": "cpu", "memory": "memory"}
    assert points(energy) == {
        frozenset((ABOUT | {"hw.id": id_, "hw.type": types[id_]}).items()): pytest.approx(
            20 * watts
        )
        for id_, watts in WATTS.items()
    }
    assert sum(points(energy).values()) == pytest.approx(3.6e6 * xcom["energy_kwh"])
    _, emissions = metrics["airflow_carbon.emissions"]
    assert (emissions.unit, emissions.sum.is_monotonic) == ("g", True)
    assert points(emissions) == {
        frozenset(ABOUT.items()): pytest.approx(xcom["emissions_g"], rel=1e-9)
    }


def test_a_joule_is_counted_once_however_often_its_run_is_accounted_for(
    task, log, collector, tmp_path, begin
):
    """The same again, then a second try, whose log goes on where that of the first ended."""
    on = tmp_path / "on.jsonl"
    on.write_bytes(log.read_bytes() + segment_of("a0a0a0a0", begin + 60, 30, attempt=2))

    delta = {"OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE": "delta"}
    xcoms = task(log, log, on, **collector.settings, **delta)

    _, energy = received(collector)["hw.energy"]
    assert energy.sum.aggregation_temporality == AGGREGATION_TEMPORALITY_DELTA
    assert sum(points(energy).values()) == pytest.approx(50 * 755)
    _, emissions = received(collector)["airflow_carbon.emissions"]
    assert sum(points(emissions).values()) == pytest.approx(xcoms[-1]["emissions_g"], rel=1e-9)


@pytest.mark.parametrize("fault", ["refused", "broken"])
def test_a_collector_that_fails_costs_the_task_nothing(task, log, collector, fault):
    settings = dict(collector.settings, OTEL_EXPORTER_OTLP_TIMEOUT="1")
    if fault == "refused":
        settings["OTEL_EXPORTER_OTLP_ENDPOINT"] = "http://127.0.0.1:9"
    else:
        collector.routes["/v1/metrics"] = Say(400)

    (xcom,) = task(log, **settings)

    assert xcom["emissions_g"] > 0


def test_settings_that_can_not_be_are_a_warning(monkeypatch, caplog):
    monkeypatch.setenv("AIRFLOW__METRICS__STATSD_ON", "perhaps")

    try_metrics(SimpleNamespace(key=SimpleNamespace(**ABOUT), **ABOUT), [], None)

    assert "no metrics of this run: " in caplog.text
    assert "perhaps" in caplog.text


def test_without_an_exporter_there_is_nothing_to_send(task, log, collector):
    settings = dict(collector.settings, AIRFLOW__METRICS__OTEL_ON="False")
    (xcom,) = task(log, **settings)

    assert xcom["emissions_g"] > 0
    assert collector.asked == []


def test_a_statsd_server_gets_the_same_under_airflows_prefix(task, log):
    pytest.importorskip("statsd", reason="StatsD's client is not installed")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        (xcom,) = task(
            log,
            AIRFLOW__METRICS__STATSD_ON="True",
            AIRFLOW__METRICS__STATSD_HOST="127.0.0.1",
            AIRFLOW__METRICS__STATSD_PORT=str(server.getsockname()[1]),
        )
        server.settimeout(0)
        packets = []
        with suppress(BlockingIOError):
            while True:
                packets.append(server.recv(2000).decode())

    sent = [packet.removesuffix("|c").split(":") for packet in packets]
    energy = [float(value) for name, value in sent if name == "airflow.hw.energy"]
    assert sorted(energy) == pytest.approx(sorted(20 * watts for watts in WATTS.values()))
    assert [float(v) for name, v in sent if name == "airflow.airflow_carbon.emissions"] == [
        pytest.approx(xcom["emissions_g"])
    ]
