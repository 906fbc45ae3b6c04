"""Azure Machine Learning: workspaces and command jobs, api-version 2024-04-01; jobs really run.

A job passes NotStarted, Queued, Preparing, Running and Finalizing to Completed or Failed; a
cancelled one CancelRequested to Canceled. A size and an environment that are not there are refused,
in words of our own (no specification has them); a cluster that is not there fails the job, as
public reports have it. Its log and its error are where Azure's own client
finds them: in the run history, whose address the workspace's discovery URL gives.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from servers.arm.lives import DONE, KIND, Job, limit_s, live
from servers.arm.processes import Running
from servers.arm.regions import SIZES
from servers.arm.wire import ArmError, Call, Room, error, new_id, no_resource, reply

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from fastapi import Request
    from servers.arm.world import World

room = Room()
VERSION = "2024-04-01"
WORKSPACE = (
    "/subscriptions/{subscription}/resourceGroups/{group}/providers/" + KIND + "/{workspace}"
)
JOB = WORKSPACE + "/jobs/{job}"
MUTABLE = {"description", "tags", "displayName", "properties", "isArchived"}


@room.arm("GET", WORKSPACE, VERSION)
async def get_workspace(call: Call) -> Any:
    """Workspaces_Get."""
    found = _workspace(call)
    return {
        "id": f"{call.id(inside=KIND)}/{found['name']}",
        "name": found["name"],
        "type": KIND,
        "location": found["location"],
        "properties": {
            "provisioningState": "Succeeded",
            "discoveryUrl": f"{call.base}/discovery",
            "workspaceId": new_id(),
        },
    }


@room.arm("PUT", JOB, VERSION)
async def put_job(call: Call) -> Any:
    """Jobs_CreateOrUpdate: 201 and under way, or 200 and nothing new if it is there already."""
    workspace, key = _workspace(call), _key(call)
    asked = _checked(call)
    there = call.world.jobs.get(key)
    if there is not None:
        _same(there, asked)
        there.properties |= {k: v for k, v in asked.items() if k in MUTABLE}
        return there.shown(call.base)
    name = call.params["job"]
    folder = call.world.folder / "jobs" / "-".join(key)
    running = Running(call.world, name, folder / "std_log.txt")
    job = Job(
        id=f"{call.id(inside=KIND)}/{workspace['name']}/jobs/{name}",
        name=name,
        region=workspace["location"],
        properties={"experimentName": "Default", "isArchived": False} | asked,
        running=running,
        folder=folder,
        created=now(),
    )
    call.world.jobs[key] = job
    call.world.blobs.link(
        "azureml", f"ExperimentRun/dcid.{name}/user_logs/std_log.txt", running.log
    )
    job.task = call.world.run(live(call.world, job, call.params))
    return reply(201, job.shown(call.base))


@room.arm("GET", JOB, VERSION)
async def get_job(call: Call) -> Any:
    """Jobs_Get."""
    return _job(call).shown(call.base)


@room.arm("GET", WORKSPACE + "/jobs", VERSION)
async def list_jobs(call: Call) -> Any:
    """Jobs_List, newest first, with ``$skip`` paging and the ``tag`` filter."""
    _workspace(call)
    tag, where = call.query.get("tag"), _key(call)
    jobs = [
        job
        for key, job in reversed(call.world.jobs.items())
        if key[:3] == where[:3] and (tag is None or _tagged(job, tag))
    ]
    first, page = int(call.query.get("$skip", 0)), call.world.settings.job_page
    body: dict[str, Any] = {"value": [j.shown(call.base) for j in jobs[first : first + page]]}
    if first + page < len(jobs):
        more = call.request.url.include_query_params(**{"$skip": first + page})
        body["nextLink"] = str(more)
    return body


@room.arm("POST", JOB + "/cancel", VERSION)
async def cancel_job(call: Call) -> Any:
    """Jobs_Cancel: 202 and a Location to watch, or 200 if it has ended already."""
    job = _job(call)
    if job.status in DONE:
        return reply(200)
    if job.status != "CancelRequested" and job.task:
        job.enter("CancelRequested")
        job.task.cancel()
    name = f"jc:{new_id()}:{job.name}"
    call.world.operations[name] = lambda: reply(200 if job.status in DONE else 202)
    where = f"/subscriptions/{call.subscription}/providers/Microsoft.MachineLearningServices"
    url = call.url(f"{where}/locations/{job.region}/mfeOperationResults/{name}")
    return reply(202, Location=url, Retry_After=str(call.world.settings.retry_after_s))


@room.arm(
    "GET",
    "/subscriptions/{subscription}/providers/Microsoft.MachineLearningServices"
    "/locations/{location}/mfeOperationResults/{operation}",
    VERSION,
)
async def operation_result(call: Call) -> Any:
    """Where a cancellation is watched: 202 until it is through."""
    found = call.world.operations.get(call.params["operation"])
    if found is None:
        raise ArmError(404, "NotFound", "No such operation.")
    return found()


@room.plain("GET", "/discovery")
async def discovery(request: Request, world: World) -> Any:
    """The workspace's discovery document: where the run history is."""
    base = str(request.base_url).rstrip("/")
    return {"api": base, "history": base}


