"""What Azure Machine Learning's run history tells of a job: its error, its times, its log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Ask, error_of
from airflow_carbon.azure.job import instant
from airflow_carbon.azure.machine_learning import API_VERSION
from airflow_carbon.core.errors import CarbonError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from airflow_carbon.azure.arm import Arm, AsyncArm, Reply, Talk

STD_LOG: Final = "std_log.txt"
"""The file of the run history with what the command printed (Microsoft Learn, "View and
interpret Azure Machine Learning job logs", 2025)."""


def failure_of(arm: Arm, resource: str) -> tuple[str, str]:
    """Return code and message of what a job died of; both empty where nobody can say.

    ``resource`` is the id of a job of Azure Machine Learning. The run history's address is in
    the workspace's discovery document, as Azure's own client finds it.
    """
    try:
        details = _told(arm, resource)
    except CarbonError:
        return "", ""
    return error_of(details.get("error")) if details else ("", "")


def log_of(arm: Arm, resource: str) -> str | None:
    """Return the signed URL of what a job of Azure Machine Learning has printed; None: unknown.

    Raises:
        CarbonError: as ``Arm.send`` does.
    """
    files = _told(arm, resource).get("logFiles") or {}
    return next((str(files[name]) for name in sorted(files) if name.endswith(STD_LOG)), None)


def _told(arm: Arm, resource: str) -> Mapping[str, Any]:
    """Return a run's details; empty where it has none."""
    return arm.talk(_details(resource)) or {}


async def atimes_of(arm: AsyncArm, resource: str) -> tuple[datetime | None, datetime | None]:
    """Return when a job of Azure Machine Learning began to run and ended; None: nobody can say."""
    try:
        details = await arm.talk(_details(resource)) or {}
    except CarbonError:
        return None, None
    return instant(details.get("startTimeUtc")), instant(details.get("endTimeUtc"))


def _details(resource: str) -> Talk[Mapping[str, Any] | None]:
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


def _get(path: str, read: Any) -> Ask[Any]:
    return Ask(method="GET", path=path, api_version=API_VERSION, read=read)


def _discovery_url(reply: Reply) -> str:
    return str(reply.body["properties"]["discoveryUrl"])


def _history(reply: Reply) -> str:
    return str(reply.body["history"]).rstrip("/")


def _body(reply: Reply) -> Mapping[str, Any]:
    body: Mapping[str, Any] = reply.body
    return body
