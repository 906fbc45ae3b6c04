"""Processors and memory by RAPL, the energy counters of x86 processors, as Linux shows them.

Reference: Linux kernel, "Power Capping Framework" (Documentation/power/powercap). The counters
are the whole machine's, and since 2020 mostly root alone may read them (CVE-2020-8694); virtual
machines rarely have any.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.meters.counting import Count
from airflow_carbon.meters.log import COUNTER, Device

if TYPE_CHECKING:
    from collections.abc import Iterator

POWERCAP = Path("/sys/class/powercap")

MOST_W = 1000.0
"""More than any one package draws [W]: so long a counter may go unread before it can have gone
round twice."""


@dataclass
class Zone:
    """A counter that goes round; what it has counted since it was opened does not."""

    device: Device
    counter: Path
    range_uj: int
    read_at: float
    raw_uj: int
    counted_uj: int = 0
    epoch: int = 0

    def read(self, now: float) -> Count | None:
        """Return what it has counted by ``now`` (monotonic [s]), None where it can't be read."""
        raw_uj = _number(self.counter)
        if raw_uj is None:
            return None
        if (now - self.read_at) * MOST_W * 1e6 > self.range_uj:
            self.epoch += 1  # nobody knows how often it went round
        grown = raw_uj - self.raw_uj
        self.counted_uj += grown if grown >= 0 else grown + self.range_uj
        self.raw_uj, self.read_at = raw_uj, now
        return Count(self.counted_uj // 1000, COUNTER, self.epoch)


def open_zones(now: float, powercap: Path = POWERCAP) -> list[Zone]:
    """Return the counters of each package, and of its memory; none where they can't be read.

    A package holds its cores, so these are not counted beside it; nor is ``psys``, which holds
    the packages. What shows a package a second time (``intel-rapl-mmio``) is left out.
    """
    zones: dict[str, Zone] = {}
    with suppress(OSError):
        for package in sorted(powercap.glob("intel-rapl:*")):
            for zone in _zones(package, now):
                zones.setdefault(zone.device.id, zone)
    return list(zones.values())


def _zones(package: Path, now: float) -> Iterator[Zone]:
    name = _text(package / "name")
    if package.name.count(":") != 1 or not name.startswith("package"):
        return
    yield from _zone(package, Device(f"cpu:{name}", "cpu", f"RAPL {name}", COUNTER), now)
    for part in sorted(package.glob(f"{package.name}:*")):
        if _text(part / "name") == "dram":
            memory = Device(f"memory:{name}", "memory", f"RAPL dram of {name}", COUNTER)
            yield from _zone(part, memory, now)


def _zone(folder: Path, device: Device, now: float) -> Iterator[Zone]:
    counter = folder / "energy_uj"
    raw_uj, range_uj = _number(counter), _number(folder / "max_energy_range_uj")
    if raw_uj is not None and range_uj:
        yield Zone(device, counter, range_uj, now, raw_uj)


def has_whole_machine(cpus_granted: float | None) -> bool:
    """Say whether this process may use all processors, so that their counters are its own.

    ``cpus_granted`` is what a cgroup limits it to, None for no limit.
    """
    every = os.cpu_count() or 1
    try:
        allowed = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):
        allowed = every
    return min(allowed, every if cpus_granted is None else cpus_granted) >= every


def _number(file: Path) -> int | None:
    text = _text(file)
    return int(text) if text.isdecimal() else None


def _text(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="ascii").strip()
    return ""
