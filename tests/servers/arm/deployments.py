"""Microsoft.Resources/deployments, api-version 2024-07-01 (the SDK's 2025-04-01 too).

PUT answers 201 with Azure-AsyncOperation and Retry-After; the deployment passes Accepted and
Running to Succeeded, Failed or Canceled. SkuNotAvailable and QuotaExceeded are seen by validate;
AllocationFailed is not.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from servers.arm import machines, run_commands
from servers.arm.regions import REGIONS, SIZES, plain
from servers.arm.templates import Scope, check, reject
from servers.arm.wire import ArmError, Call, Room, error, new_id, reply

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from datetime import datetime

    from servers.arm.world import World

room = Room()
VERSIONS = ("2024-07-01", "2025-04-01", "2021-04-01")
KIND = "Microsoft.Resources/deployments"
DEPLOYMENT = (
    "/subscriptions/{subscription}/resourcegroups/{group}/providers/Microsoft.Resources"
    "/deployments/{deployment}"
)
DONE = {"Succeeded", "Failed", "Canceled"}
SEEN_BEFORE = {"SkuNotAvailable", "QuotaExceeded"}


@dataclass
class Deployment:
    """A deployment."""

    id: str
    name: str
    mode: str
    scope: Scope
    template: dict[str, Any]
    resources: list[tuple[str, dict[str, Any]]]
    """Ids and evaluated bodies."""
    promised: dict[str, Any]
    """The outputs that it will have."""
    operation: str = field(default_factory=new_id)
    correlation: str = field(default_factory=new_id)
    state: str = "Accepted"
    begun: datetime = field(default_factory=now)
    changed: datetime = field(default_factory=now)
    error: dict[str, Any] | None = None
    outputs: dict[str, Any] | None = None
    task: asyncio.Task[None] | None = None

    def enter(self, state: str) -> None:
        """Pass to another state."""
        self.state, self.changed = state, now()

    def shown(self) -> dict[str, Any]:
        """Return the deployment as ARM shows it (DeploymentExtended)."""
        digest = hashlib.sha256(json.dumps(self.template, sort_keys=True).encode()).hexdigest()
        properties: dict[str, Any] = {
            "provisioningState": self.state,
            "correlationId": self.correlation,
            "timestamp": self.changed.isoformat(),
            "duration": f"PT{(self.changed - self.begun).total_seconds():.7f}S",
            "mode": self.mode,
            "templateHash": str(int(digest[:15], 16)),
            "parameters": {
                name: {"type": kind["type"], "value": self.scope.parameters[name]}
                for name, kind in (self.template.get("parameters") or {}).items()
                if not kind["type"].lower().startswith("secure")
            },
            "dependencies": [],
        }
        if self.outputs is not None:
            properties["outputs"] = self.outputs
            properties["outputResources"] = [{"id": place} for place, _ in self.resources]
        if self.error:
            properties["error"] = self.error
        return {"id": self.id, "name": self.name, "type": KIND, "properties": properties}


@room.arm("PUT", DEPLOYMENT, *VERSIONS)
async def put_deployment(call: Call) -> Any:
    """Deployments_CreateOrUpdate: 201 for a new one, 200 for one that is deployed again."""
    there = call.world.deployments.get(_key(call))
    if there is not None and there.state not in DONE:
        raise ArmError(
            409,
            "DeploymentActive",
            f"Unable to edit or replace deployment '{there.name}': previous deployment from "
            f"'{there.begun:%FT%TZ}' is still active. Please see https://aka.ms/arm-deploy for "
            "usage details.",
        )
    deployment = _read(call)
    call.world.deployments[_key(call)] = deployment
    deployment.task = call.world.run(_live(call.world, deployment))
    where = f"{deployment.id}/operationStatuses/{deployment.operation}"
    return reply(
        200 if there else 201,
        deployment.shown(),
        Azure_AsyncOperation=call.url(where),
        Retry_After=str(call.world.settings.retry_after_s),
    )


@room.arm("GET", DEPLOYMENT, *VERSIONS)
async def get_deployment(call: Call) -> Any:
    """Deployments_Get."""
    return _found(call).shown()


@room.arm("GET", DEPLOYMENT + "/operationStatuses/{operation}", *VERSIONS)
async def operation_status(call: Call) -> Any:
    """Where the PUT is watched."""
    found = _found(call)
    body = {"status": found.state} | ({"error": found.error} if found.error else {})
    wait = {} if found.state in DONE else {"Retry_After": str(call.world.settings.retry_after_s)}
    return reply(200, body, **wait)


@room.arm("POST", DEPLOYMENT + "/cancel", *VERSIONS)
async def cancel_deployment(call: Call) -> Any:
    """Deployments_Cancel: 204 while it is under way."""
    found = _found(call)
    if found.state in DONE:
        raise ArmError(
            409,
            "DeploymentCannotBeCancelled",
            f"The deployment '{found.name}' cannot be cancelled because its provisioning state "
            f"is '{found.state}'.",
        )
    found.enter("Canceled")
    if found.task:
        found.task.cancel()
    return reply(204)


@room.arm("POST", DEPLOYMENT + "/validate", *VERSIONS)
async def validate(call: Call) -> Any:
    """Deployments_Validate: 200, or 400 with the cause in the details."""
    deployment = _read(call)
    refused = _refusal(call.world, deployment)
    if refused and refused["code"] in SEEN_BEFORE:
        raise ArmError(
            400,
            "InvalidTemplateDeployment",
            f"The template deployment '{deployment.name}' is not valid according to the "
            f"validation procedure. The tracking id is '{new_id()}'. See inner errors for details.",
            details=[refused],
        )
    body = deployment.shown()
    body["properties"] |= {
        "provisioningState": "Succeeded",
        "validatedResources": [{"id": place} for place, _ in deployment.resources],
    }
    return body


def _read(call: Call) -> Deployment:
    """Return the deployment that was asked for, its expressions worked out."""
    mode = call.need("properties", "mode")
    if mode not in {"Incremental", "Complete"}:
        raise ArmError(400, "InvalidRequestContent", f"Deployment mode '{mode}' is not valid.")
    template = check(call.body["properties"].get("template"))
    start, name = call.id(), call.params["deployment"]
    group = {"id": start} | call.group
    scope = Scope(template, call.body["properties"].get("parameters") or {}, group, start)
    resources = [scope.value(resource) for resource in template["resources"]]
    placed = [(scope.id(r["type"], r["name"].split("/")), r) for r in resources]
    folder = call.world.folder / "read"
    for _, resource in placed:
        if resource["type"].lower() == machines.KIND.lower():
            _check_machine(resource)
            custom = (resource.get("properties") or {}).get("osProfile") or {}
            machines.read_scripts(custom.get("customData"), folder)
    outputs = {
        key: {"type": said["type"], "value": scope.value(said["value"])}
        for key, said in (template.get("outputs") or {}).items()
    }
    place = f"{start}/providers/{KIND}/{name}"
    return Deployment(place, name, mode, scope, template, placed, outputs)


def _check_machine(resource: dict[str, Any]) -> None:
    if plain(resource.get("location", "")) not in REGIONS:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{resource.get('location')}' is not available for resource "
            f"type '{machines.KIND}'.",
        )
    size = (resource.get("properties") or {}).get("hardwareProfile", {}).get("vmSize")
    if size not in SIZES:
        reject(f"The value '{size}' of 'hardwareProfile.vmSize' is not valid")


def _refusal(world: World, deployment: Deployment) -> dict[str, Any] | None:
    """Return the error with which a region refuses one of the machines, if it does."""
    for place, resource in deployment.resources:
        if resource["type"].lower() != machines.KIND.lower() or place.lower() in world.machines:
            continue
        if refused := world.refusals.get(plain(resource["location"])):
            return error(*refused)
        size = SIZES[resource["properties"]["hardwareProfile"]["vmSize"]]
        spot = resource["properties"].get("priority") == "Spot"
        family = "lowPriorityCores" if spot else size.family
        region = plain(resource["location"])
        used, limit = world.quotas.get((region, family), (0, size.vcpus))
        if used + size.vcpus > limit:
            return error(
                "QuotaExceeded",
                f"Operation could not be completed as it results in exceeding approved {family} "
                f"Cores quota. Additional details - Deployment Model: Resource Manager, Location: "
                f"{region}, Current Limit: {limit}, Current Usage: {used}, Additional Required: "
                f"{size.vcpus}, (Minimum) New Limit Required: {used + size.vcpus}.",
            )
    return None


async def _live(world: World, deployment: Deployment) -> None:
    """Lead the deployment through its states."""
    await asyncio.sleep(world.settings.step_s)
    deployment.enter("Running")
    await asyncio.sleep(world.settings.step_s)
    refused = _refusal(world, deployment)
    if refused:
        deployment.error = error(
            "DeploymentFailed",
            "At least one resource deployment operation failed. Please list deployment operations "
            "for details. Please see https://aka.ms/arm-deployment-operations for usage details.",
            [refused],
        )
        deployment.enter("Failed")
        return
    for place, resource in deployment.resources:
        if resource["type"].lower() == machines.KIND.lower():
            machines.create(world, place, resource)
    for place, resource in deployment.resources:
        if resource["type"].lower() == run_commands.KIND.lower():
            run_commands.create(world, place, resource)
    deployment.outputs = deployment.promised
    deployment.enter("Succeeded")


def _key(call: Call) -> tuple[str, ...]:
    return tuple(call.params[name].lower() for name in ("subscription", "group", "deployment"))


def _found(call: Call) -> Deployment:
    found = call.world.deployments.get(_key(call))
    if found is None:
        name = call.params["deployment"]
        raise ArmError(404, "DeploymentNotFound", f"Deployment '{name}' could not be found.")
    return found
