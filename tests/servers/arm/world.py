"""What the stand-in knows and how it is told to behave; the rooms keep their things here."""

from __future__ import annotations

import asyncio
import tempfile
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from servers.arm.blobs import Blobs
from servers.arm.faults import Faults
from servers.arm.login import Tokens

from airflow_carbon.azure.regions import regions

if TYPE_CHECKING:
    from datetime import datetime

    from servers.arm.carbon import Emission
    from servers.arm.containers import AppJob
    from servers.arm.deployments import Deployment, Machine
    from servers.arm.jobs import Job

SUBSCRIPTION = "00000000-0000-0000-0000-000000000001"


@dataclass
class Settings:
    """The pace of the stand-in, all in seconds, and what its jobs find."""

    step_s: float = 0.05
    """How long a job stays in a state that only waits, and a deployment in each of its."""
    grace_s: float = 5.0
    """Between SIGTERM and SIGKILL."""
    retry_after_s: int = 1
    token_life_s: int = 3600
    price_page: int = 1000
    job_page: int = 50
    job_env: dict[str, str] = field(default_factory=dict)
    """What each process finds in its environment besides what the caller asked for."""


@dataclass
class World:
    """All state; one per server."""

    folder: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="arm-")))
    settings: Settings = field(default_factory=Settings)
    tokens: Tokens = field(default_factory=Tokens)
    faults: Faults = field(default_factory=Faults)
    blobs: Blobs = field(default_factory=Blobs)
    subscriptions: set[str] = field(default_factory=lambda: {SUBSCRIPTION})
    groups: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    workspaces: dict[tuple[str, str, str], dict[str, Any]] = field(default_factory=dict)
    jobs: dict[tuple[str, ...], Job] = field(default_factory=dict)
    computes: set[tuple[str, str]] = field(default_factory=set)
    """Workspace and name of each Azure Machine Learning cluster, in lower case."""
    environments: set[str] = field(default_factory=set)
    """Ids of Container Apps environments, in lower case."""
    app_jobs: dict[tuple[str, ...], AppJob] = field(default_factory=dict)
    deployments: dict[tuple[str, ...], Deployment] = field(default_factory=dict)
    machines: dict[str, Machine] = field(default_factory=dict)
    operations: dict[str, Any] = field(default_factory=dict)
    starts: Counter[str] = field(default_factory=Counter)
    """Processes started, by the name of their job, machine or Container Apps job."""
    unregistered: set[str] = field(default_factory=set)
    """Provider namespaces, in lower case, that the subscription has not registered."""
    refusals: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Region to the code and the sentence with which it refuses."""
    quotas: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """(Region, family) to usage and limit, in vCPUs."""
    metrics: dict[str, list[tuple[datetime, float]]] = field(default_factory=dict)
    """Run to its GPU energy, in joules, by minute."""
    emissions: list[Emission] = field(default_factory=list)
    denied: set[str] = field(default_factory=set)
    prices: list[dict[str, Any]] | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        for region in regions():
            self.add_group(SUBSCRIPTION, f"rg-{region}", region)
            self.add_workspace(SUBSCRIPTION, f"rg-{region}", f"ml-{region}", region)
            group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-{region}"
            place = f"{group}/providers/Microsoft.App/managedEnvironments/gpu"
            self.environments.add(place.lower())

    def add_group(self, subscription: str, name: str, location: str, **more: Any) -> dict[str, Any]:
        """Keep a resource group."""
        kept = {"name": name, "location": location} | more
        self.groups[subscription.lower(), name.lower()] = kept
        return kept

    def add_workspace(self, subscription: str, group: str, name: str, location: str) -> None:
        """Keep an Azure Machine Learning workspace."""
        key = (subscription.lower(), group.lower(), name.lower())
        self.workspaces[key] = {"name": name, "location": location}

    def run(self, work: Any) -> asyncio.Task[None]:
        """Run a coroutine beside the requests, and keep hold of it."""
        task = asyncio.ensure_future(work)
        self.tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (broken := task.exception()):
            traceback.print_exception(broken)

    async def close(self) -> None:
        """End all that runs: a task that is cancelled ends its process."""
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
