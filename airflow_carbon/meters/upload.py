"""Puts the log where others can read it, when the machine that wrote it goes away."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING

from airflow_carbon import __version__
from airflow_carbon.meters.recorder import warn

if TYPE_CHECKING:
    from pathlib import Path

TRIES = 3
PAUSE_S = 1.0
PATIENCE_S = 20.0
"""How long one try may take; a measurement never keeps a machine for long."""


def upload(log: Path, url: str) -> bool:
    """Put a log at the URL of an Azure blob, whole, and tell whether that worked.

    Never raises: whatever becomes of the measurement, the command's exit code stands. What it
    says of a failure has no query in it, where the signature is.
    """
    shown = url.split("?", 1)[0]
    for attempt in range(1, TRIES + 1):
        try:
            _put(log.read_bytes(), url)
        except (OSError, ValueError) as exc:
            warn(f"the log was not put at {shown} (try {attempt} of {TRIES}): {_said(exc)}")
            if attempt < TRIES:
                time.sleep(PAUSE_S * 2**attempt)
        else:
            return True
    return False


def _put(content: bytes, url: str) -> None:
    """Make the blob (Azure Blob Storage REST API, "Put Blob", 2021-08-06)."""
    headers = {
        "user-agent": f"airflow-carbon/{__version__}",
        "x-ms-blob-type": "BlockBlob",
        "x-ms-version": "2021-08-06",
    }
    request = urllib.request.Request(url, data=content, method="PUT", headers=headers)  # noqa: S310 - the user's own URL
    with urllib.request.urlopen(request, timeout=PATIENCE_S):  # noqa: S310
        pass


def _said(exc: Exception) -> str:
    if isinstance(exc, urllib.error.HTTPError):
        return f"status {exc.code}"
    return type(exc).__name__
