"""Azure, found through Airflow: its own ``azure`` connection, or what the environment says."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.errors import MissingExtraError, UnknownConnectionError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_carbon.azure.arm import Arm, AsyncArm
    from airflow_carbon.azure.login import Login

DEFAULT_CONN_ID: Final = "azure_default"

SUBSCRIPTION: Final = "AZURE_SUBSCRIPTION_ID"


class AzureHook(BaseHook):
    """Asks Azure Resource Manager.

    Reads an Airflow connection of type ``azure``, as the microsoft-azure provider has it: a
    service principal's id and secret, or nothing of either for a workload or managed identity.
    Without a connection ``azure_default``, the subscription is that of ``AZURE_SUBSCRIPTION_ID``
    and the login what ``DefaultAzureCredential`` finds.

    :param azure_conn_id: the Airflow connection.
    """

    conn_name_attr = "azure_conn_id"
    default_conn_name = DEFAULT_CONN_ID

    def __init__(self, azure_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.azure_conn_id = azure_conn_id

    def login(self) -> Login:
        """Read who asks, and of which subscription.

        Raises:
            UnknownConnectionError: a connection that is not there, the default excepted.
            InvalidOptionError: a field that can't be read; no subscription.
            MissingExtraError: the SDK is not installed.
        """
        try:
            return _login(self.get_connection(self.azure_conn_id))
        except AirflowNotFoundException as exc:
            return self._embedded(exc)

    async def alogin(self) -> Login:
        """Read who asks, from an event loop; as :meth:`login`."""
        try:
            return _login(await self.aget_connection(self.azure_conn_id))
        except AirflowNotFoundException as exc:
            return self._embedded(exc)

    def arm(self) -> Arm:
        """Open Azure Resource Manager; raises as :meth:`login`."""
        login = self.login()
        from airflow_carbon.azure.arm import Arm

        return Arm(login)

    async def aarm(self) -> AsyncArm:
        """Open Azure Resource Manager in an event loop; raises as :meth:`login`."""
        login = await self.alogin()
        from airflow_carbon.azure.arm import AsyncArm

        return AsyncArm(login)

    def _embedded(self, cause: Exception) -> Login:
        if self.azure_conn_id != DEFAULT_CONN_ID:
            raise UnknownConnectionError(self.azure_conn_id, "azure") from cause
        login = _login_class()
        return login(subscription_id=os.environ.get(SUBSCRIPTION, ""))


def _login(connection: Connection) -> Login:
    return _login_class().parse(connection.extra_dejson, connection.login, connection.password)


def _login_class() -> type[Login]:
    try:
        from airflow_carbon.azure.login import Login
    except ModuleNotFoundError as exc:
        raise MissingExtraError("azure", exc.name or "azure") from exc
    return Login
