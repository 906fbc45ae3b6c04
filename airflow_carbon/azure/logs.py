"""Where the agent's log of a training in Azure is, and how it comes home."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import httpx

from airflow_carbon.azure.arm import AZURE
from airflow_carbon.azure.history import log_of
from airflow_carbon.azure.login import USER_AGENT
from airflow_carbon.core.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from airflow_carbon.azure.arm import Arm

_PATIENCE_S = 30.0


def fetch(url: str, ca_file: str | None = None) -> bytes:
    """Return what is at a signed URL.

    Raises:
        ServiceUnavailableError: it can't be had; the signature is not told.
    """
    shown = url.split("?", 1)[0]
    try:
        with httpx.Client(timeout=_PATIENCE_S, verify=_trust(ca_file)) as client:
            reply = client.get(url, headers={"User-Agent": USER_AGENT})
            reply.raise_for_status()
    except httpx.HTTPStatusError as exc:
        cause = f"{shown} answers with status {exc.response.status_code}"
        raise ServiceUnavailableError(AZURE, cause) from None
    except (httpx.HTTPError, httpx.InvalidURL) as exc:
        raise ServiceUnavailableError(AZURE, f"{shown}: {type(exc).__name__}") from None
    return reply.content


def _trust(ca_file: str | None) -> Any:
    return ssl.create_default_context(cafile=ca_file) if ca_file else True


def printed(arm: Arm, resource: str) -> str:
    """Return what a job of Azure Machine Learning printed.

    Raises:
        CarbonError: as ``Arm.send`` does; nobody knows where it is, or it can't be had.
    """
    url = log_of(arm, resource)
    if url is None:
        raise ServiceUnavailableError(AZURE, f"no log of {resource} can be had")
    return fetch(url, arm.login.ca_file).decode(errors="replace")
