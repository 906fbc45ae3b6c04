"""The past runs of a real Airflow, over its REST API."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import httpx

from airflow_carbon.core.errors import (
    AccessRefusedError,
    InvalidOptionError,
    MalformedReplyError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

SERVICE: Final = "Airflow's API"
PAGE: Final = 100
TIMEOUT: Final = httpx.Timeout(30.0, connect=5.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """A DAG run that succeeded: when it started, and how long it took."""

    dag_id: str
    started_at: datetime
    duration: timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class AirflowApi:
    """The REST API of Airflow 3, version 2.

    ``token`` is a bearer token; without it one is asked for with the user's name and password
    (``POST /auth/token``), or with nothing, as a local trial with all admins allows.
    """

    url: str
    token: str | None = None
    username: str | None = None
    password: str | None = None

    def runs(self, *, begin: datetime, end: datetime, dag_id: str | None) -> Iterator[PastRun]:
        """Yield the successful runs that started in ``[begin, end)``, page by page.

        Raises:
            InvalidOptionError: a URL that can't be.
            ServiceUnavailableError: it can't be reached, refuses, or its answer can't be read.
        """
        if not self.url.startswith(("http://", "https://")):
            raise InvalidOptionError("--from-airflow", self.url, "write http://host:port")
        with httpx.Client(base_url=self.url.rstrip("/"), timeout=TIMEOUT) as client:
            client.headers["Authorization"] = f"Bearer {self.token or self._login(client)}"
            offset, total = 0, 1
            while offset < total:
                params: dict[str, Any] = {
                    "limit": PAGE,
                    "offset": offset,
                    "state": "success",
                    "order_by": "start_date",
                    "start_date_gte": begin.isoformat(),
                    "start_date_lt": end.isoformat(),
                }
                path = f"/api/v2/dags/{dag_id or '~'}/dagRuns"
                page = _read(_send(client, "GET", path, params=params))
                total = int(page.get("total_entries", 0))
                found = page.get("dag_runs") or []
                yield from _past_runs(found)
                offset += max(len(found), 1)

    def _login(self, client: httpx.Client) -> str:
        if self.username:
            body = {"username": self.username, "password": self.password or ""}
            reply = _send(client, "POST", "/auth/token", json=body)
        else:
            reply = _send(client, "GET", "/auth/token")
        token = _read(reply).get("access_token")
        if not token:
            raise MalformedReplyError(SERVICE, "it gave no access_token; use --token")
        return str(token)


def _send(client: httpx.Client, method: str, path: str, **more: Any) -> httpx.Response:
    try:
        reply = client.request(method, path, **more)
    except httpx.TransportError as exc:
        cause = f"{client.base_url} can't be reached: {exc or type(exc).__name__}"
        raise ServiceUnavailableError(SERVICE, cause) from exc
    if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        cause = f"{path} answered {reply.status_code}: give --token, or --username and --password"
        raise AccessRefusedError(SERVICE, cause)
    if reply.is_error:
        raise ServiceUnavailableError(SERVICE, f"{path} answered {reply.status_code}")
    return reply


def _read(reply: httpx.Response) -> dict[str, Any]:
    try:
        body = reply.json()
    except ValueError as exc:
        raise MalformedReplyError(SERVICE, f"{reply.url.path} answered no JSON") from exc
    if not isinstance(body, dict):
        raise MalformedReplyError(SERVICE, f"{reply.url.path} answered no object")
    return body


def _past_runs(rows: list[dict[str, Any]]) -> Iterator[PastRun]:
    for row in rows:
        try:
            begin = datetime.fromisoformat(row["start_date"])
            end = datetime.fromisoformat(row["end_date"])
            dag_id = str(row["dag_id"])
        except (KeyError, TypeError, ValueError) as exc:
            raise MalformedReplyError(SERVICE, f"a DAG run that can't be read: {exc!r}") from exc
        if end > begin:
            yield PastRun(dag_id=dag_id, started_at=begin, duration=end - begin)
