"""Virtual machines of a template: what their cloud-init says is really run.

``runcmd`` runs once, at creation; ``bootcmd`` before it, and again when a machine that was
deallocated is started. A file that cloud-init writes is put below the machine's own folder, and
its path is replaced in the commands: the stand-in owns no root file system.

Routes: api-version 2024-07-01, after the public documentation (Get, Delete, Deallocate, Power Off,
Start, Simulate Eviction; Microsoft.Resources/tags, 2021-04-01), not checked against the
specification.
"""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import yaml
from servers.arm.processes import Running
from servers.arm.templates import reject
from servers.arm.wire import ArmError, Call, Room, new_id, no_resource, reply

from airflow_carbon.clock import now

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from servers.arm.run_commands import RunCommand
    from servers.arm.world import World

room = Room()
VERSIONS = ("2024-07-01", "2024-03-01")
KIND = "Microsoft.Compute/virtualMachines"
MACHINE = "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + KIND + "/{machine}"
OPERATION = (
    "/subscriptions/{subscription}/providers/Microsoft.Compute/locations/{location}"
    "/operations/{operation}"
)
TAGS = MACHINE + "/providers/Microsoft.Resources/tags/default"


@dataclass
class Machine:
    """A virtual machine; ``task`` ends with its cloud-init.

    ``kept`` is what it was asked to be: ``priority`` and ``evictionPolicy``.
    """

    id: str
    name: str
    size: str
    location: str
    boot: str
    once: str
    folder: Path
    running: Running
    kept: dict[str, Any] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    commands: dict[str, RunCommand] = field(default_factory=dict)
    power: str = "running"
    task: asyncio.Task[Any] | None = None

    def run(self, world: World, script: str) -> None:
        """Run a script on the machine."""
        self.power = "running"
        if script:
            self.task = world.run(self.running.run(script, self.folder, {}))

    async def stop(self, after: str = "deallocated") -> None:
        """End what runs and let the machine go; its disk stays."""
        self.power = {"deallocated": "deallocating", "stopped": "stopping"}[after]
        for one in (self, *self.commands.values()):
            if one.task:
                one.task.cancel()
            await one.running.end()
        self.power = after


def read_scripts(custom: str | None, folder: Path) -> tuple[str, str]:
    """Return what a machine's ``customData`` runs at each boot, and what it runs once."""
    if not custom:
        return "", ""
    try:
        text = base64.b64decode(custom, validate=True).decode()
    except ValueError:
        reject("The value of 'customData' is not valid base64")
    if not text.startswith("#cloud-config"):
        return "", text
    said = yaml.safe_load(text) or {}
    boot, once = (_lines(said.get(key) or []) for key in ("bootcmd", "runcmd"))
    for file in said.get("write_files") or []:
        place = folder / str(file["path"]).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.get("content", ""))
        place.chmod(int(str(file.get("permissions", "0644")), 8))
        boot, once = (part.replace(str(file["path"]), str(place)) for part in (boot, once))
    return boot, once


def _lines(commands: list[Any]) -> str:
    return "\n".join(
        command if isinstance(command, str) else shlex.join(str(part) for part in command)
        for command in commands
    )


def create(world: World, place: str, resource: dict[str, Any]) -> None:
    """Create the machine and run its script; a machine that is there stays as it is."""
    if place.lower() in world.machines:
        return
    name, properties = resource["name"], resource.get("properties") or {}
    folder = world.folder / "machines" / place.strip("/").replace("/", "-")
    boot, once = read_scripts((properties.get("osProfile") or {}).get("customData"), folder)
    running = Running(world, name, folder / "cloud-init-output.log")
    size = (properties.get("hardwareProfile") or {}).get("vmSize", "")
    where = resource["location"]
    kept = {key: properties[key] for key in ("priority", "evictionPolicy") if key in properties}
    tags = dict(resource.get("tags") or {})
    machine = Machine(place, name, size, where, boot, once, folder, running, kept, tags)
    world.machines[place.lower()] = machine
    world.blobs.link("machines", f"{name}/cloud-init-output.log", running.log)
    machine.run(world, "\n".join(part for part in (boot, once) if part))


