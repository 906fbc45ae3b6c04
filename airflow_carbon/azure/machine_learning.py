"""Azure Machine Learning: a command job in a region's workspace.

Microsoft.MachineLearningServices/workspaces/jobs, api-version 2024-04-01.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Ask
from airflow_carbon.azure.job import (
    CANCELLING,
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

API_VERSION: Final = "2024-04-01"

_STATES: Final = {
    "Running": State.RUNNING,
    "Finalizing": State.RUNNING,
    CANCELLING: State.RUNNING,
    "NotResponding": State.RUNNING,
    "Completed": State.SUCCEEDED,
    "Failed": State.FAILED,
    "Canceled": State.CANCELLED,
}
"""The others say that it waits: NotStarted, Starting, Provisioning, Preparing, Queued, Paused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MachineLearning:
    """A workspace, and the compute in it.

    ``compute`` is the name of a compute cluster, or ``instance_type`` a size for serverless
    compute, whose ``tier`` may be ``Spot``. ``environment_id`` is the id of the environment
    (image) to run in.
    """

    region: str
    resource_group: str
    workspace: str
    environment_id: str
    compute: str | None = None
    instance_type: str | None = None
    tier: str | None = None
    experiment: str = "airflow-carbon"

    @property
    def size(self) -> str | None:
        """The machine's size; a cluster's is not known here."""
        return None if self.compute else self.instance_type

    def _workspace(self, subscription: str) -> str:
        return (
            f"/subscriptions/{subscription}/resourceGroups/{self.resource_group}/providers/"
            f"Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    def resource(self, subscription: str, name: str) -> str:
        """Return a job's id."""
        return f"{self._workspace(subscription)}/jobs/{name}"

    def submit(self, subscription: str, name: str, work: Work) -> Ask[JobView]:
        """Return what creates a job; Azure answers with the job that is there already."""
        properties: dict[str, Any] = {
            "jobType": "Command",
            "displayName": work.labels.get("task", name),
            "experimentName": self.experiment,
            "command": work.line,
            "environmentId": self.environment_id,
            "environmentVariables": work.variables(name),
            "tags": dict(work.labels),
        }
        if self.compute:
            properties["computeId"] = f"{self._workspace(subscription)}/computes/{self.compute}"
        if self.instance_type:
            properties["resources"] = {"instanceCount": 1, "instanceType": self.instance_type}
        if self.tier:
            properties["queueSettings"] = {"jobTier": self.tier}
        if work.timeout_s:
            properties["limits"] = {"jobLimitsType": "Command", "timeout": f"PT{work.timeout_s}S"}
        path = self.resource(subscription, name)
        body = {"properties": properties}
        return Ask(method="PUT", path=path, api_version=API_VERSION, read=_read, body=body)

    def start(self, subscription: str, name: str) -> None:
        """Nothing is left to do: a job that is created runs."""

    def look(self, subscription: str, name: str) -> Ask[JobView]:
        """Return what tells how far a job is."""
        path = self.resource(subscription, name)
        return Ask(method="GET", path=path, api_version=API_VERSION, read=_read)

    def cancel(self, subscription: str, name: str, part: str | None) -> Ask[None]:  # noqa: ARG002
        """Return what ends a job."""
        path = f"{self.resource(subscription, name)}/cancel"
        return Ask(method="POST", path=path, api_version=API_VERSION, read=nothing)

    def release(self, subscription: str, name: str, view: JobView) -> None:
        """Nothing is left to give back: the service keeps the machines."""


def _read(reply: Reply) -> JobView:
    properties = reply.body["properties"]
    said = str(properties.get("status") or "NotStarted")
    services = properties.get("services") or {}
    messages = [str(one["errorMessage"]) for one in services.values() if one.get("errorMessage")]
    message = "; ".join(messages)
    state = final_state(_STATES.get(said, State.PENDING), said, message)
    return JobView(
        resource=str(reply.body["id"]),
        is_new=reply.status == MADE,
        state=state,
        said=said,
        message=message,
        created_at=instant((reply.body.get("systemData") or {}).get("createdAt")),
        link=(services.get("Studio") or {}).get("endpoint"),
    )
