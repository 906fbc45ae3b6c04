"""What the agent costs: its log of a day, the reading and accounting of it, and its own time.

    python benchmarks/metering.py

A day at one reading a second for one, four and eight GPUs, made up: its size, and the processor
time of reading it, of all that EmissionsOperator does with it (a ledger in SQLite, typical days),
and of a revision by other figures, as of ReconcileOperator. And the agent itself beside a command
that sleeps for 70 s. Without a GPU, a driver's own time to answer is not in it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import psutil

from airflow_carbon import EmissionsOperator, clock
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.versions import Versions
from airflow_carbon.meters.counting import Count, Tally, counters
from airflow_carbon.meters.journal import Journal
from airflow_carbon.meters.log import COUNTER, MODEL, Device, Segment
from airflow_carbon.meters.reading import read_measurement
from airflow_carbon.operators.revising import revise

if TYPE_CHECKING:
    from collections.abc import Callable

    from airflow_carbon.core.intensity import Survey

DAY_S = 86_400
T0 = clock.now().timestamp() // 60 * 60 - 3 * DAY_S
STARTED_S, SLEEPS_S = 5, 70


def write_day(log: Path, gpus: int) -> None:
    """Write a day of H200s at 700 W, 64 busy vCPUs and 1 TB of memory."""

    def at(second: int) -> dict[str, Count]:
        drawn = {f"GPU-{i:08d}-0000-4000-8000-000000000000": 700_123 + i for i in range(gpus)}
        read = {name: Count(10**12 + mw * second) for name, mw in drawn.items()}
        model = {"cpu": Count(240_000 * second, MODEL), "memory": Count(392_000 * second, MODEL)}
        return read | model

    begin = at(0)
    devices = tuple(Device(id_, "gpu", "NVIDIA H200", COUNTER) for id_ in begin)
    segment = Segment("5f0c9a1e", T0, {}, "node", "boot", "0", 1.0, "sh", devices, counters(begin))
    with log.open("wb") as file:
        book = Journal(segment, Tally.begin(T0, begin), lambda line: bool(file.write(line)))
        for second in range(1, DAY_S + 1):
            book.advance(T0 + second + second * 37 % 1000 / 1000, at(second))
        book.end(T0 + DAY_S + 1, 0)


def spent(do: Callable[[], object]) -> float:
    """Return the processor time that something takes [s]."""
    begin = time.process_time()
    do()
    return time.process_time() - begin


def account(log: Path) -> None:
    """Do all that the operator does."""
    operator = EmissionsOperator(task_id="account", measurement=str(log), region="swedencentral")
    operator.submitted = (clock.now() - timedelta(days=4)).isoformat()
    ti = SimpleNamespace(dag_id="d", task_id="t", run_id=log.name, map_index=-1, try_number=1)
    context: Any = {"ti": ti, "outlet_events": None}
    operator.execute(context)


def revise_all(ledger: Ledger) -> None:
    """Revise what is booked: each figure of the grid has become a tenth greater."""

    def ask(*about: Any) -> Survey | None:
        found = CarbonHook().survey(*about)
        if found is None:
            return None
        greater = replace(found.series, g_per_kwh=found.series.g_per_kwh * 1.1)
        return replace(found, series=greater)

    now = clock.now()
    for run in Versions(ledger).unsettled(now - timedelta(days=30), now):
        revise(ledger, run, ask, now=now)


def agent(folder: Path) -> tuple[float, float, float]:
    """Return what an agent takes beside a sleep: a share of a core, a start [s], memory [MB]."""
    command = [sys.executable, "-m", "airflow_carbon.measure", "--out", str(folder / "log.jsonl")]
    with subprocess.Popen([*command, "--", "sleep", str(SLEEPS_S)]) as running:
        process = psutil.Process(running.pid)
        time.sleep(STARTED_S)
        first, began = sum(process.cpu_times()[:2]), time.monotonic()
        time.sleep(SLEEPS_S - 2 * STARTED_S)
        last, ended = sum(process.cpu_times()[:2]), time.monotonic()
        memory = process.memory_info().rss / 1e6
    return (last - first) / (ended - began), first, memory


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["AIRFLOW_CONN_CARBON_DEFAULT"] = json.dumps({"conn_type": "carbon"})
        for gpus in (1, 4, 8):
            log, db = folder / f"{gpus}.jsonl", folder / f"{gpus}.db"
            there = {"conn_type": "sqlite", "host": str(db)}
            os.environ["AIRFLOW_CONN_CARBON_LEDGER"] = json.dumps(there)
            write_day(log, gpus)
            with Ledger.open(f"sqlite:///{db}") as ledger:
                account(log)  # once for what is imported
                reading, accounting = (
                    spent(partial(one, log)) for one in (read_measurement, account)
                )
                revising = spent(partial(revise_all, ledger))
            print(
                f"a day at 1 Hz, {gpus} GPU: {log.stat().st_size / 1e6:.1f} MB, read in "
                f"{reading:.2f} s, accounted for in {accounting:.2f} s, revised in {revising:.2f} s"
            )
        rate, start, memory = agent(folder)
        print(f"the agent: {rate:.2%} of a core, {start:.2f} s of start, {memory:.0f} MB")


if __name__ == "__main__":
    main()
