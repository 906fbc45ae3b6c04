"""Container Apps jobs, api-version 2024-03-01: each execution really runs its first container.

What became of an execution's containers is told in 2024-08-02-preview. An environment that is not
there is refused as public reports have it (ManagedEnvironmentNotFound). The image is not looked at:
the container's command and arguments run on this machine.
"""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from servers.arm.processes import Running
from servers.arm.regions import plain
from servers.arm.wire import ArmError, Call, Room, new_id, no_resource, reply

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from datetime import datetime

    from servers.arm.world import World

room = Room()
VERSION, DETAILS = "2024-03-01", "2024-08-02-preview"
KIND = "Microsoft.App/jobs"
JOB = "/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.App/jobs/{app_job}"
EXECUTION = JOB + "/executions/{execution}"


@dataclass
class Execution:
    """One execution of a job."""

    name: str
    template: dict[str, Any]
    running: Running
    code: int | None = None
    status: str = "Running"
    started: datetime = field(default_factory=now)
    ended: datetime | None = None
    task: asyncio.Task[None] | None = None


@dataclass
class AppJob:
    """A Container Apps job."""

    id: str
    name: str
    body: dict[str, Any]
    state: str = "InProgress"
    executions: dict[str, Execution] = field(default_factory=dict)


@room.arm("PUT", JOB, VERSION)
async def put_job(call: Call) -> Any:
    """Jobs_CreateOrUpdate: 201 and InProgress, Succeeded soon after; nothing runs yet."""
    call.need("location", code="LocationRequired")
    call.need("properties", "environmentId", code="ContainerAppEnvironmentIdMissing")
    call.need("properties", "configuration", "replicaTimeout", code="InvalidRequestContent")
    call.need("properties", "configuration", "triggerType", code="InvalidRequestContent")
    call.need("properties", "template", "containers", code="InvalidRequestContent")
    environment = str(call.body["properties"]["environmentId"])
    if environment.lower() not in call.world.environments:
        raise ArmError(
            400, "ManagedEnvironmentNotFound", f"The environment '{environment}' does not exist."
        )
    there = call.world.app_jobs.get(_key(call))
    if there is not None:
        there.body = call.body
        return _shown(there)
    name = call.params["app_job"]
    job = AppJob(f"{call.id(inside=KIND)}/{name}", name, call.body)
    call.world.app_jobs[_key(call)] = job
    call.world.run(_settle(call.world, job))
    return reply(201, _shown(job))


@room.arm("GET", JOB, VERSION)
async def get_job(call: Call) -> Any:
    """Jobs_Get."""
    return _shown(_job(call))


@room.arm("DELETE", JOB, VERSION)
async def delete_job(call: Call) -> Any:
    """Jobs_Delete: 200, or 204 if there is none."""
    job = call.world.app_jobs.pop(_key(call), None)
    for execution in job.executions.values() if job else ():
        _stop(execution)
    return reply(200 if job else 204)


@room.arm("POST", JOB + "/start", VERSION)
async def start_job(call: Call) -> Any:
    """Jobs_Start: 202 and a Location that gives the execution. Every POST starts another."""
    job, world = _job(call), call.world
    region = plain(job.body["location"])
    if refused := world.refusals.get(region):
        raise ArmError(409, *refused)
    if job.state == "InProgress":
        raise ArmError(409, "OperationInProgress", f"The job '{job.name}' is being created.")
    template = (call.body.get("containers") and call.body) or job.body["properties"]["template"]
    name = f"{job.name}-{secrets.token_hex(4)[:7]}"
    folder = world.folder / "executions" / name
    running = Running(world, job.name, folder / "log.txt")
    execution = job.executions[name] = Execution(name, template, running)
    world.blobs.link("executions", f"{name}/log.txt", running.log)
    execution.task = world.run(_live(world, job, execution))
    told = {"name": name, "id": f"{job.id}/executions/{name}"}
    return _accepted(call, region, lambda: reply(200, told))


@room.arm("GET", JOB + "/executions", VERSION)
async def list_executions(call: Call) -> Any:
    """JobsExecutions_List."""
    job = _job(call)
    return {"value": [_execution(job, e) for e in job.executions.values()]}


@room.arm("GET", EXECUTION, VERSION, DETAILS)
async def get_execution(call: Call) -> Any:
    """JobExecution, with the status of its containers where the version has it."""
    job = _job(call)
    execution = _found(call, job)
    shown = _execution(job, execution)
    if call.version == DETAILS and execution.ended:
        container = execution.template["containers"][0]["name"]
        told = {"name": container, "code": execution.code, "status": "Terminated"}
        replicas = [{"name": f"{execution.name}-{job.id[-5:]}", "containers": [told]}]
        shown["properties"]["detailedStatus"] = {"replicas": replicas}
    return shown


