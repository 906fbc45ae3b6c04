"""The processes that belong to a folder: whoever finds the folder can end them."""

from __future__ import annotations

import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from pathlib import Path

PIDS = "processes.txt"


def belongs_to(home: Path, pid: int) -> None:
    """Note that a process is to end with those of the folder."""
    # A pid may be somebody else's by the time that it is read; with its time of birth, it can't.
    with (home / PIDS).open("a") as pids:
        print(pid, psutil.Process(pid).create_time(), file=pids)


def stop_in(home: Path) -> bool:
    """End what belongs to a folder, politely and then not; tell whether anything ran."""
    file = home / PIDS
    if not file.exists():
        return False
    family: list[psutil.Process] = []
    for pid, born in (line.split() for line in file.read_text().splitlines()):
        with suppress(psutil.NoSuchProcess):
            parent = psutil.Process(int(pid))
            if parent.create_time() == float(born):
                family += [*parent.children(recursive=True), parent]
    ran = bool(family)
    for sign, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 5)):
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(sign)
        _, family = psutil.wait_procs(family, timeout=patience)
        if not family:
            break
    file.unlink(missing_ok=True)
    return ran
