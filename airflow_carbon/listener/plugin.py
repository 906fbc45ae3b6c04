"""What Airflow loads in each of its processes: the timetable; a listener where tasks are chosen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    """The timetable, and a listener where ``[carbon] measured_pools`` and the like name tasks."""

    name = "airflow_carbon"
    listeners = _listeners()

    @property
    def timetables(self) -> list[Any]:  # type: ignore[override] # Airflow reads it, once
        """The timetable: loaded where Airflow asks for it, which in its workers it does not."""
        from airflow_carbon.timetables.window import CarbonAwareTimetable

        return [CarbonAwareTimetable]