@room.arm("POST", JOB + "/stop", VERSION)
async def stop_executions(call: Call) -> Any:
    """Jobs_StopMultipleExecutions: 202; all that run are ended."""
    job = _job(call)
    running = [one for one in job.executions.values() if not one.ended]
    for execution in running:
        _stop(execution)
    shown = {"value": [_execution(job, one) for one in running]}
    ended = lambda: reply(200, shown) if all(e.ended for e in running) else reply(202)  # noqa: E731
    return _accepted(call, plain(job.body["location"]), ended)


@room.arm("POST", EXECUTION + "/stop", VERSION)
async def stop_execution(call: Call) -> Any:
    """Jobs_StopExecution: 202; the process group is ended."""
    job = _job(call)
    execution = _found(call, job)
    _stop(execution)
    done = lambda: reply(200 if execution.ended else 202)  # noqa: E731
    return _accepted(call, plain(job.body["location"]), done)


@room.arm(
    "GET",
    "/subscriptions/{subscription}/providers/Microsoft.App/locations/{location}"
    "/containerappsjobOperationResults/{operation}",
    VERSION,
)
async def operation_result(call: Call) -> Any:
    """Where a start or a stop is watched."""
    found = call.world.operations.get(call.params["operation"])
    if found is None:
        raise ArmError(404, "NotFound", "No such operation.")
    return found()


async def _settle(world: World, job: AppJob) -> None:
    await asyncio.sleep(world.settings.step_s)
    job.state = "Succeeded"


async def _live(world: World, job: AppJob, execution: Execution) -> None:
    """Run the container until it succeeds, its retries are used up, or its time is over."""
    configuration = job.body["properties"]["configuration"]
    container = execution.template["containers"][0]
    secret = {s["name"]: s.get("value", "") for s in configuration.get("secrets") or []}
    env = {
        v["name"]: v["value"] if "value" in v else secret.get(v.get("secretRef"), "")
        for v in container.get("env") or []
    }
    argv = [*(container.get("command") or []), *(container.get("args") or [])]
    try:
        for attempt in range(1 + (configuration.get("replicaRetryLimit") or 0)):
            code: int | None = None
            work = execution.running.log.parent / f"try-{attempt + 1}"
            with suppress(TimeoutError):
                async with asyncio.timeout(configuration["replicaTimeout"]):
                    code = await execution.running.run(argv or ["false"], work, env)
            execution.code = code
            if code == 0:
                break
        execution.status = "Succeeded" if code == 0 else "Failed"
    except asyncio.CancelledError:
        await execution.running.end()
        execution.status = "Stopped"
    execution.ended = now()


def _stop(execution: Execution) -> None:
    if execution.task and not execution.task.done() and not execution.task.cancelling():
        execution.task.cancel()


def _accepted(call: Call, region: str, result: Any) -> Any:
    name = new_id()
    call.world.operations[name] = result
    where = f"/subscriptions/{call.subscription}/providers/Microsoft.App/locations/{region}"
    url = call.url(f"{where}/containerappsjobOperationResults/{name}")
    return reply(202, Location=url, Retry_After=str(call.world.settings.retry_after_s))


def _shown(job: AppJob) -> dict[str, Any]:
    return job.body | {
        "id": job.id,
        "name": job.name,
        "type": KIND,
        "properties": job.body["properties"] | {"provisioningState": job.state},
    }


def _execution(job: AppJob, execution: Execution) -> dict[str, Any]:
    properties: dict[str, Any] = {
        "status": execution.status,
        "startTime": execution.started.isoformat(timespec="seconds"),
        "template": execution.template,
    }
    if execution.ended:
        properties["endTime"] = execution.ended.isoformat(timespec="seconds")
    return {
        "id": f"{job.id}/executions/{execution.name}",
        "name": execution.name,
        "type": f"{KIND}/executions",
        "properties": properties,
    }


def _key(call: Call) -> tuple[str, ...]:
    return tuple(call.params[name].lower() for name in ("subscription", "group", "app_job"))


def _job(call: Call) -> AppJob:
    job = call.world.app_jobs.get(_key(call))
    if job is None:
        raise no_resource(KIND, call.params["app_job"], call.params["group"])
    return job


def _found(call: Call, job: AppJob) -> Execution:
    execution = job.executions.get(call.params["execution"])
    if execution is None:
        name = f"{call.params['app_job']}/{call.params['execution']}"
        raise no_resource(KIND + "/executions", name, call.params["group"])
    return execution
