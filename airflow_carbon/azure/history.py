"""What Azure Machine Learning's run history tells of a job that failed: its error, its log."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx

from airflow_carbon.azure.arm import AZURE, Ask, error_of
from airflow_carbon.azure.machine_learning import API_VERSION
from airflow_carbon.core.errors import CarbonError, ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from airflow_carbon.azure.arm import Arm, Reply

_PATIENCE_S = 30.0


def failure_of(arm: Arm, resource: str) -> tuple[str, str]:
    """Return code and message of what a job died of; both empty where nobody can say.

    ``resource`` is the id of a job of Azure Machine Learning. The run history's address is in
    the workspace's discovery document, as Azure's own client finds it.
    """
    workspace, _, name = resource.rpartition("/jobs/")
    if not workspace:
        return "", ""
    try:
        discovery = arm.send(_get(workspace, _discovery_url))
        history = arm.send(_get(discovery, _history))
        details = arm.send(_get(f"{history}/history/v1.0{workspace}/runs/{name}/details", _body))
    except CarbonError:
        return "", ""
    return error_of(details.get("error"))


def fetch(url: str, to: Path, ca_file: str | None = None) -> None:
    """Fetch a blob by its signed URL into a file, which appears whole or not at all.

    Raises:
        ServiceUnavailableError: it can't be had; the signature is not told.
    """
    shown = url.split("?", 1)[0]
    try:
        with httpx.Client(timeout=_PATIENCE_S, verify=_trust(ca_file)) as client:
            reply = client.get(url)
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