@room.arm("GET", MACHINE, *VERSIONS)
async def get_machine(call: Call) -> Any:
    """VirtualMachines_Get, with ``$expand=instanceView`` its power state."""
    machine = found(call)
    properties: dict[str, Any] = {
        "provisioningState": "Succeeded",
        "hardwareProfile": {"vmSize": machine.size},
        **machine.kept,
    }
    if call.query.get("$expand") == "instanceView":
        states = {
            "ProvisioningState/succeeded": "Provisioning succeeded",
            f"PowerState/{machine.power}": f"VM {machine.power}",
        }
        properties["instanceView"] = {
            "statuses": [
                {"code": code, "level": "Info", "displayStatus": said}
                for code, said in states.items()
            ]
        }
    return {
        "id": machine.id,
        "name": machine.name,
        "type": KIND,
        "location": machine.location,
        "tags": machine.tags,
        "properties": properties,
    }


@room.arm("PATCH", TAGS, "2021-04-01")
async def tag_machine(call: Call) -> Any:
    """Tags_UpdateAtScope: Merge alone."""
    machine = found(call)
    if call.need("operation") != "Merge":
        raise ArmError(400, "InvalidRequestContent", "The stand-in knows Merge alone.")
    machine.tags |= call.need("properties", "tags")
    return {
        "id": f"{machine.id}/providers/Microsoft.Resources/tags/default",
        "name": "default",
        "type": "Microsoft.Resources/tags",
        "properties": {"tags": machine.tags},
    }


@room.arm("DELETE", MACHINE, *VERSIONS)
async def delete_machine(call: Call) -> Any:
    """VirtualMachines_Delete: 202, or 204 if there is none."""
    machine = call.world.machines.pop(_place(call), None)
    if machine is None:
        return reply(204)
    await machine.stop()
    return _accepted(call, machine)


@room.arm("POST", MACHINE + "/deallocate", *VERSIONS)
async def deallocate(call: Call) -> Any:
    """VirtualMachines_Deallocate: what runs is ended, the disk stays."""
    machine = found(call)
    if machine.power != "deallocated":
        machine.power = "deallocating"
        call.world.run(machine.stop())
    return _accepted(call, machine)


@room.arm("POST", MACHINE + "/powerOff", *VERSIONS)
async def power_off(call: Call) -> Any:
    """VirtualMachines_PowerOff: what runs is ended, the machine costs on."""
    machine = found(call)
    await machine.stop("stopped")
    return _accepted(call, machine)


@room.arm("POST", MACHINE + "/simulateEviction", *VERSIONS)
async def evict(call: Call) -> Any:
    """VirtualMachines_SimulateEviction: a Spot machine is deallocated, or deleted."""
    machine = found(call)
    await machine.stop()
    if machine.kept.get("evictionPolicy") == "Delete":
        del call.world.machines[_place(call)]
    return reply(204)


@room.arm("POST", MACHINE + "/start", *VERSIONS)
async def start(call: Call) -> Any:
    """VirtualMachines_Start: it boots again if the region has room."""
    machine = found(call)
    if refused := call.world.refusals.get(machine.location):
        raise ArmError(409, *refused)
    if machine.power != "running":
        machine.run(call.world, machine.boot)
    return _accepted(call, machine)


@room.arm("GET", OPERATION, *VERSIONS)
async def operation(call: Call) -> Any:
    """Where an action is watched; the stand-in's are done at once."""
    when = f"{now():%FT%TZ}"
    name = call.params["operation"]
    return {"startTime": when, "endTime": when, "status": "Succeeded", "name": name}


def _accepted(call: Call, machine: Machine) -> Any:
    where = f"/subscriptions/{call.subscription}/providers/Microsoft.Compute/locations"
    url = call.url(f"{where}/{machine.location}/operations/{new_id()}")
    wait = str(call.world.settings.retry_after_s)
    return reply(202, Azure_AsyncOperation=url, Location=url, Retry_After=wait)


def _place(call: Call) -> str:
    return f"{call.id(inside=KIND)}/{call.params['machine']}".lower()


def found(call: Call) -> Machine:
    machine = call.world.machines.get(_place(call))
    if machine is None:
        raise no_resource(KIND, call.params["machine"], call.params["group"])
    return machine
