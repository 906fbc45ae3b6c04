"""What Airflow loads in each of its processes: the timetable; a listener where tasks are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_carbon.listener.choice import Choice
from airflow_carbon.timetables.window import CarbonAwareTimetable

if TYPE_CHECKING:
    from types import ModuleType


def _listeners() -> list[ModuleType | object]:
    choice = Choice.read()
    if not choice:
        return []
    from airflow_carbon.listener.tasks import TaskListener

    return [TaskListener(choice)]


class CarbonPlugin(AirflowPlugin):
    """The timetable, and a listener where ``[carbon] measured_pools`` and the like name tasks."""

    name = "airflow_carbon"
    listeners = _listeners()
    timetables = [CarbonAwareTimetable]  # noqa: RUF012 - Airflow's own is an attribute of each
