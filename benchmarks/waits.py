"""How long until 300 waits stand: from the triggerer, and deferred from a worker.

    python benchmarks/waits.py [--patience 600]

Both in one Airflow, one after the other, on the same machine; prints the time until all
stand, the worker processes that were seen meanwhile, and the ratio.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tools"))

from standalone import Standalone  # noqa: E402 - a script beside this one

WAITS = 300

TASK = re.compile(r"airflow worker -- [0-9a-f]{8}-")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What was seen: seconds, waits that stood by then, and task processes."""

    seconds: float
    standing: int
    workers: int

    @property
    def a_wait(self) -> float:
        """How long a wait took to stand [s]."""
        return self.seconds / max(self.standing, 1)


def main() -> None:
    """Measure both and print the ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patience", type=float, default=600, help="how long either may take [s]")
    patience = parser.parse_args().patience
    outcomes = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with Standalone(home=home, dags=HERE / "dags") as airflow:
            for name in ("from_triggerer", "from_worker"):
                outcomes[name] = _measure(airflow, f"waits_{name}", patience)
                print(f"{name:<15} {_say(outcomes[name])}", flush=True)
    fast, slow = outcomes["from_triggerer"], outcomes["from_worker"]
    print(f"ratio           {slow.a_wait / fast.a_wait:.1f} (time a wait, from worker / triggerer)")


def _say(outcome: Outcome) -> str:
    return (
        f"{outcome.standing} of {WAITS} waits stand after {outcome.seconds:.1f} s, "
        f"{outcome.workers} task processes seen"
    )


def _measure(airflow: Standalone, dag_id: str, patience: float) -> Outcome:
    run_id = airflow.trigger(dag_id)
    path = f"/dags/{dag_id}/dagRuns/{run_id}/taskInstances"
    began, workers, standing = time.monotonic(), set[int](), 0
    while standing < WAITS and time.monotonic() - began < patience:
        workers |= _task_processes()
        params = {"state": "deferred", "limit": 1}
        standing = airflow.api("GET", path, params=params)["total_entries"]
        time.sleep(0.2)
    seconds = time.monotonic() - began
    airflow.api("PATCH", f"/dags/{dag_id}/dagRuns/{run_id}", json={"state": "failed"})
    return Outcome(seconds=seconds, standing=standing, workers=len(workers))


def _task_processes() -> set[int]:
    """Return the processes that run a task just now: Airflow titles them with the task's id."""
    found = set()
    for one in psutil.process_iter():
        with suppress(psutil.Error, IndexError):
            if TASK.match(one.cmdline()[0]):
                found.add(one.pid)
    return found


if __name__ == "__main__":
    main()
