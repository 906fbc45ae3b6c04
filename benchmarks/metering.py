"""What the agent costs: its log of a day, the reading of it, and its own processor time.

    python benchmarks/metering.py

A day at one reading a second for one, four and eight GPUs, made up; and the agent itself beside a
command that sleeps for 70 s. Without a GPU, a driver's own time to answer is not in it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

from airflow_carbon.meters.counting import Count, Tally, counters
from airflow_carbon.meters.journal import Journal
from airflow_carbon.meters.log import COUNTER, MODEL, Device, Segment
from airflow_carbon.meters.reading import read_measurement

T0 = 1_800_000_000.0
DAY_S = 86_400
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
        for gpus in (1, 4, 8):
            log = folder / f"{gpus}.jsonl"
            write_day(log, gpus)
            begin = time.process_time()
            read_measurement(log)
            spent = time.process_time() - begin
            size = log.stat().st_size / 1e6
            print(f"a day at 1 Hz, {gpus} GPU: {size:.1f} MB, read in {spent:.2f} s")
        rate, start, memory = agent(folder)
        print(f"the agent: {rate:.2%} of a core, {start:.2f} s of start, {memory:.0f} MB")


if __name__ == "__main__":
    main()
