"""A command and all that it started, by /proc: their processor time and their memory."""

from __future__ import annotations

import os
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_PROC = Path("/proc")


class Usage(NamedTuple):
    """Processor time of processes and of their ended children [s]; memory they hold [bytes]."""

    busy_s: float
    memory: int


class _Stat(NamedTuple):
    parent: int
    busy_ticks: int


def tree(root: int, without: int | None = None) -> Usage | None:
    """Return what a process and its descendants used and hold; None without /proc.

    One of them, with its own descendants, may be left ``without``: the agent beside a process.

    Parents are read before their children, so a child that ends meanwhile is missed until the
    next reading, never counted twice. Memory that processes share is counted once.
    """
    children = _children_of()
    if children is None:
        return None
    ticks, own, shared, generation = 0, 0, 0, [root]
    while generation:
        for pid in generation:
            stat, (resident, common) = _stat(pid), _pages(pid)
            ticks += stat.busy_ticks if stat is not None else 0
            own, shared = own + resident - common, max(shared, common)
        generation = [c for pid in generation for c in children(pid) if c != without]
    pages = os.sysconf("SC_PAGE_SIZE")
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), (own + shared) * pages)


def ancestors(pid: int) -> list[int]:
    """Return the parent of a process, its parent, and so on, as far as can be seen."""
    found: list[int] = []
    while (stat := _stat(pid)) is not None and stat.parent > 0:
        pid = stat.parent
        found.append(pid)
    return found


def _children_of() -> Callable[[int], Iterable[int]] | None:
    """Return how to find the children of a process.

    The kernel mostly lists them (CONFIG_PROC_CHILDREN); else all processes of the machine are
    asked for their parent.
    """
    if (_PROC / "self" / "task").is_dir() and any(_PROC.glob("self/task/*/children")):
        return _listed
    children: dict[int, list[int]] = defaultdict(list)
    try:
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    for pid in pids:
        stat = _stat(pid)
        if stat is not None:
            children[stat.parent].append(pid)
    return lambda pid: children.pop(pid, ())


def _listed(pid: int) -> Iterable[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 - it is done each second
            with suppress(OSError), open(f"/proc/{pid}/task/{task}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
    return found


def _stat(pid: int) -> _Stat | None:
    """Read /proc/PID/stat; None when the process has gone."""
    with suppress(OSError):
        text = (_PROC / str(pid) / "stat").read_bytes()
        fields = text[text.rindex(b")") + 2 :].split()  # the name before may hold anything
        return _Stat(int(fields[1]), sum(map(int, fields[11:15])))
    return None


def _pages(pid: int) -> tuple[int, int]:
    """Return the pages of a process in memory, and how many of them it shares with others."""
    with suppress(OSError, ValueError):
        _, resident, common, *_ = (_PROC / str(pid) / "statm").read_bytes().split()
        return int(resident), int(common)
    return 0, 0
