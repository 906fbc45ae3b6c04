"""Virtual machines of a template: what their cloud-init says is really run, once, at creation.

A file that cloud-init writes is put below the machine's own folder, and its path is replaced in
the commands: the stand-in owns no root file system.
"""

from __future__ import annotations

import base64
import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml
from servers.arm.processes import Running
from servers.arm.templates import reject

if TYPE_CHECKING:
    import asyncio
    from pathlib import Path

    from servers.arm.world import World

KIND = "Microsoft.Compute/virtualMachines"


@dataclass
class Machine:
    """A virtual machine; ``task`` ends with its cloud-init."""

    id: str
    name: str
    size: str
    location: str
    script: str
    running: Running
    task: asyncio.Task[Any] | None = None


def read_script(custom: str | None, folder: Path) -> str:
    """Return the shell script of a machine's ``customData``; empty if there is none."""
    if not custom:
        return ""
    try:
        text = base64.b64decode(custom, validate=True).decode()
    except ValueError:
        reject("The value of 'customData' is not valid base64")
    if not text.startswith("#cloud-config"):
        return text
    said = yaml.safe_load(text) or {}
    commands = "\n".join(
        command if isinstance(command, str) else shlex.join(str(part) for part in command)
        for command in said.get("runcmd") or []
    )
    for file in said.get("write_files") or []:
        place = folder / str(file["path"]).lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(file.get("content", ""))
        place.chmod(int(str(file.get("permissions", "0644")), 8))
        commands = commands.replace(str(file["path"]), str(place))
    return commands


def create(world: World, place: str, resource: dict[str, Any]) -> None:
    """Create the machine and run its script; a machine that is there stays as it is."""
    if place.lower() in world.machines:
        return
    name, properties = resource["name"], resource.get("properties") or {}
    folder = world.folder / "machines" / place.strip("/").replace("/", "-")
    script = read_script((properties.get("osProfile") or {}).get("customData"), folder)
    running = Running(world, name, folder / "cloud-init-output.log")
    size = (properties.get("hardwareProfile") or {}).get("vmSize", "")
    machine = Machine(place, name, size, resource["location"], script, running)
    world.machines[place.lower()] = machine
    world.blobs.link("machines", f"{name}/cloud-init-output.log", running.log)
    if script:
        machine.task = world.run(running.run(script, folder, {}))
