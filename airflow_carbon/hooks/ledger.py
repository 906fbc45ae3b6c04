"""The ledger, found through Airflow: a connection, or SQLite in AIRFLOW_HOME."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.core.errors import InvalidOptionError, UnknownConnectionError

if TYPE_CHECKING:
    from airflow.sdk import Connection
    from sqlalchemy import URL

    from airflow_carbon.ledger.store import Ledger

DEFAULT_CONN_ID: Final = "carbon_ledger"

DRIVERS: Final = {"postgres": "postgresql+psycopg2", "postgresql": "postgresql+psycopg2"}


class LedgerHook(BaseHook):
    """Opens the metrics table.

    Without a connection ``carbon_ledger`` it is ``carbon.db``, SQLite, in AIRFLOW_HOME.

    :param ledger_conn_id: an Airflow connection of type ``postgres`` or ``sqlite``.
    """

    conn_name_attr = "ledger_conn_id"
    default_conn_name = DEFAULT_CONN_ID

    def __init__(self, ledger_conn_id: str = DEFAULT_CONN_ID) -> None:
        super().__init__()
        self.ledger_conn_id = ledger_conn_id

    def ledger(self) -> Ledger:
        """Open the ledger, and bring its tables up to date.

        Raises:
            UnknownConnectionError: a connection that is not there, the default excepted.
            InvalidOptionError: a connection of a type that can't hold a ledger.
            LedgerError: the database can't be reached or written.
        """
        from airflow_carbon.ledger.store import Ledger

        return Ledger.open(self.url())

    def url(self) -> str | URL:
        """Return where the ledger is; raises as :meth:`ledger` does."""
        try:
            return _url(self.get_connection(self.ledger_conn_id))
        except AirflowNotFoundException as exc:
            return self._default(exc)

    async def aurl(self) -> str | URL:
        """Return where the ledger is, from an event loop; raises as :meth:`ledger` does."""
        try:
            return _url(await self.aget_connection(self.ledger_conn_id))
        except AirflowNotFoundException as exc:
            return self._default(exc)

    def _default(self, missing: Exception) -> str:
        if self.ledger_conn_id != DEFAULT_CONN_ID:
            raise UnknownConnectionError(self.ledger_conn_id, "postgres") from missing
        return f"sqlite:///{_airflow_home() / 'carbon.db'}"


def _airflow_home() -> Path:
    from airflow.configuration import AIRFLOW_HOME

    return Path(AIRFLOW_HOME)


def _url(connection: Connection) -> URL:
    from sqlalchemy import URL

    if connection.conn_type == "sqlite":
        return URL.create("sqlite", database=connection.host or connection.schema)
    driver = DRIVERS.get(connection.conn_type or "")
    if driver is None:
        remedy = "the ledger lives in PostgreSQL or SQLite: use a connection of that type"
        raise InvalidOptionError("conn_type", connection.conn_type, remedy)
    return URL.create(
        driver,
        username=connection.login,
        password=connection.password,
        host=connection.host,
        port=connection.port,
        database=connection.schema,
        query={k: str(v) for k, v in connection.extra_dejson.items() if k in _QUERY},
    )


_QUERY: Final = {"sslmode", "sslrootcert", "sslcert", "sslkey", "connect_timeout", "options"}
"""What psycopg2 takes of a connection's extra; the rest is Airflow's own."""
