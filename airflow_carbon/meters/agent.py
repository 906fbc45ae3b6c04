"""The agent: runs a command, passes signals and its exit code through, has it recorded.

The main thread waits for the command and for signals, and for nothing else.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon import __version__
from airflow_carbon.core.handover import SAY_LOG, UPLOAD_URL
from airflow_carbon.meters.recorder import Recorder, warn
from airflow_carbon.meters.spoken import say
from airflow_carbon.meters.upload import upload

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FLUSHING_S = 0.5
"""How long a signal waits for the log before it is passed on."""
ENDING_S = 2.0
"""How long the agent outlives the command for the last line."""
INTERVALS_S = (0.1, 3600)
"""From what to what an interval may last: counters publish about ten times a second."""
CANT_RUN, NOT_FOUND = 126, 127  # as in a shell

_FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)

_DESCRIPTION = """\
Run a command and count its energy: GPUs by NVML's energy counters, processors and memory by
RAPL where the machine is its own, else by a model. Signals and the exit code pass through as
if the command ran alone, and a measurement that fails never stops it."""

_EPILOG = """\
example:
  python -m airflow_carbon.measure --out energy.jsonl -- python train.py --epochs 10

FILE is appended to, one line an interval, each safe on disk before the next: what was
recorded survives a kill, and a retry adds a segment to the same file. GPUs need the module
of nvidia-ml-py and are those that CUDA_VISIBLE_DEVICES shows. In an Airflow task the lines
name its run. With AIRFLOW_CARBON_UPLOAD_URL in the environment, FILE is put there at the end
(an Azure blob's URL with a signature); with AIRFLOW_CARBON_SAY_LOG it is printed, where that
fails or is not asked for. The exit code is the command's; 128+n if signal n
killed it, 127 if it was not found, 126 if it can't be run."""


def main(argv: Sequence[str], instead: Callable[[Sequence[str], Exception], int]) -> int:
    """Run and record the command of the arguments, and return its exit code.

    ``instead`` is given the command, and why, when the agent can't begin.
    """
    args, command = _parse(argv)
    try:
        wake = _listen()
        recorder = Recorder(args.out, Path(command[0]).name, args.interval)
        recorder.begin()
    except Exception as exc:  # noqa: BLE001 - the measuring may fail, the command goes on
        return instead(command, exc)
    try:
        child = subprocess.Popen(command)  # noqa: S603 - the user's own command
    except OSError as exc:
        warn(f"can't run {command[0]!r}: {exc.strerror or exc}")
        rc = NOT_FOUND if isinstance(exc, FileNotFoundError) else CANT_RUN
    else:
        recorder.watch(child.pid)
        rc = _attend(child, wake, recorder)
    if not recorder.finish(rc, ENDING_S):
        warn(f"the last interval is missing from {args.out}, which could not be written in time")
    _hand_over(args.out)
    return rc


def _hand_over(log: Path) -> None:
    """Leave the log where it was asked for: at a URL, else among what the command printed."""
    url = os.environ.get(UPLOAD_URL)
    if (url and upload(log, url)) or not os.environ.get(SAY_LOG):
        return
    try:
        if not say(log.read_bytes()):
            warn(f"{log} is too long to be printed")
    except OSError as exc:
        warn(f"{log} can't be read: {exc.strerror or exc}")


def _parse(argv: Sequence[str]) -> tuple[argparse.Namespace, Sequence[str]]:
    """Return the agent's own arguments and the command, which begins after the first ``--``."""
    cut = argv.index("--") if "--" in argv else len(argv)
    parser = _parser()
    args, command = parser.parse_args(argv[:cut]), argv[cut + 1 :]
    if not command:
        parser.error("write -- and the command at the end: -- python train.py")
    return args, command


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_called(),
        usage="%(prog)s --out FILE [--interval SECONDS] -- CMD ...",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the log to write")
    parser.add_argument(
        "--interval",
        type=_seconds,
        default=1.0,
        metavar="SECONDS",
        help="how often to read and write, from 0.1 to 3600; default 1",
    )
    parser.add_argument("--version", action="version", version=__version__)
    return parser


def _called() -> str:
    started = Path(sys.argv[0]).name
    if started == "airflow-carbon":
        return "airflow-carbon measure"
    return f"python3 {started}" if started.endswith(".pyz") else "python -m airflow_carbon.measure"


def _seconds(text: str) -> float:
    shortest, longest = INTERVALS_S
    with suppress(ValueError):
        if shortest <= float(text) <= longest:
            return float(text)
    message = f"{text!r} is not a number of seconds from {shortest} to {longest}"
    raise argparse.ArgumentTypeError(message)


def _listen() -> int:
    """Have signals written to a pipe, one byte each, and return its reading end.

    A signal that is ignored (as under nohup) stays so, for the command too.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing)
    for number in _FORWARDED:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _noted)
    signal.signal(signal.SIGCHLD, _noted)
    return reading


def _noted(*_: object) -> None:
    """Do nothing: the signal is in the pipe."""


def _attend(child: subprocess.Popen[bytes], wake: int, recorder: Recorder) -> int:
    """Pass signals on until the command ends, and return its exit code."""
    while child.poll() is None:
        for number in os.read(wake, 64):
            if number == signal.SIGCHLD or _typed(number):
                continue
            recorder.flush(FLUSHING_S)
            with suppress(ProcessLookupError):
                child.send_signal(number)
    return 128 - child.returncode if child.returncode < 0 else child.returncode


def _typed(number: int) -> bool:
    """Say whether a signal is Ctrl-C at a terminal, which the command got by itself."""
    return number == signal.SIGINT and any(map(_in_foreground, (0, 1, 2)))


def _in_foreground(terminal: int) -> bool:
    with suppress(OSError):
        return os.tcgetpgrp(terminal) == os.getpgrp()
    return False
