"""The agent beside a process that runs already: counts its energy until that says so, or ends.

A process of its own: it reads in time though the other holds its interpreter for minutes, and what
it has written outlasts a kill of the other. Its standard input takes the order to end, a JSON
object with the return code ``rc``, null where the work goes on in another process; its standard
output says ``ready`` when the counting has begun, and ``done`` when the last line is in the log.
"""

from __future__ import annotations

import argparse
import json
import os
import select
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_carbon.meters.agent import ENDING_S, FLUSHING_S
from airflow_carbon.meters.recorder import Recorder, warn

if TYPE_CHECKING:
    from collections.abc import Sequence

READY, DONE = b"ready\n", b"done\n"

LOOKS_S = 1.0
"""How often to look whether the process that is measured still runs."""


def main(argv: Sequence[str] | None = None) -> int:
    """Count until the end, and tell that it is over."""
    order = attend(options(sys.argv[1:] if argv is None else argv))
    if order is not None:
        _say(DONE)
    return 0


def options(argv: Sequence[str]) -> argparse.Namespace:
    """Return the agent's arguments: ``pid``, ``out``, ``interval`` and ``command``."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pid", type=int, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--interval", type=float, default=1.0)
    parser.add_argument("--command", default="python")
    return parser.parse_args(argv)


def attend(args: argparse.Namespace) -> dict[str, Any] | None:
    """Count beside the parent process, and return its last order; None when it ended without one.

    Signals that are meant for the whole service do not end it: it ends with the process. The log
    of one that was killed has no end. Of one that has ended before anything could be counted there
    is no log.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    if os.getppid() != args.pid:
        return _wait(args.pid)
    recorder = Recorder(args.out, args.command, args.interval, running=args.pid)
    recorder.begin()
    _say(READY)
    order = _wait(args.pid)
    rc = order.get("rc") if order is not None else None
    if rc is None:
        recorder.flush(FLUSHING_S)
    elif not recorder.finish(int(rc), ENDING_S):
        warn(f"the last interval is missing from {args.out}, which could not be written in time")
    return order


def _wait(pid: int) -> dict[str, Any] | None:
    """Wait for an order on the standard input.

    Its end alone says little: a process that the other has forked may hold it open.
    """
    source, text, runs = sys.stdin.fileno(), b"", True
    while runs:
        runs = os.getppid() == pid  # looked at first: what it said before it ended is read
        while select.select([source], [], [], LOOKS_S if runs else 0.0)[0]:
            piece = os.read(source, 65536)
            text += piece
            if not piece or text.endswith(b"\n"):
                runs = False
                break
    with suppress(ValueError):
        order = json.loads(text)
        return order if isinstance(order, dict) else None
    return None


def _say(word: bytes) -> None:
    with suppress(OSError):
        os.write(sys.stdout.fileno(), word)


if __name__ == "__main__":
    raise SystemExit(main())
