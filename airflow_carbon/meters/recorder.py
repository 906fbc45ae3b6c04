"""The thread that reads the meters and writes the log, beside the command.

It waits for drivers and disks, so that the thread which handles signals never does.
"""

from __future__ import annotations

import os
import queue
import sys
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from airflow_carbon import __version__
from airflow_carbon.meters.counting import Tally, counters
from airflow_carbon.meters.host import LOOKS_S, Host, open_host
from airflow_carbon.meters.journal import Journal
from airflow_carbon.meters.log import (
    MISSING,
    Device,
    LogFile,
    Segment,
)
from airflow_carbon.meters.nvml import Opening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.meters.counting import Reading
    from airflow_carbon.meters.nvml import Gpus

OPENING_S = 10.0
"""How long a driver may take to start: the command waits for its first reading."""
READING_S = 0.5
"""How long a reading may take, before it is missing from an interval."""

_RUN = {
    "dag_id": "AIRFLOW_CTX_DAG_ID",
    "task_id": "AIRFLOW_CTX_TASK_ID",
    "run_id": "AIRFLOW_CTX_DAG_RUN_ID",
    "map_index": "AIRFLOW_CTX_MAP_INDEX",  # not set by Airflow itself; a policy may
    "try_number": "AIRFLOW_CTX_TRY_NUMBER",
}
_NUMBERS = {"map_index", "try_number"}


def warn(message: str) -> None:
    """Say it in one line on stderr, if that is still there."""
    with suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"airflow_carbon.measure: {message}\n")
        sys.stderr.flush()


def run_key(environment: Mapping[str, str]) -> dict[str, str | int]:
    """Return which run this is, by the variables that Airflow sets for a task; {} outside."""
    found = {name: environment[var] for name, var in _RUN.items() if var in environment}
    return {n: int(v) if n in _NUMBERS and _is_integer(v) else v for n, v in found.items()}


def _is_integer(text: str) -> bool:
    return text.lstrip("-").isdecimal()


@dataclass(frozen=True)
class _Order:
    """Write the interval up to now; with ``rc``, the command has ended."""

    rc: int | None = None
    done: threading.Event = field(default_factory=threading.Event)


class Recorder(threading.Thread):
    """Records a command until it ends; whatever fails is said once and costs only energy.

    ``running`` is the process of a command that runs already: it is counted from now on.
    """

    def __init__(
        self, out: Path, command: str, interval_s: float, running: int | None = None
    ) -> None:
        super().__init__(daemon=True)
        self._out = out
        self._command = command
        self._interval_s = interval_s
        self._orders: queue.SimpleQueue[_Order] = queue.SimpleQueue()
        self._ready = threading.Event()
        self._running = running
        self._pid = running
        self._said: set[str] = set()
        self._wall_s = time.time() - time.monotonic()  # noqa: TID251 - the clock module needs 3.11

    # For the thread that has the command.

    def begin(self) -> None:
        """Start, and return when the meters have been read once or will not be in time."""
        try:
            self.start()
        except RuntimeError as exc:
            warn(f"the energy of this command is not recorded: {exc}")
            return
        self._ready.wait(OPENING_S + 2 * READING_S)

    def watch(self, pid: int) -> None:
        """Take this process for the command."""
        self._pid = pid

    def flush(self, patience_s: float) -> bool:
        """Have what is known written, and return whether it was in time."""
        return self._order(_Order(), patience_s)

    def finish(self, rc: int, patience_s: float) -> bool:
        """Have the last interval and the end written, and return whether it was in time."""
        return self._order(_Order(rc), patience_s)

    def _order(self, order: _Order, patience_s: float) -> bool:
        if not self.is_alive():
            return True
        self._orders.put(order)
        return order.done.wait(patience_s)

    # For this thread.

    def run(self) -> None:
        """Record until the command has ended."""
        try:
            self._record(LogFile(self._out))
        except OSError as exc:
            warn(f"the energy of this command is not recorded, because {self._out} {_says(exc)}")
        except Exception as exc:  # noqa: BLE001 - the measuring may fail, the command goes on
            warn(f"the energy of this command is no longer recorded: {exc!r}")
        finally:
            self._ready.set()

    def _record(self, log: LogFile) -> None:
        opening = Opening(os.environ)
        gpus, host = opening.first(OPENING_S), open_host(running=self._running)
        if gpus.complaint:
            warn(gpus.complaint)
        journal = self._begin_segment(log, gpus, host, self._read(gpus, host), self._now())
        self._ready.set()
        due, rc = time.monotonic() + self._interval_s, None
        while rc is None:
            order = self._next_order(due, host)
            readings, at = self._read(gpus, host), self._now()
            journal.advance(at, readings)
            if order is None:
                due = max(due + self._interval_s, time.monotonic())
                found = opening.again(READING_S) if gpus.away else None
                if found is not None:
                    gpus = found
                    readings = {**gpus.read(READING_S), **readings}
                    journal = self._begin_segment(log, gpus, host, readings, at)
                continue
            rc = order.rc
            if rc is not None:
                journal.end(at, rc)
            order.done.set()

    def _begin_segment(
        self, log: LogFile, gpus: Gpus, host: Host, readings: Mapping[str, Reading], at: float
    ) -> Journal:
        """Begin the log's segment: the first, or that of GPUs which could not be seen before."""
        devices = (*gpus.devices, *host.devices)
        known = {device.id: readings.get(device.id) for device in devices}
        segment = self._segment(devices, at, known)
        return Journal(segment, Tally.begin(at, known), lambda line: self._write(log, line))

    def _next_order(self, due: float, host: Host) -> _Order | None:
        """Return an order as soon as there is one, or None when the next interval is due."""
        while True:
            left_s = max(0.0, due - time.monotonic())
            try:
                return self._orders.get(timeout=min(left_s, LOOKS_S))
            except queue.Empty:
                if left_s <= LOOKS_S:
                    return None
                host.read(self._pid)

    def _read(self, gpus: Gpus, host: Host) -> dict[str, Reading]:
        readings = gpus.read(READING_S)
        for device in gpus.devices:
            if readings[device.id] is None and device.method != MISSING:
                self._warn_once(f"{device.id} does not answer; its energy is missing until it does")
        readings.update(host.read(self._pid))
        return readings

    def _segment(
        self, devices: tuple[Device, ...], at: float, readings: Mapping[str, Reading]
    ) -> Segment:
        return Segment(
            seg=uuid4().hex[:8],
            t=at,
            run=run_key(os.environ),
            host=os.uname().nodename,
            boot_id=_boot_id(),
            agent=__version__,
            interval_s=self._interval_s,
            command=self._command,
            devices=devices,
            raw_mj=counters(readings),
        )

    def _write(self, log: LogFile, line: bytes) -> bool:
        """Return whether the line was written; the disk's confirmation is asked for."""
        try:
            log.append(line)
        except OSError as exc:
            self._warn_once(f"{self._out} {_says(exc)}; it is tried again at each interval")
            return False
        try:
            log.confirm()
        except OSError as exc:
            self._warn_once(f"{self._out} may be incomplete, because it {_says(exc)}")
        return True

    def _warn_once(self, message: str) -> None:
        if message not in self._said:
            self._said.add(message)
            warn(message)

    def _now(self) -> float:
        """Unix seconds that no clock adjustment moves: intervals never fold."""
        return round(self._wall_s + time.monotonic(), 3)


def _says(exc: OSError) -> str:
    return f"can't be written: {exc.strerror or exc}"


def _boot_id() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return ""
