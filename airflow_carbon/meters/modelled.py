"""A modelled CPU figure from the processor time of a command; reads /proc and getrusage."""

from __future__ import annotations

import os
import resource
from collections import defaultdict
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from airflow_carbon.meters.counting import Count
from airflow_carbon.meters.log import MODEL, Device

WATTS_PER_BUSY_VCPU = 3.76
"""Power of a fully used vCPU [W].

Reference: Cloud Carbon Footprint, "Methodology", Compute: average over the processors of
Azure, 0.78 W at rest and 3.76 W in full use, linear in between; from SPECpower_ssj2008.
Single microarchitectures reach from 1.7 W (EPYC 2nd Gen) to 6.0 W (Haswell).
https://www.cloudcarbonfootprint.org/docs/methodology/
"""

CPU = Device("cpu", "cpu", "processor time of the command", MODEL)

_PROC = Path("/proc")


def modelled_joules(busy_s: float) -> float:
    """Return the energy of processor time [J]: each busy vCPU-second at full power.

    What the machine's idle processors draw is nobody's processor time and not charged;
    memory, network and fans are not modelled.

    >>> modelled_joules(100.0)
    376.0
    """
    return busy_s * WATTS_PER_BUSY_VCPU


class CpuMeter:
    """Counts the processor time of a command and of all that it starts.

    While the command runs, by /proc; when it has ended, by the kernel's own total for
    children, which is exact. Where there is no /proc, only the latter is known.
    """

    def __init__(self) -> None:
        self._before = _children_s()
        self._busy_s = 0.0
        self._pid: int | None = None

    def watch(self, pid: int) -> None:
        """Count this process, which has just started."""
        self._pid = pid

    def read(self) -> Count | None:
        """Return the modelled energy so far, or None where it can't be told before the end."""
        ended = _children_s() - self._before
        if self._pid is not None and not ended:
            running = tree_s(self._pid)
            if running is None:
                return None
            ended = running
        self._busy_s = max(self._busy_s, ended)
        return Count(round(modelled_joules(self._busy_s) * 1000), MODEL)


class _Stat(NamedTuple):
    parent: int
    busy_ticks: int


def tree_s(root: int) -> float | None:
    """Return the processor time of a process and its descendants [s]; None without /proc.

    Each counts its ended children too. Parents are read before their children, so a child
    that ends meanwhile is missed until the next reading, never counted twice.
    """
    children: dict[int, list[int]] = defaultdict(list)
    try:
        pids = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    for pid in pids:
        stat = _stat(pid)
        if stat is not None:
            children[stat.parent].append(pid)
    ticks, generation = 0, [root]
    while generation:
        ticks += sum(stat.busy_ticks for stat in map(_stat, generation) if stat is not None)
        generation = [child for pid in generation for child in children.pop(pid, ())]
    return ticks / os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> _Stat | None:
    """Read /proc/PID/stat; None when the process has gone."""
    with suppress(OSError):
        text = (_PROC / str(pid) / "stat").read_bytes()
        fields = text[text.rindex(b")") + 2 :].split()  # the name before may hold anything
        return _Stat(int(fields[1]), sum(map(int, fields[11:15])))
    return None


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
