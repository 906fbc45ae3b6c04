"""Azure Container Apps: a manual job on a serverless GPU in a region's environment.

Microsoft.App/jobs, api-version 2024-03-01; why an execution failed, 2024-08-02-preview, as no
published version up to 2025-07-01 tells it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Ask
from airflow_carbon.azure.job import (
    CREATED,
    ITS_OWN,
    MADE,
    JobView,
    State,
    Work,
    final_state,
    instant,
    nothing,
)

if TYPE_CHECKING:
    from airflow_carbon.azure.arm import Reply

API_VERSION: Final = "2024-03-01"

DETAILS_VERSION: Final = "2024-08-02-preview"
"""The version that tells of an execution's containers: exit code, status, a word on why."""

LONGEST_S: Final = 7 * 24 * 3600
"""A replica's time limit [s] where the work names none: Container Apps asks for one."""

_STATES: Final = {
    "Running": State.RUNNING,
    "Succeeded": State.SUCCEEDED,
    "Failed": State.FAILED,
    "Degraded": State.FAILED,
    "Stopped": State.CANCELLED,
}
"""The others say that it waits: Processing, Unknown."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ContainerApps:
    """A managed environment with a workload profile that has a GPU, and the image to run.

    ``environment`` is the environment's name, or its id where it is in another resource group.
    ``cpu`` in cores, ``memory`` as Container Apps writes it (``56Gi``).
    """

    region: str
    resource_group: str
    environment: str
    image: str
    workload_profile: str | None = None
    cpu: float = 4.0
    memory: str = "8Gi"

    @property
    def size(self) -> str | None:
        """The workload profile: it names the machine."""
        return self.workload_profile

    def _group(self, subscription: str) -> str:
        return (
            f"/subscriptions/{subscription}/resourceGroups/{self.resource_group}"
            "/providers/Microsoft.App"
        )

    def resource(self, subscription: str, name: str) -> str:
        """Return a job's id."""
        return f"{self._group(subscription)}/jobs/{name}"

    def submit(self, subscription: str, name: str, work: Work) -> Ask[JobView]:
        """Return what creates a job; it does not run before :meth:`start`."""
        environment = self.environment
        if not environment.startswith("/"):
            environment = f"{self._group(subscription)}/managedEnvironments/{environment}"
        container = {
            "name": "training",
            "image": self.image,
            "command": ["/bin/sh", "-c"],
            "args": [work.line],
            "env": [{"name": key, "value": value} for key, value in work.variables(name).items()],
            "resources": {"cpu": self.cpu, "memory": self.memory},
        }
        properties: dict[str, Any] = {
            "environmentId": environment,
            "configuration": {
                "triggerType": "Manual",
                "replicaTimeout": work.timeout_s or LONGEST_S,
                "replicaRetryLimit": 0,
                "manualTriggerConfig": {"parallelism": 1, "replicaCompletionCount": 1},
            },
            "template": {"containers": [container]},
        }
        if self.workload_profile:
            properties["workloadProfileName"] = self.workload_profile
        return Ask(
            method="PUT",
            path=self.resource(subscription, name),
            api_version=API_VERSION,
            read=_created,
            body={
                "location": self.region,
                "tags": dict(work.labels),
                "properties": properties,
            },
        )

    def start(self, subscription: str, name: str) -> Ask[JobView]:
        """Return what runs a job once."""
        path = f"{self.resource(subscription, name)}/start"
        resource = self.resource(subscription, name)

        def read(reply: Reply) -> JobView:
            part = (reply.body or {}).get("name")
            return JobView(resource=resource, state=State.PENDING, said="Processing", part=part)

        return Ask(method="POST", path=path, api_version=API_VERSION, read=read, body={})

    def look(self, subscription: str, name: str) -> Ask[JobView]:
        """Return what tells how far a job is: its first execution, there is no second."""
        resource = self.resource(subscription, name)

        def read(reply: Reply) -> JobView | Ask[JobView]:
            executions = sorted(reply.body["value"], key=_began)
            if not executions:
                return JobView(resource=resource, state=State.PENDING, said=CREATED)
            first, *others = (_execution(resource, one) for one in executions)
            running = (one.part for one in others if not one.state.is_final)
            view = replace(first, others=tuple(part for part in running if part))
            return _why(resource, view) if view.state is State.FAILED else view

        path = f"{resource}/executions"
        return Ask(method="GET", path=path, api_version=API_VERSION, read=read)

    def cancel(self, subscription: str, name: str, part: str | None) -> Ask[None]:
        """Return what ends a job: one execution where that is known, all of them otherwise."""
        resource = self.resource(subscription, name)
        path = f"{resource}/executions/{part}/stop" if part else f"{resource}/stop"
        return Ask(method="POST", path=path, api_version=API_VERSION, read=nothing)

    def release(self, subscription: str, name: str, view: JobView) -> None:
        """Nothing is left to give back: the service keeps the machines."""


def _created(reply: Reply) -> JobView:
    said = str(reply.body["properties"].get("provisioningState") or CREATED)
    return JobView(
        resource=str(reply.body["id"]),
        state=State.PENDING,
        said=said,
        is_new=reply.status == MADE,
    )


def _execution(resource: str, execution: dict[str, Any]) -> JobView:
    properties = execution["properties"]
    said = str(properties.get("status") or "Unknown")
    return JobView(
        resource=resource,
        state=final_state(_STATES.get(said, State.PENDING), said, ""),
        said=said,
        part=execution.get("name"),
        created_at=instant(properties.get("startTime")),
        started_at=instant(properties.get("startTime")),
        ended_at=instant(properties.get("endTime")),
    )


def _why(resource: str, view: JobView) -> Ask[JobView]:
    """Ask what an execution died of; whoever does not tell it has told enough."""
    logs = f"what it printed is in the logs of its environment, of the execution {view.part}"

    def read(reply: Reply) -> JobView:
        details = reply.body["properties"].get("detailedStatus") or {}
        replicas = details.get("replicas") or []
        failed = [
            one
            for replica in replicas
            for one in replica.get("containers") or []
            if one.get("code")
        ]
        if not failed:
            return replace(view, message=f"its exit code is not told; {logs}")
        last = failed[-1]
        words = (last.get("status"), last.get("additionalInformation"))
        said = ", ".join([f"exit code {last['code']}", *(str(word) for word in words if word)])
        return replace(view, code=ITS_OWN, message=f"{said}; {logs}")

    return Ask(
        method="GET",
        path=f"{resource}/executions/{view.part}",
        api_version=DETAILS_VERSION,
        read=read,
        refused=lambda _: replace(view, message=f"its exit code is not told; {logs}"),
    )


def _began(execution: dict[str, Any]) -> tuple[str, str]:
    """Return what orders executions the same for everybody: times are of whole seconds."""
    return str(execution["properties"].get("startTime") or ""), str(execution.get("name") or "")