@room.plain("GET", "/history/v1.0" + WORKSPACE + "/runs/{job}/details")
async def run_details(request: Request, world: World) -> Any:
    """Return the run history's details: state, error, and the log at a SAS URL."""
    world.tokens.check(request)
    params = request.path_params
    key = tuple(params[k].lower() for k in ("subscription", "group", "workspace", "job"))
    job = world.jobs.get(key)
    if job is None:
        raise ArmError(404, "UserError", f"Run {params['job']} was not found.")
    log = f"ExperimentRun/dcid.{job.name}/user_logs/std_log.txt"
    sas = world.blobs.sas(str(request.base_url), "azureml", log, "r", timedelta(hours=1))
    wrapped = job.error and {"error": job.error, "location": job.region, "time": f"{now():%FT%TZ}"}
    return {
        "runId": job.name,
        "status": job.status,
        "createdTimeUtc": job.created.isoformat(),
        "startTimeUtc": job.started and job.started.isoformat(),
        "endTimeUtc": job.ended and job.ended.isoformat(),
        "error": wrapped,
        "logFiles": {"user_logs/std_log.txt": sas},
    }


def _checked(call: Call) -> dict[str, Any]:
    asked: dict[str, Any] = call.need("properties", code="UserError")
    kind = call.need("properties", "jobType", code="UserError")
    if kind != "Command":
        raise ArmError(400, "UserError", f"The stand-in runs Command jobs only, not '{kind}'.")
    for key in ("command", "environmentId"):
        text = call.need("properties", key, code="UserError")
        if not re.search(r"[a-zA-Z0-9_]", text):
            raise ArmError(400, "UserError", f"The field {key} is not valid.")
    _check_names(asked)
    limit_s(asked)
    return asked


def _check_names(asked: dict[str, Any]) -> None:
    """Refuse an environment that is none, and a size that Azure does not have."""
    environment = asked["environmentId"]
    if not re.fullmatch(r"azureml:(//registries/)?[\w/.-]+:\w+|/.+/environments/.+", environment):
        message = f"The environment '{environment}' does not exist."
        raise ArmError(400, "UserError", message, details=[error("NotFound", message)])
    size = (asked.get("resources") or {}).get("instanceType")
    if size and size.lower() not in {name.lower() for name in SIZES}:
        message = f"The specified value {size} for instanceType is not a supported VM size."
        raise ArmError(400, "UserError", message, details=[error("InvalidPropertyValue", message)])


def _same(job: Job, asked: dict[str, Any]) -> None:
    """Refuse to change what a job is; Azure names what differs."""
    kept = {"experimentName": "Default", "isArchived": False} | asked
    fixed = (kept.keys() | job.properties.keys()) - MUTABLE
    changed = sorted(key for key in fixed if kept.get(key) != job.properties.get(key))
    if not changed:
        return
    names = ", ".join(key[0].upper() + key[1:] for key in changed)
    inner = {"code": "Immutable", "innerError": {"code": "JobPropertyImmutable"}}
    raise ArmError(
        400,
        "UserError",
        "A job with this name already exists. If you are trying to create a new job, use a "
        f"different name. If you are trying to update an existing job, the existing job's {names} "
        "cannot be changed. Only description, tags, displayName, properties, and isArchived can "
        "be updated.",
        more={"additionalInfo": [{"type": "InnerError", "info": {"value": inner}}]},
    )


def _tagged(job: Job, tag: str) -> bool:
    key, _, value = tag.partition("=")
    tags = job.properties.get("tags") or {}
    return key in tags and (not value or tags[key] == value)


def _key(call: Call) -> tuple[str, ...]:
    names = ("subscription", "group", "workspace", "job")
    return tuple(call.params[n].lower() for n in names if n in call.params)


def _workspace(call: Call) -> dict[str, Any]:
    found = call.world.workspaces.get(_key(call)[:3])  # type: ignore[arg-type]
    if found is None:
        raise no_resource(KIND, call.params["workspace"], call.params["group"])
    return found


def _job(call: Call) -> Job:
    _workspace(call)
    job = call.world.jobs.get(_key(call))
    if job is None:
        message = f"Job {call.params['job']} was not found."
        raise ArmError(404, "UserError", message, details=[error("NotFound", message)])
    return job
