"""Airflow's connection of type ``azure``, opened: who asks Azure Resource Manager."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.errors import (
    InvalidOptionError,
    MissingExtraError,
    ServiceUnavailableError,
    UnknownConnectionError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow.sdk import Connection

    from airflow_carbon.azure.arm import Arm, AsyncArm
    from airflow_carbon.azure.login import Login

DEFAULT_CONN_ID: Final = "azure_default"

SUBSCRIPTION: Final = "AZURE_SUBSCRIPTION_ID"
"""The environment variable that Azure's own tools read, too."""


class AzureHook(BaseHook):
    """Logs in to Azure as an Airflow connection of type ``azure`` says.

    Login and password are a service principal's id and secret; the extra has ``tenantId``,
    ``subscriptionId``, ``managed_identity_client_id``, ``workload_identity_tenant_id``,
    ``cloud_environment``; ``installation``, the name of this Airflow where another one trains in
    the same resource groups; and ``arm_endpoint``, ``authority``, ``ca_file``, ``prices_url`` where
    something else than the cloud itself is asked. Without a connection
    ``azure_default`` the subscription is that of the environment variable
    ``AZURE_SUBSCRIPTION_ID``, and the login whatever ``DefaultAzureCredential`` finds.

    :param azure_conn_id: the Airflow connection.
    """

    conn_name_attr = "azure_conn_id"
    default_conn_name = DEFAULT_CONN_ID

    def __init__(self, azure_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.azure_conn_id = azure_conn_id
        self._read: tuple[dict[str, Any], str | None, str | None] | None = None

    def login(self) -> Login:
        """Return who asks; the connection is read once in a hook's life.

        Raises:
            UnknownConnectionError: neither the connection nor the environment says.
            InvalidOptionError: a field that can't be, or a connection of another type.
            MissingExtraError: the ``azure`` extra is not installed.
        """
        return _login(*self._fields())

    async def alogin(self) -> Login:
        """Return who asks, from an event loop; raises as :meth:`login` does."""
        if self._read is None:
            try:
                self._read = self._given(await self.aget_connection(self.azure_conn_id))
            except AirflowNotFoundException as exc:
                self._read = self._embedded(exc)
        return _login(*self._read)

    def arm(self) -> Arm:
        """Open Azure Resource Manager; raises as :meth:`login` does."""
        login = self.login()
        with _extra():
            from airflow_carbon.azure.arm import Arm
        return Arm(login)

    async def aarm(self) -> AsyncArm:
        """Open Azure Resource Manager for an event loop; raises as :meth:`login` does."""
        login = await self.alogin()
        with _extra():
            from airflow_carbon.azure.arm import AsyncArm
        return AsyncArm(login)

    def installation(self) -> str:
        """Return what tells the names of this Airflow's trainings from another's; most have none.

        Raises:
            UnknownConnectionError: neither the connection nor the environment says.
        """
        extra, *_ = self._fields()
        return str(extra.get("installation") or "")

    def prices_url(self) -> str:
        """Return where the price list is: Microsoft's, unless the connection leads elsewhere.

        Raises:
            UnknownConnectionError: a connection that is not there, the default excepted.
            ServiceUnavailableError: the list has no prices of this cloud.
        """
        from airflow_carbon.azure.prices import SERVICE, URL

        try:
            extra, *_ = self._fields()
        except UnknownConnectionError:
            if self.azure_conn_id != DEFAULT_CONN_ID:
                raise
            return URL
        cloud = str(extra.get("cloud_environment") or "")
        if cloud and "public" not in cloud.lower() and not extra.get("prices_url"):
            raise ServiceUnavailableError(SERVICE, f"it has no prices of {cloud}")
        return str(extra.get("prices_url") or URL)

    def _fields(self) -> tuple[dict[str, Any], str | None, str | None]:
        if self._read is None:
            try:
                self._read = self._given(self.get_connection(self.azure_conn_id))
            except AirflowNotFoundException as exc:
                self._read = self._embedded(exc)
        return self._read

    def _given(self, connection: Connection) -> tuple[dict[str, Any], str | None, str | None]:
        if connection.conn_type != "azure":
            remedy = f"the connection {self.azure_conn_id!r} has to be of type azure"
            raise InvalidOptionError("conn_type", connection.conn_type, remedy)
        return connection.extra_dejson, connection.login, connection.password

    def _embedded(self, missing: Exception) -> tuple[dict[str, Any], None, None]:
        subscription = os.environ.get(SUBSCRIPTION)
        if self.azure_conn_id != DEFAULT_CONN_ID or not subscription:
            instead = f"leave azure_conn_id out and set {SUBSCRIPTION}"
            raise UnknownConnectionError(self.azure_conn_id, "azure", instead) from missing
        return {"subscriptionId": subscription}, None, None


def _login(extra: dict[str, Any], client_id: str | None, secret: str | None) -> Login:
    with _extra():
        from airflow_carbon.azure.login import Login
    return Login.parse(extra, client_id, secret)


@contextmanager
def _extra() -> Iterator[None]:
    """Say what to install where an import fails."""
    try:
        yield
    except ImportError as exc:
        raise MissingExtraError("azure", exc.name or "azure-identity") from exc
