"""Airflow's own REST API, found through a connection, or where tasks report to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow.sdk import BaseHook
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.errors import UnknownConnectionError

if TYPE_CHECKING:
    from airflow.sdk import Connection

    from airflow_carbon.services.airflow_pools import AirflowPools

DEFAULT_CONN_ID: Final = "airflow_api"


class AirflowApiHook(BaseHook):
    """Opens Airflow's REST API for a task, which may not touch the metadata database.

    The connection, of type ``http``, has host and port, or a whole URL as host; ``https`` as schema
    where it is; login and password of a user who may edit pools, or ``{"token": "..."}`` in its
    extra. Without a connection ``airflow_api`` it is the API server that tasks report to
    (``[core] execution_api_server_url``), asked for a token with no password: a trial's.

    :param airflow_conn_id: the Airflow connection.
    """

    conn_name_attr = "airflow_conn_id"
    default_conn_name = DEFAULT_CONN_ID

    def __init__(self, airflow_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.airflow_conn_id = airflow_conn_id

    def pools(self) -> AirflowPools:
        """Return the pools of that Airflow.

        Raises:
            UnknownConnectionError: a connection that is not there, the default excepted.
        """
        from airflow_carbon.services.airflow_pools import AirflowPools

        try:
            connection = self.get_connection(self.airflow_conn_id)
        except AirflowNotFoundException as exc:
            if self.airflow_conn_id != DEFAULT_CONN_ID:
                instead = "leave the argument out to ask the API server that tasks report to"
                raise UnknownConnectionError(self.airflow_conn_id, "http", instead) from exc
            return AirflowPools(url=_own_url())
        return AirflowPools(
            url=_url(connection),
            token=connection.extra_dejson.get("token"),
            username=connection.login or None,
            password=connection.password,
        )


def _url(connection: Connection) -> str:
    host = (connection.host or "").rstrip("/")
    if not host:
        return _own_url()
    if "://" not in host:
        host = f"{connection.schema or 'http'}://{host}"
    return f"{host}:{connection.port}" if connection.port else host


def _own_url() -> str:
    reported_to = str(conf.get("core", "execution_api_server_url", fallback="") or "")
    base = str(conf.get("api", "base_url", fallback="") or "http://localhost:8080")
    return (reported_to.rstrip("/").removesuffix("/execution") or base).rstrip("/")
