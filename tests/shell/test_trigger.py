"""The trigger as the triggerer runs it: on an event loop, with a connection."""

from __future__ import annotations

import json
from datetime import timedelta

import pandas as pd
import pytest
from hanging import first_event

from airflow_carbon import clock
from airflow_carbon.triggers.window import WindowTrigger


@pytest.fixture
def submitted(monkeypatch, tmp_path):
    """Define a grid at 300 g/kWh with a dip to 200 in three hours; return now."""
    now = clock.now()
    values = [300.0] * 3 + [200.0] + [300.0] * 20
    index = pd.date_range(now, periods=len(values), freq="h", name="at")
    file = tmp_path / "dip.csv"
    pd.DataFrame({"DE": values}, index=index).to_csv(file)
    extra = {"replay_file": str(file), "replay_starts_at": now.isoformat()}
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_DIP", value)
    return now


def fired(submitted, **fields):
    """Return the plan that the trigger fires with at once, None where it waits."""
    trigger = WindowTrigger(
        carbon_conn_id="dip",
        region=None,
        zone="DE",
        duration="1h",
        deadline=None,
        max_delay=timedelta(hours=10),
        earliest=None,
        submitted=submitted.isoformat(),
        ends_task=False,
        **fields,
    )
    event = first_event(trigger)
    return event and event.payload


def test_a_wait_for_a_cleaner_hour_stands(submitted):
    assert fired(submitted) is None
    assert fired(submitted, min_saving="30%") is None


def test_a_wait_that_would_save_too_little_is_not_begun_and_says_so(submitted):
    plan = fired(submitted, min_saving="40%")

    assert plan["reason"] == "below_min_saving"
    assert plan["mean_g_per_kwh"] == pytest.approx(300, abs=1)
    assert plan["difference_percent"] == pytest.approx(0, abs=1)
