"""Managed run commands of a template's machines, which are really run, too.

One begins when cloud-init has ended; its protected parameters are in its environment. What its
machine's end interrupts stays "Running" for ever.

api-version 2024-07-01, after the public documentation (Virtual Machine Run Commands: Get) and what
the agent's own handler does, not checked against the specification.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servers.arm.machines import KIND as MACHINES
from servers.arm.machines import MACHINE, VERSIONS, found
from servers.arm.processes import Running
from servers.arm.wire import Call, Room, no_resource

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from servers.arm.world import World

room = Room()
KIND = f"{MACHINES}/runCommands"


@dataclass
class RunCommand:
    """A managed run command of a machine."""

    name: str
    properties: dict[str, Any]
    running: Running
    state: str = "Pending"
    code: int = 0
    begun: datetime | None = None
    ended: datetime | None = None
    task: asyncio.Task[Any] | None = None

    async def live(self, folder: Path, before: asyncio.Task[Any] | None) -> None:
        """Run when cloud-init has ended; nothing is noted of one that is interrupted."""
        if before:
            with suppress(asyncio.CancelledError):
                await asyncio.shield(before)
        given = [self.properties.get(key) or [] for key in ("parameters", "protectedParameters")]
        env = {one["name"]: str(one["value"]) for part in given for one in part}
        self.state, self.begun = "Running", now()
        self.code = await self.running.run(self.properties["source"]["script"], folder, env)
        self.state, self.ended = ("Failed" if self.code else "Succeeded"), now()

    def view(self) -> dict[str, Any]:
        """Return its instance view (VirtualMachineRunCommandInstanceView)."""
        return {
            "executionState": self.state,
            "executionMessage": "Execution completed" if self.ended else "Execution in progress",
            "exitCode": self.code,
            "output": "",
            "error": self.running.tail() if self.ended else "",
            "startTime": self.begun.isoformat() if self.begun else None,
            "endTime": self.ended.isoformat() if self.ended else None,
            "statuses": [],
        }


def create(world: World, place: str, resource: dict[str, Any]) -> None:
    """Give a machine of the template a run command, which runs once."""
    above, _, name = place.rpartition("/runCommands/")
    machine = world.machines[above.lower()]
    if name.lower() in machine.commands:
        return
    log = machine.folder / f"run-command-{name}.log"
    made = RunCommand(name, resource["properties"], Running(world, machine.name, log))
    machine.commands[name.lower()] = made
    made.task = world.run(made.live(machine.folder, machine.task))


@room.arm("GET", MACHINE + "/runCommands/{command}", *VERSIONS)
async def get_run_command(call: Call) -> Any:
    """VirtualMachineRunCommands_GetByVirtualMachine; protected parameters are not shown."""
    machine, name = found(call), call.params["command"]
    command = machine.commands.get(name.lower())
    if command is None:
        raise no_resource(KIND, f"{machine.name}/{name}", call.params["group"])
    properties = {k: v for k, v in command.properties.items() if k != "protectedParameters"}
    properties["provisioningState"] = "Succeeded"
    if call.query.get("$expand") == "instanceView":
        properties["instanceView"] = command.view()
    return {
        "id": f"{machine.id}/runCommands/{command.name}",
        "name": command.name,
        "type": KIND,
        "location": machine.location,
        "properties": properties,
    }
