"""A virtual machine that a template has made, and whose managed run command is the job.

Microsoft.Compute/virtualMachines and their runCommands, api-version 2024-07-01, after Microsoft's
documentation ("Run scripts in your Linux VM by using managed Run Commands", 2025; "Azure Spot
Virtual Machines", 2025), and Microsoft.Resources/tags, 2021-04-01. How a job ended is written into
the machine's tags before it is deallocated: its agent says nothing any more then, and a tag tells a
machine that was told to end from one that was taken away.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon import clock
from airflow_carbon.azure.arm import Ask
from airflow_carbon.azure.job import CANCELLING, ITS_OWN, JobView, State, instant, nothing

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_carbon.azure.arm import Reply
    from airflow_carbon.azure.errors import AzureRefusedError

API_VERSION: Final = "2024-07-01"
TAGS_VERSION: Final = "2021-04-01"

RUN_COMMAND: Final = "training"
"""The name of the run command that the template has to give its machine."""

_TAG: Final = "carbon-"
"""The beginning of our tags' names: state, message, started_at and ended_at."""

_LONGEST_TAG: Final = 256

_STATES: Final = {
    "Running": State.RUNNING,
    "Succeeded": State.SUCCEEDED,
    "Failed": State.FAILED,
    "TimedOut": State.FAILED,
    "Canceled": State.CANCELLED,
}
"""A run command's execution states; the others say that it waits: Pending, Unknown."""

_KILLED: Final = frozenset({-1, 137, 143})
"""How a command ends by SIGKILL or SIGTERM: -1 is the run command's own word for a signal."""

_EVICTION: Final = timedelta(minutes=2)
"""How long after its command was killed a spot machine may seem to run on: it is told 30 s before
it is taken away."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A virtual machine by its id."""

    resource: str

    def look(self, made: JobView) -> Ask[JobView]:
        """Return what tells how far the job is; ``made`` tells that the machine was made."""

        def read(reply: Reply) -> JobView | Ask[JobView]:
            tags = reply.body.get("tags") or {}
            properties = reply.body["properties"]
            power = _power(properties.get("instanceView") or {})
            if f"{_TAG}state" in tags and (view := _told(made, tags, power)):
                return view
            return self._command(made, power, is_spot=properties.get("priority") == "Spot")

        message = "the machine is not there any more: evicted, or deleted by somebody"
        gone = replace(made, state=State.PREEMPTED, said="Deleted", message=message)
        return Ask(
            method="GET",
            path=self.resource,
            api_version=API_VERSION,
            read=read,
            params={"$expand": "instanceView"},
            refused=_missing(gone),
        )

    def _command(self, made: JobView, power: str, *, is_spot: bool) -> Ask[JobView]:
        def read(reply: Reply) -> JobView:
            told = reply.body["properties"].get("instanceView") or {}
            return _judged(_executed(made, told), told, power, is_spot=is_spot)

        message = (
            f"the template gave its machine no run command named {RUN_COMMAND!r}, so nobody can "
            "tell when its command ends: add one, as in docs/how-to/azure.md"
        )
        lacking = replace(made, state=State.FAILED, said="NoRunCommand", message=message)
        return Ask(
            method="GET",
            path=f"{self.resource}/runCommands/{RUN_COMMAND}",
            api_version=API_VERSION,
            read=read,
            params={"$expand": "instanceView"},
            refused=_missing(lacking),
        )

    def release(self, view: JobView) -> Ask[None]:
        """Return what keeps how the job ended, and lets the machine go: its disk stays."""
        said = {
            "state": view.state.value,
            "message": view.message.partition("\n")[0][:_LONGEST_TAG],
            "started_at": view.started_at and view.started_at.isoformat(),
            "ended_at": view.ended_at and view.ended_at.isoformat(),
        }
        deallocate: Ask[None] = Ask(
            method="POST",
            path=f"{self.resource}/deallocate",
            api_version=API_VERSION,
            read=nothing,
            refused=_missing(None),
        )
        tags = {f"{_TAG}{key}": value for key, value in said.items() if value}
        return Ask(
            method="PATCH",
            path=f"{self.resource}/providers/Microsoft.Resources/tags/default",
            api_version=TAGS_VERSION,
            read=lambda _: deallocate,
            body={"operation": "Merge", "properties": {"tags": tags}},
            refused=_missing(None),
        )

    def delete(self) -> Ask[None]:
        """Return what ends a machine that is not ready yet."""
        return Ask(
            method="DELETE",
            path=self.resource,
            api_version=API_VERSION,
            read=nothing,
            refused=_missing(None),
        )


def _missing(answer: Any) -> Callable[[AzureRefusedError], Any]:
    """Return what reads a refusal: what is not there is an answer, all others are raised."""

    def read(refusal: AzureRefusedError) -> Any:
        if not refusal.is_missing:
            raise refusal
        return answer

    return read


def _power(seen: Mapping[str, Any]) -> str:
    codes = [str(one.get("code", "")) for one in seen.get("statuses") or []]
    found = [code.partition("/")[2] for code in codes if code.startswith("PowerState/")]
    return found[-1] if found else "unknown"


def _told(made: JobView, tags: Mapping[str, str], power: str) -> JobView | None:
    """Return what was written down; None of a machine whose end was asked for, and not heard."""
    said = tags[f"{_TAG}state"]
    state = State(said)
    if state is State.CANCELLED and power == "running":
        return None
    if state is State.CANCELLED and power in {"stopping", "deallocating"}:
        return replace(made, state=State.RUNNING, said=CANCELLING)
    return replace(
        made,
        state=state,
        said=said,
        code=ITS_OWN if state is State.FAILED else "",
        message=tags.get(f"{_TAG}message", ""),
        started_at=instant(tags.get(f"{_TAG}started_at")),
        ended_at=instant(tags.get(f"{_TAG}ended_at")),
    )


def _executed(made: JobView, told: Mapping[str, Any]) -> JobView:
    """Return what the run command itself says of its execution."""
    said = str(told.get("executionState") or "Unknown")
    state, message = _STATES.get(said, State.PENDING), ""
    if state is State.FAILED:
        words = [f"{said}, exit code {told.get('exitCode')}", str(told.get("error") or "").strip()]
        message = "\n".join(word for word in words if word)
    return replace(
        made,
        state=state,
        said=said,
        code=ITS_OWN if state is State.FAILED else "",
        message=message,
        started_at=instant(told.get("startTime")),
        ended_at=instant(told.get("endTime")) if state.is_final else None,
    )


def _judged(view: JobView, told: Mapping[str, Any], power: str, *, is_spot: bool) -> JobView:
    """Return what the job's state is, after its machine's: one that is taken away kills it."""
    if view.state is State.SUCCEEDED:
        return view
    if power == "deallocating":
        said = power if is_spot else CANCELLING
        return replace(view, state=State.RUNNING, said=said, ended_at=None)
    if power == "deallocated":
        state = State.PREEMPTED if is_spot else State.CANCELLED
        message = "the machine was evicted" if is_spot else "somebody has deallocated the machine"
        return replace(view, state=state, said=power, code="", message=message)
    if power == "stopped" and not view.state.is_final:
        message = "the machine stopped before its run command said how the command ended"
        return replace(view, state=State.FAILED, said=power, code=ITS_OWN, message=message)
    killed = is_spot and view.state is State.FAILED and told.get("exitCode") in _KILLED
    if killed and view.ended_at and clock.now() - view.ended_at < _EVICTION:
        return replace(view, state=State.RUNNING, said="Killed", ended_at=None)
    return view
