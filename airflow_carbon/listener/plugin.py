"""What Airflow loads in each of its processes: nothing, unless the configuration chooses tasks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_carbon.listener.choice import Choice

if TYPE_CHECKING:
    from types import ModuleType


def _listeners() -> list[ModuleType | object]:
    choice = Choice.read()
    if not choice:
        return []
    from airflow_carbon.listener.tasks import TaskListener

    return [TaskListener(choice)]


class CarbonPlugin(AirflowPlugin):
    """Listens to tasks where ``[carbon] measured_pools``, ``_tags`` or ``_operators`` name some."""

    name = "airflow_carbon"
    listeners = _listeners()
