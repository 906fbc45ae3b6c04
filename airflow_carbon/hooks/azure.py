"""Azure, found through Airflow's own connection type ``azure``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.errors import UnknownConnectionError

if TYPE_CHECKING:
    from airflow_carbon.azure.arm import Arm
    from airflow_carbon.azure.login import Login

DEFAULT_CONN_ID: Final = "azure_default"


class AzureHook(BaseHook):
    """Opens Azure Resource Manager.

    :param azure_conn_id: an Airflow connection of type ``azure``.
    """

    conn_name_attr = "azure_conn_id"
    default_conn_name = DEFAULT_CONN_ID

    def __init__(self, azure_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.azure_conn_id = azure_conn_id

    def login(self) -> Login:
        """Read the connection.

        Raises:
            UnknownConnectionError: a connection that is not there.
            InvalidOptionError: a field of it that can't be read.
        """
        from airflow_carbon.azure.login import Login

        try:
            found = self.get_connection(self.azure_conn_id)
        except AirflowNotFoundException as exc:
            raise UnknownConnectionError(self.azure_conn_id, "azure") from exc
        return Login.parse(found.extra_dejson, found.login, found.password)

    def arm(self) -> Arm:
        """Open Azure Resource Manager; raises as :meth:`login` does."""
        from airflow_carbon.azure.arm import Arm

        return Arm(self.login())
