"""Who asks Azure, and of which cloud; secrets stay out of every ``repr``."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from azure import identity
from azure.identity import aio

from airflow_carbon import __version__
from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from azure.core.credentials import TokenCredential
    from azure.core.credentials_async import AsyncTokenCredential


USER_AGENT: Final = f"airflow-carbon/{__version__}"

for _name in ("azure.identity", "azure.core.pipeline.policies.http_logging_policy"):
    _logger = logging.getLogger(_name)
    if _logger.level == logging.NOTSET:  # they write every request's headers into the task's log
        _logger.setLevel(logging.WARNING)


class Cloud(StrEnum):
    """One of Azure's clouds, by the name that Azure's own tools give it."""

    PUBLIC = "AzurePublicCloud"
    US_GOVERNMENT = "AzureUSGovernment"
    CHINA = "AzureChinaCloud"

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a name, however it is written; nothing is the public cloud.

        Raises:
            InvalidOptionError: anything else.

        >>> Cloud.read("azure us government") is Cloud.US_GOVERNMENT
        True
        """
        plain = "".join(letter for letter in str(value or cls.PUBLIC).lower() if letter.isalpha())
        for one in cls:
            if plain in {one.lower(), one.lower().removesuffix("cloud")}:
                return one
        remedy = f"write {', '.join(cls)}"
        raise InvalidOptionError("cloud_environment", value, remedy)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Endpoints:
    resource_manager: str
    authority: str
    scope: str
    portal: str


_ENDPOINTS: Final = {
    Cloud.PUBLIC: _Endpoints(
        resource_manager="https://management.azure.com",
        authority="https://login.microsoftonline.com",
        scope="https://management.azure.com/.default",
        portal="https://portal.azure.com",
    ),
    Cloud.US_GOVERNMENT: _Endpoints(
        resource_manager="https://management.usgovcloudapi.net",
        authority="https://login.microsoftonline.us",
        scope="https://management.core.usgovcloudapi.net/.default",
        portal="https://portal.azure.us",
    ),
    Cloud.CHINA: _Endpoints(
        resource_manager="https://management.chinacloudapi.cn",
        authority="https://login.chinacloudapi.cn",
        scope="https://management.chinacloudapi.cn/.default",
        portal="https://portal.azure.cn",
    ),
}
"""As azure-core 1.41 and azure-identity 1.27 have them; portals: Microsoft, "Compare Azure
Government and global Azure" and "Azure operated by 21Vianet", 2025."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Login:
    """A subscription, and how to log in to it.

    With ``client_id``, ``client_secret`` and ``tenant_id`` as a service principal; else as
    ``DefaultAzureCredential`` finds: workload identity, managed identity, command line,
    environment. ``arm_endpoint``, ``authority`` and ``ca_file`` lead to another Resource Manager
    than the cloud's own: Azure Stack, or a stand-in.

    Raises:
        InvalidOptionError: no subscription; a secret without its client or tenant.
    """

    subscription_id: str
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    managed_identity_client_id: str | None = None
    workload_identity_tenant_id: str | None = None
    cloud: Cloud = Cloud.PUBLIC
    arm_endpoint: str | None = None
    authority: str | None = None
    ca_file: str | None = None

    def __post_init__(self) -> None:
        if not self.subscription_id:
            remedy = "write the subscription's id in the Azure connection, as subscriptionId"
            raise InvalidOptionError("subscriptionId", self.subscription_id, remedy)
        if self.client_secret and not (self.client_id and self.tenant_id):
            remedy = "a client's secret needs its id (the login) and its tenantId"
            raise InvalidOptionError("tenantId", self.tenant_id, remedy)

    @classmethod
    def parse(
        cls, extra: Mapping[str, Any], client_id: str | None, client_secret: str | None
    ) -> Self:
        """Read the fields of an Airflow connection of type ``azure``.

        Raises:
            InvalidOptionError: a field that can't be read.
        """

        def given(name: str) -> str | None:
            value = extra.get(name) or extra.get(f"extra__azure__{name}")
            return str(value).strip() if value else None

        return cls(
            subscription_id=given("subscriptionId") or "",
            tenant_id=given("tenantId"),
            client_id=client_id or None,
            client_secret=client_secret or None,
            managed_identity_client_id=given("managed_identity_client_id"),
            workload_identity_tenant_id=given("workload_identity_tenant_id"),
            cloud=Cloud.read(given("cloud_environment")),
            arm_endpoint=given("arm_endpoint"),
            authority=given("authority"),
            ca_file=given("ca_file"),
        )

    @property
    def resource_manager(self) -> str:
        """Where Azure Resource Manager is."""
        return (self.arm_endpoint or _ENDPOINTS[self.cloud].resource_manager).rstrip("/")

    @property
    def scope(self) -> str:
        """What a token has to be for."""
        return _ENDPOINTS[self.cloud].scope

    def portal(self, resource: str) -> str:
        """Return the page of a resource, by its id, in the portal."""
        return f"{_ENDPOINTS[self.cloud].portal}/#@{self.tenant_id or ''}/resource{resource}"

    def credential(self) -> TokenCredential:
        """Return what logs in from ordinary code."""
        if self.client_secret:
            return identity.ClientSecretCredential(**self._principal())
        return identity.DefaultAzureCredential(**self._found())

    def acredential(self) -> AsyncTokenCredential:
        """Return what logs in from an event loop."""
        if self.client_secret:
            return aio.ClientSecretCredential(**self._principal())
        return aio.DefaultAzureCredential(**self._found())

    @property
    def transport(self) -> dict[str, Any]:
        """What the SDK's clients need to trust another Resource Manager."""
        return {"connection_verify": self.ca_file} if self.ca_file else {}

    def _principal(self) -> dict[str, Any]:
        return {
            "tenant_id": self.tenant_id,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "authority": self.authority or _ENDPOINTS[self.cloud].authority,
            "disable_instance_discovery": bool(self.authority),
            "user_agent": USER_AGENT,
            **self.transport,
        }

    def _found(self) -> dict[str, Any]:
        found = {
            "authority": self.authority or _ENDPOINTS[self.cloud].authority,
            "user_agent": USER_AGENT,
            "managed_identity_client_id": self.managed_identity_client_id,
            "workload_identity_tenant_id": self.workload_identity_tenant_id,
        }
        return {name: value for name, value in found.items() if value} | self.transport
