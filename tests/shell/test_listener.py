"""The listener, driven as Airflow's task runner drives it: in a process of its own that ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
from airflow.sdk.plugins_manager import AirflowPlugin
from hanging import HANGS_S

import airflow_carbon
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.listener.choice import Choice
from airflow_carbon.meters.reading import read_measurement

if TYPE_CHECKING:
    import subprocess

    from forks import Forks


TASK = """
import os, sys, time
from datetime import datetime, timezone
from types import SimpleNamespace
from airflow.sdk.listener import get_listener_manager
from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG
from airflow_carbon.listener.plugin import CarbonPlugin

get_listener_manager().clear()  # other packages listen, too
for listener in CarbonPlugin.listeners:
    get_listener_manager().add_listener(listener)
hook = get_listener_manager().hook
with DAG("nightly", schedule=None, tags=["heavy"]):
    task = BashOperator(task_id="train", bash_command="true", pool="gpu")
run = SimpleNamespace(run_after=datetime.now(timezone.utc))
ti = SimpleNamespace(
    id="0199", dag_id="nightly", task_id="train", run_id="r/1", map_index=-1, try_number=2,
    task=task, get_template_context=lambda: {"dag_run": run},
)

def busy(seconds=0.1):
    end = sum(os.times()[:2]) + seconds
    while sum(os.times()[:2]) < end:
        pass

def begin():
    start = time.perf_counter()
    hook.on_task_instance_running(previous_state=None, task_instance=ti)
    took = time.perf_counter() - start
    print("begin", took)

def counted():
    import glob
    while not any("t0" in open(f).read() for f in glob.glob(os.environ["KEPT"] + "/*.jsonl")):
        busy(0.05)

def end(what="success", **more):
    start = time.perf_counter()
    kind = getattr(hook, f"on_task_instance_{what}")
    kind(previous_state=None, task_instance=ti, **more)
    hook.before_stopping(component=None)
    print("end", time.perf_counter() - start)
