"""A DAG run by hand: what a task returns, pushes, skips."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import NamedTuple

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG
from airflow.sdk.exceptions import DownstreamTasksSkipped

from airflow_carbon import clock
from airflow_carbon.ledger.entry import Entry, RunKey

HOUR = timedelta(hours=1)


class Outcome(NamedTuple):
    """What became of a task: its XCom, and the tasks that it skipped."""

    xcom: dict
    skipped: list


def outcome(kind, run_id="now", map_index=-1, pushed=None, **arguments) -> Outcome:
    """Run a gate before a training, a report and a teardown."""
    pushed = {} if pushed is None else pushed
    with DAG("nightly", schedule=None):
        gate = kind(task_id="gate", **arguments)
        train, report = EmptyOperator(task_id="train"), EmptyOperator(task_id="report")
        cleanup = EmptyOperator(task_id="cleanup").as_teardown()
        gate >> [train, cleanup]
        train >> report
    ti = SimpleNamespace(
        dag_id="nightly",
        task_id="gate",
        run_id=run_id,
        map_index=map_index,
        try_number=1,
        xcom_push=lambda key, value: pushed.update({key: value}),
    )
    try:
        returned = gate.execute({"ti": ti, "task": gate})
    except DownstreamTasksSkipped as skip:
        return Outcome(pushed["return_value"], list(skip.tasks))
    told = pushed.get("skipmixin_key", {}).get("skipped", [])
    return Outcome(returned, told)


def ran(ledger, run_id, grams=1000.0, ago=0.0, **fields) -> None:
    """Write a training that ended some hours ago; in no time, so that no month divides it."""
    names = ("dag_id", "task_id", "map_index")
    key = RunKey(
        **{"dag_id": "nightly", "task_id": "train", "run_id": run_id}
        | {name: fields.pop(name) for name in names if name in fields}
    )
    ended = clock.now() - ago * HOUR
    known = {
        "submitted_at": ended,
        "started_at": ended,
        "ended_at": ended,
        "zone": "FR",
        "device_names": "GPU-1 (H200)",
        "energy_j": 3.6e6,
        "energy_method": "counter",
        "coverage": 1.0,
        "pue": 1.2,
        "pue_source": "published",
        "emissions_g": grams,
        "emissions_low_g": 0.9 * grams,
        "emissions_high_g": 1.1 * grams,
        "intensity_source": "typical",
        "intensity_quality": "climatology",
        "intensity_signal": "average",
        "intensity_factor_type": "lifecycle",
        "baseline_method": "none",
        "model": "churn",
        "computed_at": clock.now(),
        "package_version": "0",
    }
    ledger.write(Entry(key=key, **{**known, **fields}))
