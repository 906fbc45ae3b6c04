"""Real processes: a shell command in a folder of its own, ended with all its children."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from servers.arm.world import World

TAIL_LINES = 20


class Running:
    """A place where one process can run, be watched, and be ended."""

    def __init__(self, world: World, name: str, log: Path) -> None:
        self.world, self.name, self.log = world, name, log
        self.process: asyncio.subprocess.Process | None = None
        self.ending: asyncio.Task[None] | None = None
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()

    @property
    def pid(self) -> int | None:
        """Return the process's id while it runs."""
        running = self.process is not None and self.process.returncode is None
        return self.process.pid if running else None

    async def run(self, command: str | Sequence[str], work: Path, env: Mapping[str, str]) -> int:
        """Return the command's exit status; a cancelled task leaves no process behind."""
        argv = ["/bin/sh", "-c", command] if isinstance(command, str) else list(command)
        self.world.starts[self.name] += 1
        self.ending = None
        env = _base(work) | self.world.settings.job_env | dict(env)
        with self.log.open("ab") as log:
            try:
                self.process = await asyncio.create_subprocess_exec(
                    *argv,
                    cwd=work,
                    env=env,
                    stdin=asyncio.subprocess.DEVNULL,
                    stdout=log,
                    stderr=asyncio.subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as exc:
                log.write(f"{exc}\n".encode())
                return 127
        try:
            return await self.process.wait()
        finally:
            await self.end()

    async def end(self, grace_s: float | None = None) -> None:
        """End the process and its children: SIGTERM, some grace, SIGKILL.

        Who asks again, or is cancelled while it waits, does not shorten the grace of the first.
        """
        if self.process is None:
            return
        grace = self.world.settings.grace_s if grace_s is None else grace_s
        if grace <= 0:
            _signal(self.process.pid, signal.SIGKILL)
        if self.ending is None:
            self.ending = asyncio.ensure_future(self._end(self.process, grace))
        await asyncio.shield(self.ending)

    @staticmethod
    async def _end(process: asyncio.subprocess.Process, grace: float) -> None:
        try:
            if process.returncode is None and grace > 0:
                _signal(process.pid, signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(process.wait(), grace)
        finally:
            _signal(process.pid, signal.SIGKILL)
        await process.wait()

    def tail(self) -> str:
        """Return the last lines that the process wrote."""
        lines = self.log.read_text(errors="replace").splitlines()
        return "\n".join(lines[-TAIL_LINES:])


def _signal(group: int, which: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(group, which)


def _base(work: Path) -> dict[str, str]:
    work.mkdir(parents=True, exist_ok=True)
    path = f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin"
    return {"PATH": path, "HOME": str(work), "LANG": "C.UTF-8"}
