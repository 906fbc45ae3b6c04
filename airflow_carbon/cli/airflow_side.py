"""What this machine's Airflow says of itself, in a process that is no task."""

from __future__ import annotations

import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.errors import CarbonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import datetime

    import httpx

CONTEXT: Final = "_AIRFLOW_PROCESS_CONTEXT"
"""What Airflow's own commands set to ``server``, so that connections are read from its database."""

PREFIX: Final = "AIRFLOW_CONN_"

API: Final = "Airflow's API"


class NoDatabaseError(CarbonError):
    """Airflow's database can't be read from here."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"Airflow's database can't be read: {self.fault}"


class BrokenAirflowError(CarbonError):
    """Airflow can't even be imported."""

    def __init__(self, fault: str) -> None:
        super().__init__(fault)
        self.fault = fault

    def __str__(self) -> str:
        return f"Airflow can't start here: {self.fault}; `airflow version` says the same"


def import_airflow() -> None:
    """Have Airflow read its configuration and set itself up.

    Raises:
        BrokenAirflowError: it can't: its configuration, its folder, its installation.
    """
    try:
        import airflow.settings  # noqa: F401, PLC0415 - for what it does
    except Exception as exc:
        fault = " ".join(f"{type(exc).__name__}: {exc}".split())
        raise BrokenAirflowError(fault) from exc


def missing_database() -> Path | None:
    """Return the file that Airflow's database would be, where it is not there yet."""
    from airflow.configuration import conf  # noqa: PLC0415 - only where Airflow is asked
    from sqlalchemy import make_url  # noqa: PLC0415

    url = make_url(conf.get("database", "sql_alchemy_conn"))
    if url.get_backend_name() != "sqlite" or not url.database:
        return None
    file = Path(url.database)
    return None if file.exists() and file.stat().st_size else file


@contextmanager
def its_connections() -> Iterator[None]:
    """Have hooks find the connections of Airflow's database, too, where there is one.

    Without it they see the environment and secrets backends alone. In a worker, which may not
    read the database, Airflow has decided already, and it stays so.
    """
    if CONTEXT in os.environ or missing_database() is not None:
        yield
        return
    os.environ[CONTEXT] = "server"
    try:
        yield
    finally:
        os.environ.pop(CONTEXT, None)


def connection_ids(conn_type: str) -> list[str]:
    """Return the connections of a type in the environment and in Airflow's database.

    What a secrets backend has can't be listed.

    Raises:
        NoDatabaseError: the database is there, and can't be read.
    """
    from airflow.sdk import BaseHook  # noqa: PLC0415 - only where Airflow is asked

    found = []
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and os.environ[name]:
            conn_id = name.removeprefix(PREFIX).lower()
            try:
                if BaseHook.get_connection(conn_id).conn_type == conn_type:
                    found.append(conn_id)
            except Exception:  # noqa: BLE001, S112 - one that can't be parsed is of no known type
                continue
    return [*found, *(one for one in _in_database(conn_type) if one not in found)]


def _in_database(conn_type: str) -> list[str]:
    if missing_database() is not None:
        return []
    from airflow.models.connection import Connection  # noqa: PLC0415
    from airflow.utils.session import create_session  # noqa: PLC0415
    from sqlalchemy import select  # noqa: PLC0415

    asked = select(Connection.conn_id).where(Connection.conn_type == conn_type)
    try:
        with create_session() as session:
            return sorted(session.scalars(asked.order_by(Connection.conn_id)))
    except Exception as exc:
        line = " ".join(str(getattr(exc, "orig", None) or exc).split())
        remedy = "; `airflow db migrate`" if "no such table" in line or "not exist" in line else ""
        raise NoDatabaseError(line + remedy) from exc


def registered() -> tuple[str | None, bool, list[str]]:
    """Return which version of this provider Airflow knows, whether it loaded the plugin, errors."""
    from airflow import plugins_manager  # noqa: PLC0415 - it loads every plugin
    from airflow.providers_manager import ProvidersManager  # noqa: PLC0415

    provider = ProvidersManager().providers.get("airflow-carbon")
    plugins_manager.ensure_plugins_loaded()
    names = {one["name"] for one in plugins_manager.get_plugin_info(["name"])}
    errors = [
        f"{source}: {' '.join(str(error).split())}"
        for source, error in plugins_manager.get_import_errors().items()
        if "airflow_carbon" in f"{source} {error}" or "airflow-carbon" in source
    ]
    return provider.version if provider else None, "airflow_carbon" in names, errors


def health_in_database() -> Mapping[str, Mapping[str, str | None]]:
    """Return Airflow's health as its API gives it, from its database.

    Raises:
        NoDatabaseError: it is there, and can't be read.
    """
    from airflow.api.common.airflow_health import get_airflow_health  # noqa: PLC0415

    _in_database("carbon")  # it says why; Airflow's own function does not
    health: dict[str, dict[str, str | None]] = get_airflow_health()
    return health


def health_over_api(url: str) -> tuple[Mapping[str, Any], datetime | None]:
    """Return Airflow's health by its API, and what time it is there.

    Raises:
        ServiceUnavailableError: it can't be reached, or its answer can't be read.
    """
    from airflow_carbon.services.calls import send  # noqa: PLC0415 - only where it is asked
    from airflow_carbon.services.http import Http  # noqa: PLC0415

    address = f"{url.rstrip('/')}/api/v2/monitor/health"
    return send(Http(service=API, url=address, read=_health))


def _health(reply: httpx.Response) -> tuple[Mapping[str, Any], datetime | None]:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415

    body = reply.json()
    body["metadatabase"]["status"]
    date = reply.headers.get("date")
    return body, parsedate_to_datetime(date) if date else None
