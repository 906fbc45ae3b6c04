"""A training job in Azure, whatever runs it: its name, its state, and where it may go."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import parse_qs, urlsplit, urlunsplit

from airflow_carbon.core.handover import UPLOAD_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_carbon.azure.arm import Ask

_DIGITS: Final = 20
"""80 bits of a digest: two of a million million jobs share a name with a chance below 1e-6."""

MADE: Final = 201
"""The HTTP status of an answer to who created a thing, not to who found it."""

_PREEMPTED: Final = ("preempt", "evict")
"""What Azure's messages say of a spot machine that was taken away."""

CANCELLING: Final = "CancelRequested"
"""Azure Machine Learning's word for a job that somebody has cancelled, and that has not ended."""

CREATED: Final = "Created"
"""Our word for a job that is there, but was never started."""

ITS_OWN: Final = "UserError"
"""Azure Machine Learning's code for a command that failed by itself."""


class State(StrEnum):
    """How far a job is."""

    PENDING = "pending"
    """It is there, and waits for a machine."""
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    PREEMPTED = "preempted"
    """Its spot machine was taken away: not its own failure."""

    @property
    def is_final(self) -> bool:
        """Whether nothing will change any more."""
        return self not in {State.PENDING, State.RUNNING}


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What is to run: a shell command, its environment, and labels that people read.

    ``log_url``: where the agent puts its log, each job's apart. ``is_one``: the command is a single
    program, which may take the place of its shell.
    """

    command: str
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    log_url: str | None = field(default=None, repr=False)
    labels: Mapping[str, str] = field(default_factory=dict)
    timeout_s: int | None = None
    is_one: bool = False

    def variables(self, name: str) -> dict[str, str]:
        """Return the environment of the job of that name."""
        url = {UPLOAD_URL: log_url(self.log_url, name)} if self.log_url else {}
        return {**self.environment, **url}

    @property
    def line(self) -> str:
        """The command for a shell that runs nothing else: one program hears Azure's signals itself.

        A shell dies of SIGTERM alone, or as a container's first process ignores it.
        """
        return f"exec {self.command}" if self.is_one else self.command


@dataclass(frozen=True, kw_only=True, slots=True)
class JobView:
    """A job as Azure tells of it.

    ``said`` is Azure's own word for the state, ``link`` the job's page where Azure names one,
    ``part`` what has to be named to cancel it, where that is not the job itself; ``others`` are
    parts beside it that run and should not. ``created_at``, by Azure's clock, is when the job came
    to be, or was started where that is apart. ``is_new``: this very request created it.
    """

    resource: str
    state: State
    said: str
    code: str = ""
    message: str = ""
    link: str | None = None
    part: str | None = None
    others: tuple[str, ...] = ()
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    outputs: Mapping[str, Any] = field(default_factory=dict)
    is_new: bool = False

    @property
    def has_failed(self) -> bool:
        """Whether it is over, and has not done its work."""
        return self.state.is_final and self.state is not State.SUCCEEDED

    @property
    def is_alive(self) -> bool:
        """Whether it runs, will run, or has done its work: it is the training, or one too many."""
        return self.said != CREATED and not self.has_failed


class Target(Protocol):
    """Where jobs of one kind run in one region: what to ask to submit, see and cancel one."""

    @property
    def region(self) -> str:
        """The region's name."""

    @property
    def size(self) -> str | None:
        """The machine's size, where the profile names one."""

    def resource(self, subscription: str, name: str) -> str:
        """Return a job's id."""

    def submit(self, subscription: str, name: str, work: Work) -> Ask[JobView]:
        """Return what creates a job; sent again, it creates no second."""

    def start(self, subscription: str, name: str) -> Ask[JobView] | None:
        """Return what starts a job that was created; None where creation starts it."""

    def look(self, subscription: str, name: str) -> Ask[JobView]:
        """Return what tells how far a job is."""

    def cancel(self, subscription: str, name: str, part: str | None) -> Ask[None]:
        """Return what ends a job."""

    def release(self, subscription: str, name: str, view: JobView) -> Ask[None] | None:
        """Return what gives back the machine of a job that is over; None where Azure does."""


def training_name(
    *, dag_id: str, run_id: str, task_id: str, map_index: int, installation: str = ""
) -> str:
    """Return the name of a task's training: the same for every retry, and for every scheduler.

    ``installation`` tells an Airflow from another that has DAGs and runs of the same names.

    >>> training_name(dag_id="train", run_id="r", task_id="t", map_index=-1)
    'carbon-c9ec2fb0d7797a6814c6'
    """
    text = "\0".join((dag_id, run_id, task_id, str(map_index), installation))
    return f"carbon-{hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]}"


def attempts_of(name: str) -> Callable[[int], str]:
    """Return what names the attempts at the training of which a job is one.

    >>> attempts_of("carbon-c9ec2fb0d7797a6814c6-1")(2)
    'carbon-c9ec2fb0d7797a6814c6-2'
    """
    training = name.rpartition("-")[0]
    return lambda attempt: f"{training}-{attempt}"


def job_name(*, attempt: int, **training: Any) -> str:
    """Return the name of an attempt at a training, which is named as by :func:`training_name`.

    32 letters at most, small, digits and hyphens: what the strictest of Azure's rules allows, that
    of Container Apps.

    >>> job_name(dag_id="train", run_id="r", task_id="t", map_index=-1, attempt=1)
    'carbon-c9ec2fb0d7797a6814c6-1'
    """
    return f"{training_name(**training)}-{attempt}"


def log_url(url: str, name: str) -> str:
    """Return where the log of a job goes.

    The URL of a blob is used as it is: one job at a time. That of a container, whose signature
    has ``sr=c`` (Microsoft, "Create a service SAS", 2025), is given a blob for each job.

    >>> log_url("https://a.example/logs?sr=c&sig=x", "carbon-1f-1")
    'https://a.example/logs/carbon-1f-1.jsonl?sr=c&sig=x'
    """
    parts = urlsplit(url)
    if "c" not in parse_qs(parts.query).get("sr", []):
        return url
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{name}.jsonl"))


def final_state(state: State, code: str, message: str) -> State:
    """Tell a spot machine that was taken away from a job that failed.

    The message of a job that failed by itself has the last words of its own log in it.

    >>> final_state(State.FAILED, "UserError", "KeyError: 'eviction_policy'")
    <State.FAILED: 'failed'>
    """
    lost = any(word in f"{code} {message}".lower() for word in _PREEMPTED) and code != ITS_OWN
    return State.PREEMPTED if lost and state in {State.FAILED, State.CANCELLED} else state


def nothing(_: object) -> None:
    """Read an answer that says nothing."""


def instant(text: object) -> datetime | None:
    """Return an instant as Azure writes it; None where it has none, or none that can be read.

    >>> instant("2026-11-21T09:00:00.1234567Z")
    datetime.datetime(2026, 11, 21, 9, 0, 0, 123456, tzinfo=datetime.timezone.utc)
    """
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None
