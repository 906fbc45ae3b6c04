"""GPU energy of a run: replies in the shapes of Azure Monitor's specification 2024-02-01."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.azure.arm import Reply
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.monitor import gpu_energy, run_energy
from airflow_carbon.hooks.crosscheck import cross_check
from airflow_carbon.ledger.crosscheck import CrossChecks
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.store import Ledger

T0 = datetime(2026, 10, 3, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
WORKSPACE = (
    "/subscriptions/s/resourceGroups/lab/providers/Microsoft.MachineLearningServices/workspaces/w"
)


def body_of(*series, **fields):
    metric = {
        "id": f"{WORKSPACE}/providers/Microsoft.Insights/metrics/GpuEnergyJoules",
        "type": "Microsoft.Insights/metrics",
        "name": {"value": "GpuEnergyJoules", "localizedValue": "GpuEnergyJoules"},
        "unit": "Count",
        "timeseries": [{"metadatavalues": [], "data": data} for data in series],
        "errorCode": "Success",
        **fields,
    }
    return {"timespan": "a/b", "interval": "PT1M", "value": [metric]}


def at(minute, **values):
    return {"timeStamp": f"{T0 + minute * MINUTE:%Y-%m-%dT%H:%M:%SZ}", **values}


def read(*series, minutes=10, **fields):
    ask = gpu_energy(WORKSPACE, "run", T0, T0 + minutes * MINUTE)
    return ask.read(Reply(status=200, headers={}, body=body_of(*series, **fields)))


def test_the_question_is_one_runs_total_minute_by_minute():
    begin = T0 + timedelta(seconds=59)
    end = T0 + timedelta(minutes=5, microseconds=1)
    ask = gpu_energy(WORKSPACE, "it's", begin, end)

    assert ask.path == f"{WORKSPACE}/providers/Microsoft.Insights/metrics"
    assert (ask.method, ask.api_version) == ("GET", "2024-02-01")
    assert ask.params == {
        "metricnames": "GpuEnergyJoules",
        "aggregation": "Total",
        "interval": "PT1M",
        "timespan": "2026-10-03T12:00:00Z/2026-10-03T12:06:00Z",
        "$filter": "runId eq 'it''s'",
    }


def test_a_minute_without_a_value_is_unknown_and_zero_is_zero():
    found = read([at(0), at(1, total=0.0), at(2, total=900.5), at(3)])

    assert found.joules == 900.5
    assert found.by_minute == ((T0 + MINUTE, 0.0), (T0 + 2 * MINUTE, 900.5))
    assert (found.begins_at, found.ends_at) == (T0 + MINUTE, T0 + 3 * MINUTE)


@pytest.mark.parametrize("series", [(), ([],), ([at(0), at(1)],), ([at(0, total=None)],)])
def test_without_a_value_nothing_is_known(series):
    assert read(*series) is None


def test_series_of_several_devices_add_up():
    found = read([at(0, total=100.0)], [at(0, total=50.0), at(1, total=25.0)])

    assert found.by_minute == ((T0, 150.0), (T0 + MINUTE, 25.0))


def test_another_metric_in_the_answer_does_not_count():
    assert read([at(0, total=1.0)], name={"value": "GpuUtilization"}) is None


def test_an_error_inside_the_answer_is_azures_refusal():
    with pytest.raises(AzureRefusedError, match="InvalidSamplingType"):
        read(errorCode="InvalidSamplingType", errorMessage="Sampling type is not found.")


def test_another_unit_is_another_metric():
    with pytest.raises(ValueError, match="Percent"):
        read([at(0, total=1.0)], unit="Percent")


@pytest.mark.parametrize("broken", [-1.0, float("nan")])
def test_energy_is_never_negative(broken):
    with pytest.raises(ValueError, match="J at"):
        read([at(0, total=broken)])


def segment(name, begin, end):
    return {
        "resource": f"{WORKSPACE}/jobs/{name}",
        "started_at": begin.isoformat(),
        "ended_at": end.isoformat(),
    }


class Monitor:
    """An ``Arm`` that has a joule a minute of the span that it is asked for, and one beyond."""

    def __init__(self):
        self.asked = []

    def send(self, ask):
        first, last = map(datetime.fromisoformat, ask.params["timespan"].split("/"))
        self.asked.append(last - first)
        count = (last - first) // MINUTE + 1
        times = [first + i * MINUTE for i in range(count)]
        data = [{"timeStamp": time.isoformat(), "total": 1.0} for time in times]
        return ask.read(Reply(status=200, headers={}, body=body_of(data)))


@given(begin=st.integers(0, 86400), length=st.integers(1, 4 * 86400))
def test_a_long_run_is_asked_for_day_by_day_and_no_minute_counts_twice(begin, length):
    first = T0 + timedelta(seconds=begin)
    last = first + timedelta(seconds=length)
    monitor = Monitor()
    found = run_energy(monitor, WORKSPACE, "run", first, last)

    minutes = {(first + timedelta(seconds=s)).replace(second=0) for s in range(0, length, 60)}
    minutes.add((last - timedelta(seconds=1)).replace(second=0))
    assert [minute for minute, _ in found.by_minute] == sorted(minutes)
    assert found.joules == len(minutes)
    assert max(monitor.asked) <= timedelta(days=1)


def test_a_cross_check_is_stored_beside_the_run_and_nothing_where_nothing_is_known(tmp_path):
    key = RunKey(dag_id="train", task_id="gpu", run_id="r")
    now = T0 + 99 * MINUTE
    segments = [
        segment("carbon-1", T0, T0 + 5 * MINUTE),
        segment("carbon-2", T0 + 30 * MINUTE, T0 + 32 * MINUTE),
    ]
    unknown = [
        [*segments, segment("carbon-3", T0, T0)],
        [*segments, segments[0] | {"resource": "/subscriptions/s/providers/Microsoft.App/jobs/j"}],
        [],
    ]
    with Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}") as ledger:
        check = cross_check(Monitor(), ledger, key, {"segments": segments}, now=now)
        other = replace(key, run_id="s")
        for some in unknown:
            assert cross_check(Monitor(), ledger, other, {"segments": some}, now=now) is None

        assert CrossChecks(ledger).read(key) == [check]
        assert CrossChecks(ledger).read(other) == []
    assert (check.joules, check.begins_at, check.ends_at) == (7.0, T0, T0 + 32 * MINUTE)
