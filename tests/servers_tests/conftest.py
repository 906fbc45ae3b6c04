"""The stand-in, and Microsoft's own client in front of it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from azure.core.rest import HttpRequest
from azure.identity import ClientSecretCredential
from azure.mgmt.resource.resources import ResourceManagementClient
from hanging import HANGS_S
from servers.arm import Azure, arm_server

if TYPE_CHECKING:
    from collections.abc import Callable

ML, APP, RESOURCES = "2024-04-01", "2024-03-01", "2024-07-01"


@dataclass
class Cloud:
    """The SDK's client, and short ways to ask."""

    azure: Azure
    client: ResourceManagementClient

    @property
    def control(self) -> Any:
        return self.azure.control

    @property
    def subscription(self) -> str:
        return f"/subscriptions/{self.azure.subscription}"

    def group(self, region: str = "swedencentral") -> str:
        return f"{self.subscription}/resourceGroups/rg-{region}"

    def workspace(self, region: str = "swedencentral") -> str:
        place = "Microsoft.MachineLearningServices/workspaces"
        return f"{self.group(region)}/providers/{place}/ml-{region}"

    def job(self, name: str, region: str = "swedencentral") -> str:
        return f"{self.workspace(region)}/jobs/{name}"

    def ask(
        self, method: str, path: str, version: str = "", body: Any = None, **kwargs: Any
    ) -> Any:
        url = f"{path}{'&' if '?' in path else '?'}api-version={version}" if version else path
        kwargs.setdefault("retry_total", 0)
        return self.client.send_request(HttpRequest(method, url, json=body), **kwargs)

    def get(self, path: str, version: str) -> Any:
        answer = self.ask("GET", path, version)
        answer.raise_for_status()
        return answer.json()


@pytest.fixture(scope="session")
def azure():
    with arm_server() as azure:
        yield azure


@pytest.fixture
def credential(azure):
    return ClientSecretCredential(azure.tenant, azure.client, azure.secret, **trust(azure))


@pytest.fixture
def cloud(azure, credential):
    azure.control.reset()
    azure.control.settings(step_s=0.02, grace_s=0.5)
    client = ResourceManagementClient(
        credential,
        azure.subscription,
        azure.url,
        connection_verify=azure.ca,
        polling_interval=0.02,
        retry_backoff_factor=0.01,
    )
    with client:
        yield Cloud(azure, client)


@pytest.fixture
def command():
    return lambda line, **more: {
        "properties": {
            "jobType": "Command",
            "command": line,
            "environmentId": "azureml:train:1",
            "queueSettings": {"jobTier": "Spot"},
        }
        | more
    }


@pytest.fixture
def until():
    def wait(ask: Callable[[], Any], wanted: Any = True, within_s: float = HANGS_S) -> None:  # noqa: FBT002
        """Wait until the answer is the one that is wanted."""
        end = time.monotonic() + within_s
        while (found := ask()) != wanted:
            assert time.monotonic() < end, f"still {found}, not {wanted}"
            time.sleep(0.02)
        return found

    return wait


def trust(azure: Azure) -> dict[str, Any]:
    """Return how a credential is pointed at the stand-in."""
    return {
        "authority": azure.url,
        "disable_instance_discovery": True,
        "connection_verify": azure.ca,
    }
