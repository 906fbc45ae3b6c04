"""The control group (version 2) that the command runs in: what it may use, and what it used."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.meters.processes import ancestors

if TYPE_CHECKING:
    from collections.abc import Iterator

CGROUPS = Path("/sys/fs/cgroup")
OWN = Path("/proc/self/cgroup")


@dataclass(frozen=True)
class Cgroup:
    """A control group; reference: Linux kernel, "Control Group v2" (admin-guide)."""

    folder: Path
    root: Path = CGROUPS

    def busy_s(self) -> float | None:
        """Processor time that its processes used, also those that have ended [s]."""
        used = self._values("cpu.stat").get("usage_usec")
        return None if used is None else used / 1e6

    def memory(self) -> int | None:
        """Memory in use [bytes], without file pages that nobody looked at lately."""
        current = _text(self.folder / "memory.current")
        if not current.isdecimal():
            return None
        return max(0, int(current) - self._values("memory.stat").get("inactive_file", 0))

    def cpus_granted(self) -> float | None:
        """The processors that it is limited to, here or further up; None for no limit."""
        granted = [cpus for folder in self._upwards() for cpus in _quota(folder)]
        return min(granted, default=None)

    def belongs_to(self, pid: int) -> bool:
        """Say whether it holds this process and those that it descends from, and nobody else.

        So it is in a container that was made for the command. Where other tasks share it, what
        it used is not the command's.
        """
        if not (self.folder / "memory.current").exists():
            return False  # the machine's own
        members = {int(p) for file in self._members() for p in _text(file).split() if p.isdecimal()}
        return pid in members and members <= {pid, *ancestors(pid)}

    def _members(self) -> Iterator[Path]:
        with suppress(OSError):
            yield from self.folder.rglob("cgroup.procs")

    def _upwards(self) -> Iterator[Path]:
        folder = self.folder
        while folder not in (self.root, folder.parent):
            yield folder
            folder = folder.parent
        yield self.root

    def _values(self, file: str) -> dict[str, int]:
        pairs = (line.split() for line in _text(self.folder / file).splitlines())
        return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdecimal()}  # noqa: PLR2004


def own_cgroup(own: Path = OWN, root: Path = CGROUPS) -> Cgroup | None:
    """Return this process's group; None where there is no cgroup of version 2."""
    for line in _text(own).splitlines():
        if line.startswith("0::/") and (root / "cgroup.controllers").exists():
            folder = root / line[len("0::/") :]
            return Cgroup(folder if folder.is_dir() else root, root)
    return None


def _quota(folder: Path) -> Iterator[float]:
    limit, _, period = _text(folder / "cpu.max").partition(" ")
    if limit.isdecimal() and period.isdecimal() and int(period):
        yield int(limit) / int(period)


def _text(file: Path) -> str:
    with suppress(OSError, UnicodeDecodeError):
        return file.read_text(encoding="ascii").strip()
    return ""