"""


class Worker:
    """Runs a task's process, and looks at what is left of it."""

    def __init__(self, folder: Path, forks: Forks) -> None:
        self._forks = forks
        self.kept, self.db = folder / "kept", folder / "carbon.db"
        ledger = {"conn_type": "sqlite", "host": str(self.db)}
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith("AIRFLOW")},
            "PYTHONPATH": str(Path(airflow_carbon.__file__).parents[1]),
            "CUDA_VISIBLE_DEVICES": "",
            "KEPT": str(self.kept),
            "AIRFLOW_HOME": str(folder / "home"),
            "AIRFLOW__CARBON__MEASURED_FOLDER": str(self.kept),
            "AIRFLOW__CARBON__MEASURED_POOLS": "cpu, gpu",
            "AIRFLOW__CARBON__WORKER_REGION": "swedencentral",
            "AIRFLOW_CONN_CARBON_LEDGER": json.dumps(ledger),
            "AIRFLOW_CONN_CARBON_DEFAULT": json.dumps({"conn_type": "carbon"}),
        }

    def run(self, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run a task; its outputs are pipes, which whoever outlives it must not hold open."""
        return self._forks.run(TASK + script, env={**self.environment, **variables})

    def agents(self) -> list[int]:
        found = []
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = file.read_bytes().decode()
                if "airflow_carbon.listener" in words and f"{self.kept}/" in words:
                    found.append(int(file.parent.name))
        return found

    def settled(self) -> None:
        """Return when nothing of the task runs any more."""
        patience, gone = time.monotonic() + HANGS_S, 0
        while gone < 5:  # a process that becomes another program has no arguments for a moment
            assert time.monotonic() < patience
            gone = 0 if self.agents() else gone + 1
            time.sleep(0.1)

    def rows(self):
        self.settled()
        if not self.db.exists():
            return []
        with Ledger.open(f"sqlite:///{self.db}") as ledger:
            return list(ledger.recent())


@pytest.fixture
def worker_at(forks):
    """Workers, each in a folder of its own."""
    workers = []

    def at(folder):
        workers.append(Worker(folder, forks))
        return workers[-1]

    yield at
    for worker in workers:
        for pid in worker.agents():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def worker(worker_at, tmp_path):
    return worker_at(tmp_path)


def test_a_chosen_task_is_accounted_for_when_it_has_ended(worker_at, tmp_path):
    """However it has: three at once, whose accountants go on side by side."""
    ways = {"end()": 0, "end('failed', error=KeyError())": 1, "end('skipped')": 1}
    workers = [worker_at(tmp_path / str(rank)) for rank in range(len(ways))]

    done = [
        worker.run(f"begin(); counted(); {how}") for worker, how in zip(workers, ways, strict=True)
    ]

    assert [(one.returncode, one.stderr) for one in done] == [(0, "")] * 3
    for worker, rc in zip(workers, ways.values(), strict=True):
        (entry,) = worker.rows()
        assert (entry.key.dag_id, entry.key.run_id, entry.key.try_number) == ("nightly", "r/1", 2)
        assert (entry.region, entry.return_code) == ("swedencentral", rc)
        assert entry.energy_j > 0.05 * 3.76
        assert list(worker.kept.iterdir()) == []


@pytest.mark.parametrize("variables", [{"POOLS": "cpu"}, {"POOLS": ""}])
def test_a_task_that_is_not_chosen_starts_nothing(worker, variables):
    named = {f"AIRFLOW__CARBON__MEASURED_{name}": value for name, value in variables.items()}

    done = worker.run("begin(); print(len(CarbonPlugin.listeners)); end()", **named)

    assert done.stdout.splitlines()[1] == str(int(bool(variables["POOLS"])))
    assert not worker.kept.exists()
    assert worker.rows() == []


def test_who_is_told_nothing_has_nothing_loaded(worker):
    look = "print(*sorted(n for n in sys.modules if n.startswith('airflow_carbon.')))"

    done = worker.run(look, AIRFLOW__CARBON__MEASURED_POOLS="")

    light = {"listener", "listener.choice", "listener.plugin", "provider_info"}
    page = {"operators", "operators.page_link", "plugin", "plugin.airflow_plugin"}
    assert set(done.stdout.split()) <= {f"airflow_carbon.{name}" for name in light | page}


def test_a_task_that_is_killed_is_accounted_for_where_its_ledger_is_known(worker):
    done = worker.run("begin(); counted(); os.kill(os.getpid(), 9)")

    assert done.returncode == -signal.SIGKILL
    (entry,) = worker.rows()
    assert entry.return_code is None


def test_a_killed_task_whose_ledger_is_not_known_keeps_its_measurement(worker):
    del worker.environment["AIRFLOW_CONN_CARBON_LEDGER"]

    worker.run("begin(); counted(); os.kill(os.getpid(), 9)")

    assert worker.rows() == []
    (log,) = worker.kept.glob("*.log")
    assert "carbon_ledger is not known here" in log.read_text()
    assert read_measurement(log.with_suffix(".jsonl")).run["task_id"] == "train"


def test_a_task_that_goes_on_elsewhere_is_accounted_for_once_and_whole(worker):
    worker.run("begin(); counted(); hook.before_stopping(component=None)")
    assert worker.rows() == []
    (file,) = worker.kept.glob("*.jsonl")
    first = read_measurement(file)
    assert not first.ended

    worker.run("begin(); busy(0.5); end()")

    (entry,) = worker.rows()
    assert entry.energy_j > first.profile.total


def test_a_task_that_ends_before_anything_is_counted_leaves_nothing(worker):
    worker.run("begin(); end(); os._exit(0)")

    worker.settled()
    assert list(worker.kept.glob("*.jsonl")) == []


def test_a_ledger_that_does_not_answer_delays_nothing_and_fails_nothing(worker):
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(1)  # it takes the call and says nothing
        port = deaf.getsockname()[1]
        there = {"conn_type": "postgres", "host": "127.0.0.1", "port": port, "schema": "s"}
        ledger = json.dumps({**there, "extra": {"connect_timeout": 2}})

        done = worker.run("begin(); counted(); end()", AIRFLOW_CONN_CARBON_LEDGER=ledger)
        running = worker.agents()
        worker.settled()

    assert (done.returncode, done.stderr) == (0, "")
    assert running
    (log,) = worker.kept.glob("*.log")
    assert "this task is not in the ledger" in log.read_text()
    assert read_measurement(log.with_suffix(".jsonl")).return_code == 0


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("AIRFLOW__CARBON__WORKER_REGION", "", "worker_region"),
        ("AIRFLOW__CARBON__MEASURED_FOLDER", "/dev/null/none", "not recorded"),
    ],
)
def test_what_can_t_be_measured_is_said_in_the_task_and_stops_nothing(
    worker, variable, value, says
):
    done = worker.run("begin(); end(); print('well')", **{variable: value})

    assert done.returncode == 0
    assert done.stdout.endswith("well\n")
    assert says in done.stdout + done.stderr
    assert worker.rows() == []


def task(**more):
    dag = SimpleNamespace(tags=more.pop("tags", set()))
    values = {"pool": "default_pool", "operator_name": "Mine", "dag": dag, **more}
    return type("Mine", (SimpleNamespace,), {"__module__": "company.work"})(**values)


@pytest.mark.parametrize(
    ("choice", "of", "taken"),
    [
        (Choice(pools=frozenset({"gpu"})), {"pool": "gpu"}, True),
        (Choice(pools=frozenset({"gpu"})), {}, False),
        (Choice(tags=frozenset({"heavy"})), {"tags": {"heavy", "x"}}, True),
        (Choice(operators=frozenset({"Mine"})), {}, True),
        (Choice(operators=frozenset({"company.work.Mine"})), {}, True),
        (Choice(operators=frozenset({"SimpleNamespace"})), {}, True),
        (Choice(operators=frozenset({"@task.docker"})), {"operator_name": "@task.docker"}, True),
        (Choice(operators=frozenset({"work.Mine"})), {}, False),
    ],
)
def test_tasks_are_chosen_by_pool_tag_and_operator(choice, of, taken):
    assert choice.takes(task(**of)) is taken


def test_the_package_s_own_tasks_are_never_chosen():
    from airflow_carbon import EmissionsOperator  # noqa: PLC0415

    own = EmissionsOperator(task_id="account", measurement="x", region="swedencentral", pool="gpu")
    assert not Choice(pools=frozenset({"gpu"})).takes(own)


def test_airflow_finds_the_plugin():
    from airflow_carbon.listener.plugin import CarbonPlugin  # noqa: PLC0415

    assert issubclass(CarbonPlugin, AirflowPlugin)
    assert CarbonPlugin.listeners == []
