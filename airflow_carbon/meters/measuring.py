"""``with measuring(path):`` counts the energy of this process, as the agent does of a command."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING

from airflow_carbon.meters.agent import ENDING_S
from airflow_carbon.meters.beside import DONE, READY
from airflow_carbon.meters.recorder import OPENING_S, READING_S, warn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

AGENT = ("-P", "-m", "airflow_carbon.meters.beside")
"""The agent's module; -P, so that nothing in the working directory takes a module's place."""

BEGINNING_S = OPENING_S + 2 * READING_S + 2.0
"""How long to wait for the first reading: drivers may be slow, and Python has to start."""


class Measuring:
    """The agent beside this process, which it outlives by no more than a last look.

    Nothing here raises: what fails costs the measurement, and is said once on stderr, or kept in
    ``complaints``. A process that this one forks does not end its measurement.
    """

    def __init__(
        self,
        path: Path,
        *,
        interval_s: float = 1.0,
        names: Mapping[str, str] | None = None,
        agent: Sequence[str] = AGENT,
        complaints: Path | None = None,
    ) -> None:
        self.path = path
        self._complaints = complaints
        self._owner = os.getpid()
        self._process: subprocess.Popen[bytes] | None = None
        self._command = [
            sys.executable,
            *agent,
            f"--pid={self._owner}",
            f"--out={path.absolute()}",
            f"--interval={interval_s}",
            f"--command={Path(sys.argv[0]).name or 'python'}",
        ]
        self._names = names or {}

    def start(self) -> None:
        """Start the agent and return at once; it counts after a fraction of a second."""
        if self._process is not None:
            return
        try:
            with _sink(self._complaints) as stderr:
                self._process = subprocess.Popen(  # noqa: S603 - our own module
                    self._command,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    env={**os.environ, **self._names},
                    start_new_session=True,  # who ends this process's group ends the agent too late
                )
        except (OSError, ValueError) as exc:
            warn(f"the energy of this process is not recorded: {exc}")

    def wait_until_ready(self, patience_s: float = BEGINNING_S) -> bool:
        """Return when the counters have been read once, or not in time."""
        ready = self._hears(READY, patience_s)
        if self._process is not None and not ready:
            warn("the energy of this process is not recorded from its begin: the agent is late")
        return ready

    def order(self, rc: int | None, **more: object) -> bool:
        """Tell the agent that what it counts is over, and return at once whether it was told.

        Without a return code the log has no end: the work goes on in another process.
        """
        process = self._own()
        if process is None or process.stdin is None:
            return False
        text = json.dumps({"rc": rc, **more}, default=str) + "\n"
        with suppress(OSError, ValueError):
            process.stdin.write(text.encode())
            process.stdin.close()
            return True
        return False

    def stop(self, rc: int = 0) -> bool:
        """End the measurement, and return whether its last line is there."""
        process = self._own()
        if process is None:
            return False
        patience_s = ENDING_S + 2 * READING_S
        done = self.order(rc) and self._hears(DONE, patience_s)
        if not done:
            warn(f"the last interval may be missing from {self.path}: the agent does not answer")
            process.kill()
        with suppress(subprocess.TimeoutExpired):
            process.wait(patience_s)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process = None
        return done

    def _own(self) -> subprocess.Popen[bytes] | None:
        return self._process if os.getpid() == self._owner else None

    def _hears(self, word: bytes, patience_s: float) -> bool:
        """Wait for a word of the agent; what it said before is passed over."""
        process, end, heard = self._own(), time.monotonic() + patience_s, b""
        if process is None or process.stdout is None:
            return False
        source = process.stdout.fileno()
        while not heard.endswith(word):
            if not _has_something(source, max(0.0, end - time.monotonic())):
                return False
            piece = os.read(source, 64)
            if not piece:
                return False
            heard += piece
        return True


def _has_something(source: int, patience_s: float) -> bool:
    waiting = select.poll()  # a process of many files: select() knows the first 1024
    waiting.register(source, select.POLLIN)
    return bool(waiting.poll(patience_s * 1000))


@contextmanager
def _sink(file: Path | None) -> Iterator[IO[bytes] | None]:
    """Open where the agent complains: a file, or where this process does."""
    if file is None:
        yield None
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("ab") as stream:
        yield stream


@contextmanager
def measuring(path: Path | str, *, interval_s: float = 1.0) -> Iterator[Measuring]:
    """Count the energy of this process and its children while the block runs.

    The log is that of ``python -m airflow_carbon.measure``: GPUs are those that
    CUDA_VISIBLE_DEVICES shows at the begin, as whole boards; the processor is a model of the time
    that this process and its children spend in the block. An agent beside this process reads
    them, so that no interval is lost while the block holds the interpreter. A block that raises
    has the return code 1. The measuring itself never raises, and no more of the block is delayed
    than its begin, until the counters have been read.
    """
    meter = Measuring(Path(path), interval_s=interval_s)
    meter.start()
    meter.wait_until_ready()
    rc = 1
    try:
        yield meter
        rc = 0
    finally:
        meter.stop(rc)
