"""Any deployment of an ARM template, a spot GPU machine with cloud-init, say.

Microsoft.Resources/deployments, api-version 2024-07-01.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Ask, error_of
from airflow_carbon.azure.job import MADE, JobView, State, Work, final_state, nothing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.azure.arm import Reply

API_VERSION: Final = "2024-07-01"

_STATES: Final = {
    "Succeeded": State.SUCCEEDED,
    "Failed": State.FAILED,
    "Canceled": State.CANCELLED,
    "Accepted": State.PENDING,
    "Ready": State.PENDING,
}
"""The others say that it is at work: Running, Creating, Updating."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Template:
    """A template and its parameters, deployed into a resource group.

    The parameters that the template declares of ``command``, ``environment``, ``name`` and
    ``location`` are filled in. The deployment is the job: it has succeeded when every resource of
    the template has. A virtual machine has when it runs, not when its command has ended: let a
    custom script extension run the command, or a deployment script, whose end is a resource's.
    """

    region: str
    resource_group: str
    template: Mapping[str, Any] = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def size(self) -> None:
        """Nothing: what machine a template makes, it alone knows."""
        return None

    def resource(self, subscription: str, name: str) -> str:
        """Return a deployment's id."""
        return (
            f"/subscriptions/{subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.Resources/deployments/{name}"
        )

    def submit(self, subscription: str, name: str, work: Work) -> Ask[JobView]:
        """Return what begins the deployment; Azure refuses one of that name that is active."""
        ours = {
            "command": work.command,
            "environment": work.variables(name),
            "name": name,
            "location": self.region,
        }
        declared = self.template.get("parameters") or {}
        values = {key: value for key, value in ours.items() if key in declared}
        parameters = {key: {"value": value} for key, value in {**values, **self.parameters}.items()}
        body = {
            "tags": dict(work.labels),
            "properties": {
                "mode": "Incremental",
                "template": dict(self.template),
                "parameters": parameters,
            },
        }
        path = self.resource(subscription, name)
        return Ask(method="PUT", path=path, api_version=API_VERSION, read=_read, body=body)

    def start(self, subscription: str, name: str) -> None:
        """Nothing is left to do: a deployment begins when it is created."""

    def look(self, subscription: str, name: str) -> Ask[JobView]:
        """Return what tells how far the deployment is."""
        path = self.resource(subscription, name)
        return Ask(method="GET", path=path, api_version=API_VERSION, read=_read)

    def cancel(self, subscription: str, name: str, part: str | None) -> Ask[None]:  # noqa: ARG002
        """Return what ends the deployment; what it has created stays."""
        path = f"{self.resource(subscription, name)}/cancel"
        return Ask(method="POST", path=path, api_version=API_VERSION, read=nothing)


def _read(reply: Reply) -> JobView:
    properties = reply.body["properties"]
    said = str(properties["provisioningState"])
    code, message = error_of(properties) if properties.get("error") else ("", "")
    return JobView(
        resource=str(reply.body["id"]),
        is_new=reply.status == MADE,
        state=final_state(_STATES.get(said, State.RUNNING), code, message),
        said=said,
        code=code,
        message=message,
        outputs=properties.get("outputs") or {},
    )
