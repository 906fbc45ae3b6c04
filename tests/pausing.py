"""A grid that leaves its forecast, and an Airflow so small that it can be killed at every step."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from datetime import timedelta
from types import SimpleNamespace

import pandas as pd
from airflow.sdk.exceptions import TaskDeferred
from hanging import HANGS_S

from airflow_carbon import AzureTrainingOperator, clock

SECOND = timedelta(seconds=1)

PAUSE = {
    "duration": "60s",
    "max_delay": "2m",
    "drift": {"share": 0.2, "lasting": "0.5s"},
    "carbon_conn_id": "grid",
}


def target(region):
    return {
        "kind": "machine_learning",
        "resource_group": f"rg-{region}",
        "workspace": f"ml-{region}",
        "environment_id": "azureml:torch:1",
        "instance_type": "Standard_NC24ads_A100_v4",
    }


TARGETS = {region: target(region) for region in ("swedencentral", "francecentral")}


class Grid:
    """Intensities in steps of half a second, of which a forecast may be wrong."""

    def __init__(self, folder, monkeypatch):
        self.file, self.begins = folder / "grid.csv", clock.now()
        extra = {
            "sources": "replay",
            "replay_file": str(self.file),
            "replay_starts_at": self.begins.isoformat(),
        }
        value = json.dumps({"conn_type": "carbon", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_GRID", value)
        self.promise(sweden=100, france=100)

    def promise(self, **zones):
        """Say what comes from now on: one number, or pairs of seconds from now and a number."""
        names = {"sweden": "SE-SE3", "france": "FR"}
        passed = (clock.now() - self.begins) / SECOND
        table = {}
        for name, said in zones.items():
            changes = [(0, said)] if isinstance(said, (int, float)) else said
            steps = [i / 2 for i in range(600)]
            table[names[name]] = [
                next((v for at, v in reversed(changes) if s - passed >= at), changes[0][1])
                for s in steps
            ]
        index = pd.date_range(self.begins, periods=600, freq="500ms", name="at")
        new = self.file.with_suffix(".new")
        pd.DataFrame(table, index=index).astype(float).to_csv(new)
        new.replace(self.file)

    def turn_dirty(self):
        """Leave Sweden dirty for a minute, in which every machine notices."""
        self.promise(sweden=[(-9, 300), (60, 50)], france=300)

    def turn_clean(self):
        """Let Sweden be clean in a second, for as long as a job lasts; return that instant."""
        soon = clock.now() + SECOND
        self.promise(sweden=[(-9, 300), (1, 50), (63, 300)], france=300)
        return soon


class Store(dict):
    """Airflow's task state store: JSON, which outlives a try."""

    def get(self, key, default=None):
        return json.loads(self[key]) if key in self else default

    def set(self, key, value):
        self[key] = json.dumps(value)


def training(command, **given):
    fields = {
        "task_id": "train",
        "command": command,
        "targets": TARGETS,
        "region": "swedencentral",
        "measure": False,
        "poll_interval": "0.1s",
        "azure_conn_id": "azure_test",
    }
    operator = AzureTrainingOperator(**(fields | given))
    operator.submitted = clock.now().isoformat()
    return operator


class Task:
    """One task instance: each step of it runs in a process that may be killed before the next.

    ``deferred`` is what Airflow's database holds: the trigger's fields and the task's arguments.
    """

    def __init__(self, operator, run_id):
        self.operator, self.store, self.deferred, self.result = operator, Store(), None, None
        self.ti = SimpleNamespace(
            dag_id="d",
            task_id="train",
            run_id=run_id,
            map_index=-1,
            try_number=1,
            xcom_push=lambda **_: None,
        )
        self.context = {"ti": self.ti, "task_state_store": self.store}

    def work(self, method="execute", *, lost=False, **arguments):
        """Run a worker; one that is lost dies before Airflow hears what it did."""
        try:
            result = getattr(self.operator, method)(self.context, **arguments)
        except TaskDeferred as told:
            if not lost:
                _, fields = told.trigger.serialize()
                kind, fields = type(told.trigger), json.loads(json.dumps(fields))
                self.deferred = (kind, fields, json.loads(json.dumps(told.kwargs or {})))
        else:
            self.result, self.deferred = result, None

    @property
    def doing(self):
        return self.deferred and self.deferred[0].__name__

    def trigger(self):
        kind, fields, _ = self.deferred
        return kind(**fields)

    def attend(self, killed_after=None):
        """Run the trigger; return its event, or None where it is killed before."""

        async def first():
            with suppress(TimeoutError):
                async with asyncio.timeout(killed_after or HANGS_S):
                    async for event in self.trigger().run():
                        return json.loads(json.dumps(event.payload))
            assert killed_after, f"{self.doing} does not fire"
            return None

        return asyncio.run(first())

    def step(self, *, lost=False):
        """Let the trigger fire, and the worker take its event."""
        event = self.attend()
        self.work("complete", lost=lost, event=event, **self.deferred[2])
        return event

    def finish(self):
        for _ in range(20):
            if self.deferred is None:
                return self.result
            self.step()
        raise AssertionError(self.doing)
