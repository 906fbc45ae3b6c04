"""``CarbonIntensitySensor``: at parse, in the triggerer, and on a worker."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException, TaskDeferred
from airflow.triggers.base import TaskFailedEvent, TaskSkippedEvent, TaskSuccessEvent
from hanging import first_event

from airflow_carbon import CarbonIntensitySensor, clock
from airflow_carbon.core.errors import InputError
from airflow_carbon.triggers.window import WindowTrigger

HOUR = timedelta(hours=1)


def sensor(**changes):
    fields = {"zone": "DE", "below": 250, "max_delay": "10h", "carbon_conn_id": "dip", **changes}
    given = {name: value for name, value in fields.items() if value is not None}
    return CarbonIntensitySensor(task_id="wait", **given)


@pytest.fixture
def now(monkeypatch, tmp_path):
    """A grid at 300 g/kWh with a dip to 240 in three hours, and a deeper one later; now."""
    begins = clock.now()
    values = [300.0] * 3 + [240.0] + [300.0] * 2 + [100.0] + [300.0] * 17
    index = pd.date_range(begins, periods=len(values), freq="h", name="at")
    file = tmp_path / "dip.csv"
    pd.DataFrame({"DE": values}, index=index).to_csv(file)
    extra = {"replay_file": str(file), "replay_starts_at": begins.isoformat()}
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_DIP", value)
    return begins


def in_triggerer(wait, submitted):
    """Return what its trigger fires with at once, None where it waits."""
    fields = wait.start_trigger_args.trigger_kwargs | {
        "submitted": submitted.isoformat(),
        "carbon_aware": True,
    }
    return first_event(WindowTrigger(**fields))


def on_worker(wait, submitted):
    wait.submitted, wait.carbon_aware = submitted.isoformat(), True
    pushed = {}
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    return wait.execute({"ti": ti}), pushed


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"below": None}, "below=200, or a percentile"),
        ({"below": "low"}, "below_g_per_kwh='low'"),
        ({"below": None, "below_percentile": 101}, "from 0 to 100"),
        ({"max_delay": None}, "give deadline="),
        ({"on_timeout": "stop"}, "go, fail, skip"),
        ({"policy": "{{ params.policy }}"}, "as a mapping"),
    ],
)
def test_a_mistake_that_is_visible_at_parse_breaks_the_parse(changes, says):
    with pytest.raises(InputError, match=says):
        sensor(**changes)


def test_limits_join_those_of_a_policy_and_may_be_templates():
    assert sensor(policy={"below_g_per_kwh": 100, "workload": "delay_tolerant"}).policy == {
        "workload": "delay_tolerant",
        "below_g_per_kwh": 100.0,
        "soonest": True,
    }
    templated = sensor(below="{{ params.limit }}", policy={"max_delay": "1h"})
    assert templated.policy["below_g_per_kwh"] == "{{ params.limit }}"
    assert templated.start_from_trigger


def test_it_waits_while_the_grid_is_above_and_ends_when_it_is_below(now):
    assert in_triggerer(sensor(), now) is None
    assert isinstance(in_triggerer(sensor(below=300), now), TaskSuccessEvent)


@pytest.mark.parametrize(
    ("on_timeout", "event"),
    [("go", TaskSuccessEvent), ("fail", TaskFailedEvent), ("skip", TaskSkippedEvent)],
)
def test_after_its_latest_start_the_task_ends_as_it_was_told(now, on_timeout, event):
    late = sensor(max_delay="1h", on_timeout=on_timeout)

    ended = in_triggerer(late, now - 2 * HOUR)

    assert type(ended) is event
    plan = ended.xcoms["return_value"]  # nobody gave it a task instance to push by
    assert (plan["reason"], plan["limit_g_per_kwh"]) == ("deadline", 250)


def test_a_worker_ends_it_likewise(now):
    with pytest.raises(TaskDeferred):
        on_worker(sensor(), now)
    plan, _ = on_worker(sensor(max_delay="1h"), now - 2 * HOUR)
    assert plan["reason"] == "deadline"
    for word, error in (("skip", AirflowSkipException), ("fail", AirflowFailException)):
        with pytest.raises(error, match="not at or below 250 g/kWh"):
            on_worker(sensor(max_delay="1h", on_timeout=word), now - 2 * HOUR)


def test_a_run_that_somebody_needs_goes_on_whatever_the_grid_does(now):
    plan, _ = on_worker(sensor(dry_run=True, on_timeout="fail"), now)

    assert plan["reason"] == "dry_run"
    # The first window below the limit, not the cleanest of all.
    assert plan["would_wait_for"]["mean_g_per_kwh"] == pytest.approx(250, abs=1)
