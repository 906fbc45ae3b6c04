"""Modelled processors and memory: the time and the bytes of a command, at typical powers."""

from __future__ import annotations

import resource
import sys

from airflow_carbon.meters.counting import Count
from airflow_carbon.meters.log import MODEL, Device

WATTS_PER_BUSY_VCPU = 3.76
"""Power of a fully used vCPU [W].

Reference: Cloud Carbon Footprint, "Methodology", Compute: average over the processors of
Azure, 0.78 W at rest and 3.76 W in full use, linear in between; from SPECpower_ssj2008.
Single microarchitectures reach from 1.7 W (EPYC 2nd Gen) to 6.0 W (Haswell).
https://www.cloudcarbonfootprint.org/docs/methodology/
"""

WATTS_PER_GB = 0.392
"""Power of memory that is in use [W/GB].

Reference: the same, Memory: 0.000392 kWh/GBh, the mean of what Crucial (0.375 W/GB) and Micron
(0.4083 W/GB) publish.
"""

CPU = Device("cpu", "cpu", "processor time of the command", MODEL)
MEMORY = Device("memory", "memory", "memory of the command", MODEL)

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def modelled_joules(busy_s: float) -> float:
    """Return the energy of processor time [J]: each busy vCPU-second at full power.

    What the machine's idle processors draw is nobody's processor time and not charged; nor is
    memory that the command does not hold. Network and fans are not modelled.

    >>> modelled_joules(100.0)
    376.0
    """
    return busy_s * WATTS_PER_BUSY_VCPU


class Processors:
    """Energy of the processor time of a command and of all that it starts.

    While the command runs, as told; when it has ended, at least the kernel's own total for
    children, which is exact.
    """

    def __init__(self) -> None:
        self._before_s = _children_s()
        self._busy_s = 0.0

    def at(self, running_s: float | None) -> Count | None:
        """Return the energy so far; None where it can't be told before the end."""
        ended_s = _children_s() - self._before_s
        if running_s is None and not ended_s:
            return None
        self._busy_s = max(self._busy_s, ended_s, running_s or 0.0)
        return Count(round(modelled_joules(self._busy_s) * 1000), MODEL)


class Memory:
    """Energy of the memory that a command holds, integrated from reading to reading."""

    def __init__(self, now: float) -> None:
        self._at = now
        self._held: int | None = None
        self._joules = 0.0

    def at(self, now: float, held: int | None) -> Count:
        """Return the energy by ``now`` (monotonic [s]), with so much held [bytes] at present.

        None means that the command has ended: then it held what it last did, or if that was
        never seen, the most that the kernel saw.
        """
        if held is None:
            held = self._held or resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * _RSS_UNIT
        before = held if self._held is None else self._held
        self._joules += (before + held) / 2e9 * WATTS_PER_GB * (now - self._at)
        self._held, self._at = held, now
        return Count(round(self._joules * 1000), MODEL)


def _children_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
