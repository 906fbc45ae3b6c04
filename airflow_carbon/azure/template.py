"""Any deployment of an ARM template, a spot GPU machine with cloud-init, say.

Microsoft.Resources/deployments, api-version 2024-07-01.
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Ask, error_of
from airflow_carbon.azure.job import MADE, JobView, State, Work, final_state, instant, nothing
from airflow_carbon.azure.machine import Machine
from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_carbon.azure.arm import Reply
    from airflow_carbon.azure.errors import AzureRefusedError

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

    The parameters that the template declares of ``command``, ``environment``, ``name``,
    ``location`` and ``script`` are filled in; ``script`` is the environment and the command, for
    ``/bin/sh``.

    ``machine`` names the virtual machine that the template makes, ``{name}`` in it is the job's
    name: the job is what the machine's run command runs
    (:data:`~airflow_carbon.azure.machine.RUN_COMMAND`), and the machine is deallocated at its end.
    Without it the deployment is the job: it has succeeded when every resource of the template has,
    and what it has made is not touched any more.

    Raises:
        InvalidOptionError: ``machine`` without ``{name}``.
    """

    region: str
    resource_group: str
    template: Mapping[str, Any] = field(repr=False)
    parameters: Mapping[str, Any] = field(default_factory=dict, repr=False)
    machine: str | None = None

    def __post_init__(self) -> None:
        """Refuse one machine for all attempts: what is written of one would be read of the next."""
        if self.machine and "{name}" not in self.machine:
            remedy = "each attempt has a machine of its own: write {name} in it, the job's name"
            raise InvalidOptionError("machine", self.machine, remedy)

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

    def _machine(self, subscription: str, name: str) -> Machine | None:
        if not self.machine:
            return None
        group = f"/subscriptions/{subscription}/resourceGroups/{self.resource_group}"
        there = self.machine.replace("{name}", name)
        return Machine(resource=f"{group}/providers/Microsoft.Compute/virtualMachines/{there}")

    def submit(self, subscription: str, name: str, work: Work) -> Ask[JobView]:
        """Return what begins the deployment; Azure refuses one of that name that is active."""
        ours = {
            "command": work.command,
            "environment": work.variables(name),
            "name": name,
            "location": self.region,
            "script": _script(work, name),
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
        return Ask(method="PUT", path=path, api_version=API_VERSION, read=self._read, body=body)

    def start(self, subscription: str, name: str) -> None:
        """Nothing is left to do: a deployment begins when it is created."""

    def look(self, subscription: str, name: str) -> Ask[JobView]:
        """Return what tells how far the deployment is, and then the job on its machine."""
        machine = self._machine(subscription, name)

        def read(reply: Reply) -> JobView | Ask[JobView]:
            view = self._read(reply)
            return machine.look(view) if machine and view.state is State.SUCCEEDED else view

        path = self.resource(subscription, name)
        return Ask(method="GET", path=path, api_version=API_VERSION, read=read)

    def cancel(self, subscription: str, name: str, part: str | None) -> Ask[None]:  # noqa: ARG002
        """Return what ends the deployment, or the job on the machine that it has made.

        A machine that is still being made is deleted. What else was created stays.
        """
        path = f"{self.resource(subscription, name)}/cancel"
        machine = self._machine(subscription, name)
        if machine is None:
            return Ask(method="POST", path=path, api_version=API_VERSION, read=nothing)
        over = JobView(resource=machine.resource, state=State.CANCELLED, said="")

        def is_made(refusal: AzureRefusedError) -> Ask[None]:
            if refusal.status != _CONFLICT:
                raise refusal
            return machine.release(over)

        return Ask(
            method="POST",
            path=path,
            api_version=API_VERSION,
            read=lambda _: machine.delete(),
            refused=is_made,
        )

    def release(self, subscription: str, name: str, view: JobView) -> Ask[None] | None:
        """Return what gives the machine back: one that has stopped costs as one that runs."""
        machine = self._machine(subscription, name)
        return machine.release(view) if machine else None

    def _read(self, reply: Reply) -> JobView:
        """Read a deployment: while it makes the job's machine, the job waits for it."""
        view = _deployed(reply)
        waits = self.machine and view.state is State.RUNNING
        return replace(view, state=State.PENDING) if waits else view


_CONFLICT: Final = 409
"""The HTTP status of what comes too late: the deployment is done."""


def _script(work: Work, name: str) -> str:
    variables = work.variables(name)
    exports = [f"export {key}={shlex.quote(value)}" for key, value in variables.items()]
    return "\n".join([*exports, work.line, ""])


def _deployed(reply: Reply) -> JobView:
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
        created_at=_begun(properties),
        outputs=properties.get("outputs") or {},
    )


_DURATION: Final = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d+)?)S)?)?")


def _begun(properties: Mapping[str, Any]) -> datetime | None:
    """Return when a deployment began: its duration before its timestamp, which is the latest."""
    at, took = instant(properties.get("timestamp")), properties.get("duration")
    found = _DURATION.fullmatch(str(took)) if took else None
    if at is None or found is None:
        return at
    days, hours, minutes, seconds = (float(part or 0) for part in found.groups())
    return at - timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
