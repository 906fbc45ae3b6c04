"""The life of an Azure Machine Learning job: its states, its process, and how it may end."""

from __future__ import annotations

import asyncio
import re
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from servers.arm.wire import ArmError

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from servers.arm.processes import Running
    from servers.arm.world import World

KIND = "Microsoft.MachineLearningServices/workspaces"
DONE = {"Completed", "Failed", "Canceled"}


@dataclass
class Job:
    """A command job."""

    id: str
    name: str
    region: str
    properties: dict[str, Any]
    running: Running
    folder: Path
    created: datetime
    status: str = "NotStarted"
    error: dict[str, Any] | None = None
    lost: str | None = None
    tries: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    seen: list[str] = field(default_factory=lambda: ["NotStarted"])
    task: asyncio.Task[None] | None = None

    def enter(self, status: str) -> None:
        """Pass to another state."""
        self.status = status
        self.seen.append(status)
        if status == "Running" and self.started is None:
            self.started = now()
        if status in DONE:
            self.ended = now()

    def fail(self, code: str, message: str) -> None:
        """End in failure."""
        self.error = {"code": code, "message": message}
        self.enter("Failed")

    def shown(self, base: str) -> dict[str, Any]:
        """Return the job as ARM shows it."""
        services = {
            "Tracking": _service("Tracking", base.replace("https:", "azureml:")),
            "Studio": _service("Studio", f"https://ml.azure.com/runs/{self.name}"),
        }
        return {
            "id": self.id,
            "name": self.name,
            "type": f"{KIND}/jobs",
            "properties": self.properties | {"status": self.status, "services": services},
            "systemData": {
                "createdAt": self.created.isoformat(),
                "createdBy": "stand-in",
                "createdByType": "Application",
            },
        }


def _service(kind: str, endpoint: str) -> dict[str, Any]:
    empty = dict.fromkeys(("port", "status", "errorMessage", "properties", "nodes"))
    return {"jobServiceType": kind, "endpoint": endpoint} | empty


async def live(world: World, job: Job, where: dict[str, str]) -> None:
    """Lead the job through its states."""
    try:
        while not await _attempt(world, job, where):
            pass
    except asyncio.CancelledError:
        await job.running.end()
        job.enter("Canceled")


async def _attempt(world: World, job: Job, where: dict[str, str]) -> bool:
    """Run the job once; False if a spot machine was taken away and the job is queued anew."""
    job.enter("Queued")
    await asyncio.sleep(world.settings.step_s)
    if refused := world.refusals.get(job.region):
        job.fail(*refused)
        return True
    cluster = str(job.properties.get("computeId") or "").lower().rpartition("/computes/")
    if cluster[2] and (cluster[0].rpartition("/")[2], cluster[2]) not in world.computes:
        job.fail("UserError", f"AzureMLCompute cluster {cluster[2]} does not exist")
        return True
    job.enter("Preparing")
    await asyncio.sleep(world.settings.step_s)
    job.enter("Running")
    job.tries += 1
    work = job.folder / f"try-{job.tries}"
    code: int | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(limit_s(job.properties)):
            code = await job.running.run(_command(job), work, _environment(job, where))
    lost, job.lost = job.lost, None
    if lost == "requeue":
        return False
    if lost == "fail":
        job.fail("ServiceError", "The node was preempted while the job ran.")
        return True
    if code is None:  # the limit, at which the service cancels the job
        job.enter("Canceled")
        return True
    job.enter("Finalizing")
    await asyncio.sleep(world.settings.step_s)
    if code == 0:
        job.enter("Completed")
    else:
        job.fail(
            "UserError",
            f"Execution failed. User process 'sh' exited with status code {code}. Please check "
            "log file 'user_logs/std_log.txt' for error details. "
            f"Error: {job.running.tail()}",
        )
    return True


async def lose(job: Job, how: str, grace_s: float | None) -> None:
    """Take the job's machine away: ``requeue`` or ``fail``; grace 0 kills at once."""
    job.lost = how
    await job.running.end(grace_s)


def _command(job: Job) -> str:
    """Return the command, its inputs and outputs filled in; outputs outlive a lost machine."""
    command: str = job.properties["command"]
    for name, given in (job.properties.get("inputs") or {}).items():
        value = str(given.get("value") if "value" in given else given.get("uri", ""))
        command = command.replace("${{inputs." + name + "}}", value)
    for name in job.properties.get("outputs") or {}:
        folder = job.folder / "outputs" / name
        folder.mkdir(parents=True, exist_ok=True)
        command = command.replace("${{outputs." + name + "}}", str(folder))
    return command


def _environment(job: Job, where: dict[str, str]) -> dict[str, str]:
    asked = job.properties.get("environmentVariables") or {}
    return {
        "AZUREML_RUN_ID": job.name,
        "AZUREML_ARM_SUBSCRIPTION": where["subscription"],
        "AZUREML_ARM_RESOURCEGROUP": where["group"],
        "AZUREML_ARM_WORKSPACE_NAME": where["workspace"],
    } | {key: value or "" for key, value in asked.items()}


def limit_s(properties: dict[str, Any]) -> float | None:
    """Return the job's time limit [s], which Azure is given as an ISO 8601 duration."""
    asked = (properties.get("limits") or {}).get("timeout")
    if not asked:
        return None
    found = re.fullmatch(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?", asked)
    if not found:
        raise ArmError(400, "UserError", f"limits.timeout: '{asked}' is no duration.")
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return days * 86400 + hours * 3600 + minutes * 60 + seconds
