"""What Azure Machine Learning's run history tells of a job: its error, its log, its times."""

from __future__ import annotations

import ssl
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import httpx

from airflow_carbon.azure.arm import AZURE, Ask, error_of
from airflow_carbon.azure.login import USER_AGENT
from airflow_carbon.azure.machine_learning import API_VERSION
from airflow_carbon.core.errors import CarbonError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping
    from pathlib import Path

    from airflow_carbon.azure.arm import Arm, AsyncArm, Reply

_PATIENCE_S = 30.0


def failure_of(arm: Arm, resource: str) -> tuple[str, str]:
    """Return code and message of what a job died of; both empty where nobody can say.

    ``resource`` is the id of a job of Azure Machine Learning. The run history's address is in
    the workspace's discovery document, as Azure's own client finds it.
    """
    details: Mapping[str, Any] | None = None
    asking = _details(resource)
    try:
        ask = next(asking)
        while True:
            ask = asking.send(arm.send(ask))
    except StopIteration as end:
        details = end.value
    except CarbonError:
        return "", ""
    return error_of(details.get("error")) if details else ("", "")


async def atimes_of(arm: AsyncArm, resource: str) -> tuple[datetime | None, datetime | None]:
    """Return when a job of Azure Machine Learning began to run and ended; None: nobody can say."""
    details: Mapping[str, Any] | None = None
    asking = _details(resource)
    try:
        ask = next(asking)
        while True:
            ask = asking.send(await arm.send(ask))
    except StopIteration as end:
        details = end.value
    except CarbonError:
        return None, None
    details = details or {}
    return _instant(details.get("startTimeUtc")), _instant(details.get("endTimeUtc"))


def _details(resource: str) -> Generator[Ask[Any], Any, Mapping[str, Any] | None]:
    """Ask for a run's details, and before that for where they are."""
    workspace, _, name = resource.rpartition("/jobs/")
    if "/workspaces/" not in workspace:
        return None
    discovery = yield _get(workspace, _discovery_url)
    history = yield _get(discovery, _history)
    details: Mapping[str, Any] = yield _get(
        f"{history}/history/v1.0{workspace}/runs/{name}/details", _body
    )
    return details


def _instant(text: object) -> datetime | None:
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo else None


def log_url(url: str, training: str) -> str:
    """Return where the log of a training goes.

    The URL of a blob is used as it is: one training at a time. That of a container, whose signature
    has ``sr=c`` (Microsoft, "Create a service SAS", 2025), is given a blob for each training.

    >>> log_url("https://a.example/logs?sr=c&sig=x", "carbon-1f")
    'https://a.example/logs/carbon-1f.jsonl?sr=c&sig=x'
    """
    parts = urlsplit(url)
    if "c" not in parse_qs(parts.query).get("sr", []):
        return url
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{training}.jsonl"))


def fetch(url: str, to: Path, ca_file: str | None = None) -> None:
    """Fetch a blob by its signed URL into a file, which appears whole or not at all.

    Raises:
        ServiceUnavailableError: it can't be had; the signature is not told.
    """
    shown = url.split("?", 1)[0]
    try:
        with httpx.Client(timeout=_PATIENCE_S, verify=_trust(ca_file)) as client:
            reply = client.get(url, headers={"user-agent": USER_AGENT})
            reply.raise_for_status()
    except httpx.HTTPStatusError as exc:
        cause = f"{shown} answers with status {exc.response.status_code}"
        raise ServiceUnavailableError(AZURE, cause) from None
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise ServiceUnavailableError(AZURE, f"{shown}: {type(exc).__name__}") from None
    to.parent.mkdir(parents=True, exist_ok=True)
    part = to.with_name(f"{to.name}.part")
    part.write_bytes(reply.content)
    part.replace(to)


def _trust(ca_file: str | None) -> Any:
    return ssl.create_default_context(cafile=ca_file) if ca_file else True


def _get(path: str, read: Any) -> Ask[Any]:
    return Ask(method="GET", path=path, api_version=API_VERSION, read=read)


def _discovery_url(reply: Reply) -> str:
    return str(reply.body["properties"]["discoveryUrl"])


def _history(reply: Reply) -> str:
    return str(reply.body["history"]).rstrip("/")


def _body(reply: Reply) -> Mapping[str, Any]:
    body: Mapping[str, Any] = reply.body
    return body
