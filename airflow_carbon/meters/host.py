"""Processors and memory of the command: counted where the machine is its own, else modelled."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.meters.cgroup import Cgroup, own_cgroup
from airflow_carbon.meters.modelled import CPU, MEMORY, Memory, Processors
from airflow_carbon.meters.processes import Usage, tree
from airflow_carbon.meters.rapl import POWERCAP, Zone, has_whole_machine, open_zones

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_carbon.meters.counting import Reading
    from airflow_carbon.meters.log import Device

LOOKS_S = 20.0
"""How often to read at least: RAPL's counters go round, and memory comes and goes."""

CHEAP_S, MOST_OF_A_CORE = 0.001, 0.005
"""What looking at processes may cost: it is done less often where that is long, as of thousands."""


@dataclass
class Host:
    """What processors and memory draw, each by RAPL or by a model, and labelled so."""

    zones: list[Zone]
    cgroup: Cgroup | None
    processors: Processors
    memory: Memory
    devices: tuple[Device, ...]
    before_s: float
    _seen: Usage | None = None
    _seen_until: float = 0.0

    def read(self, pid: int | None) -> Mapping[str, Reading]:
        """Return what each device shows; ``pid`` is the command's, None before it runs."""
        now = time.monotonic()
        readings: dict[str, Reading] = {zone.device.id: zone.read(now) for zone in self.zones}
        modelled = {device.id for device in self.devices} & {CPU.id, MEMORY.id}
        usage = self._lately(pid, now) if modelled else None
        if CPU.id in modelled:
            readings[CPU.id] = self.processors.at(usage and usage.busy_s)
        if MEMORY.id in modelled:
            readings[MEMORY.id] = self.memory.at(now, usage and usage.memory)
        return readings

    def _lately(self, pid: int | None, now: float) -> Usage | None:
        if now >= self._seen_until:
            begin_s = time.thread_time()
            self._seen = self._usage(pid)
            spent_s = time.thread_time() - begin_s
            self._seen_until = now + (spent_s / MOST_OF_A_CORE if spent_s > CHEAP_S else 0.0)
        return self._seen

    def _usage(self, pid: int | None) -> Usage | None:
        """Return what the command used and holds; None when it has ended."""
        if self.cgroup is not None:
            busy_s, memory = self.cgroup.busy_s(), self.cgroup.memory()
            if busy_s is not None and memory is not None:
                return Usage(busy_s - self.before_s, memory)
        if pid is None:
            return Usage(0.0, 0)
        usage = tree(pid, without=os.getpid())
        if usage is None or not usage.memory:
            return None
        return Usage(usage.busy_s - self.before_s, usage.memory)


def open_host(
    powercap: Path = POWERCAP, cgroup: Cgroup | None = None, running: int | None = None
) -> Host:
    """Find out how processors and memory can be measured here.

    RAPL counts the whole machine, so it is taken where this process may use all of it. The
    model takes its numbers from the cgroup where that is the command's own, which also sees
    processes that cut themselves loose, else from the command's processes.

    ``running`` is a process that runs already, and is counted from now on. It seldom has the
    machine or a cgroup to itself, so it is modelled from its processes.
    """
    if running is not None:
        before = tree(running, without=os.getpid())
        now, before_s = time.monotonic(), before.busy_s if before is not None else 0.0
        return Host([], None, Processors(), Memory(now), (CPU, MEMORY), before_s)
    now, cgroup = time.monotonic(), cgroup or own_cgroup()
    own = cgroup if cgroup is not None and cgroup.belongs_to(os.getpid()) else None
    whole = has_whole_machine(cgroup.cpus_granted() if cgroup is not None else None)
    zones = open_zones(now, powercap) if whole else []
    counted = {zone.device.kind for zone in zones}
    models = tuple(device for device in (CPU, MEMORY) if device.kind not in counted)
    return Host(
        zones,
        own,
        Processors(),
        Memory(now),
        devices=(*(zone.device for zone in zones), *models),
        before_s=(own.busy_s() if own is not None else None) or 0.0,
    )
