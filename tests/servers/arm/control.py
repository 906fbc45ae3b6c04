"""The tests' side: start the stand-in, and tell it how to behave."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

NO_CAPACITY = {
    "SkuNotAvailable": "The requested VM size for resource 'Following SKUs have failed for "
    "Capacity Restrictions: {size}' is currently not available in location '{region}'. Please try "
    "another size or deploy to a different location or different zone. See "
    "https://aka.ms/azureskunotavailable for details.",
    "AllocationFailed": "Allocation failed. We do not have sufficient capacity for the requested "
    "VM size in this region. Read more about improving likelihood of allocation success at "
    "http://aka.ms/allocation-guidance",
    "QuotaExceeded": "Operation could not be completed as it results in exceeding approved "
    "{size} Cores quota. Additional details - Deployment Model: Resource Manager, Location: "
    "{region}.",
}


@dataclass
class Control:
    """Orders to the stand-in."""

    url: str
    client: httpx.Client

    def order(self, name: str, /, **said: Any) -> Any:
        """Give any order of ``orders.py`` and return its answer."""
        answer = self.client.post(f"{self.url}/_control/{name}", json=said)
        answer.raise_for_status()
        return answer.json()["said"]

    def reset(self) -> None:
        """End all that runs and forget all, tokens excepted."""
        self.order("reset")

    def settings(self, **said: Any) -> None:
        """Change the pace (``world.Settings``)."""
        self.order("settings", **said)

    def fault(self, pattern: str, kind: str = "status", **said: Any) -> None:
        """Let a fault befall the next requests of a pattern (``faults.Fault``)."""
        self.order("fault", pattern=pattern, kind=kind, **said)

    def clear_faults(self) -> None:
        """Let no more faults come."""
        self.order("clear_faults")

    def count(self, pattern: str) -> int:
        """Return how many requests matched a pattern such as ``PUT */jobs/*``."""
        found: int = self.order("count", pattern=pattern)
        return found

    def asked(self) -> list[str]:
        """Return the requests that came: ``METHOD /path?query``."""
        found: list[str] = self.order("asked")
        return found

    def starts(self, name: str) -> int:
        """Return how many processes were started for a job, a machine or an app job."""
        found: int = self.order("starts").get(name, 0)
        return found

    def tokens(self) -> int:
        """Return how many tokens were handed out."""
        found: int = self.order("tokens")
        return found

    def expire_tokens(self) -> None:
        """Let all tokens be past their time."""
        self.order("expire_tokens")

    def revoke_tokens(self) -> None:
        """Take all tokens back, with a claims challenge."""
        self.order("revoke_tokens")

    def no_capacity(
        self, region: str, code: str = "SkuNotAvailable", size: str = "Standard_NC24ads_A100_v4"
    ) -> None:
        """Let a region refuse what is to run there."""
        message = NO_CAPACITY[code].format(region=region, size=size)
        self.order("refuse", region=region, code=code, message=message)

    def capacity(self, region: str) -> None:
        """Let a region refuse no more."""
        self.order("accept", region=region)

    def unregister(self, namespace: str) -> None:
        """Let the subscription not have registered a provider such as ``Microsoft.App``."""
        self.order("unregister", namespace=namespace)

    def quota(self, region: str, family: str, used: int, limit: int) -> None:
        """Set a quota, in vCPUs; ``lowPriorityCores`` is all Spot together."""
        self.order("quota", region=region, family=family, used=used, limit=limit)

    def job(self, name: str) -> dict[str, Any]:
        """Return an AML job's status, the states it has seen, its pid, log and error."""
        found: dict[str, Any] = self.order("job", name=name)
        return found

    def lose(self, name: str, how: str = "requeue", grace_s: float | None = None) -> None:
        """Take a running AML job's spot machine away; ``how`` is ``requeue`` or ``fail``."""
        self.order("lose_job", name=name, how=how, grace_s=grace_s)

    def energy(self, run: str, points: Sequence[tuple[datetime, float]]) -> None:
        """Set a run's GPU energy by minute [J]."""
        self.order("energy", run=run, points=[(at.isoformat(), joules) for at, joules in points])

    def emissions(self, rows: Sequence[dict[str, Any]], denied: Sequence[str] = ()) -> None:
        """Set what Carbon Optimization knows (``carbon.Emission``)."""
        self.order("emissions", rows=list(rows), denied=list(denied))

    def prices(self, items: Sequence[dict[str, Any]] | None) -> None:
        """Set the price list (``prices.item`` makes one); None is the default."""
        self.order("prices", items=items and list(items))

    def add_group(self, name: str, location: str) -> None:
        """Keep a resource group."""
        self.order("add_group", name=name, location=location)

    def add_workspace(self, group: str, name: str, location: str) -> None:
        """Keep a workspace."""
        self.order("add_workspace", group=group, name=name, location=location)

    def add_compute(self, workspace: str, name: str) -> None:
        """Keep a cluster of a workspace."""
        self.order("add_compute", workspace=workspace, name=name)

    def sas(
        self, container: str, name: str, may: str = "rcw", life_s: float = 3600, base: str = ""
    ) -> str:
        """Return a SAS URL for one blob, or for a container; at https unless told otherwise."""
        found: str = self.order(
            "sas", base=base or self.url, container=container, name=name, may=may, life_s=life_s
        )
        return found


@dataclass
class Azure:
    """The stand-in as it was started."""

    url: str
    plain_url: str
    ca: str
    subscription: str
    tenant: str
    client: str
    secret: str = field(repr=False)
    identity_header: str = field(repr=False)
    control: Control = field(init=False)

    @property
    def identity_endpoint(self) -> str:
        """The value of ``IDENTITY_ENDPOINT``."""
        return f"{self.plain_url}/msi/token"


@contextmanager
def arm_server(*args: str) -> Iterator[Azure]:
    """Yield a stand-in that runs as a process of its own; it ends with us."""
    tests = str(Path(__file__).parents[2])
    path = os.pathsep.join([tests, str(Path(tests).parent), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-m", "servers.arm", "--leash", *args],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert process.stdin
    assert process.stdout
    try:
        azure = Azure(**json.loads(process.stdout.readline()))
        trusted = ssl.create_default_context(cafile=azure.ca)
        with httpx.Client(verify=trusted, timeout=30, trust_env=False) as client:
            azure.control = Control(azure.url, client)
            yield azure
    finally:
        process.stdin.close()
        process.wait(timeout=10)
        process.stdout.close()
