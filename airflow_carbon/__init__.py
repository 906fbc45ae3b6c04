"""Carbon-aware scheduling for Apache Airflow: run when and where the grid is cleanest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

__version__ = "0.1.0"

if TYPE_CHECKING:
    from airflow_carbon.core.calendar import Blackout, ClockTime, DoneBy
    from airflow_carbon.core.policy import Policy
    from airflow_carbon.core.window import best_window
    from airflow_carbon.decorators.carbon_aware import carbon_aware
    from airflow_carbon.meters.measuring import measuring
    from airflow_carbon.notifications.footprint import CarbonNotifier, footprint_text
    from airflow_carbon.operators.azure import AzureTrainingOperator
    from airflow_carbon.operators.azure_carbon import AzureCarbonReportOperator
    from airflow_carbon.operators.budget import CarbonBudgetOperator
    from airflow_carbon.operators.emissions import EmissionsOperator
    from airflow_carbon.operators.gate import RetrainGate
    from airflow_carbon.operators.measured import measuring_task
    from airflow_carbon.operators.pool import CarbonPoolOperator
    from airflow_carbon.operators.queue import PlanQueueOperator
    from airflow_carbon.operators.reconcile import ReconcileOperator
    from airflow_carbon.operators.region import ChooseRegionOperator
    from airflow_carbon.operators.regression import EnergyRegressionOperator
    from airflow_carbon.operators.report import ReportOperator
    from airflow_carbon.sensors.threshold import CarbonIntensitySensor
    from airflow_carbon.sensors.window import CarbonAwareSensor
    from airflow_carbon.timetables.window import CarbonAwareTimetable
    from airflow_carbon.triggers.grid import GridTurnsCleanTrigger

__all__ = [
    "AzureCarbonReportOperator",
    "AzureTrainingOperator",
    "Blackout",
    "CarbonAwareSensor",
    "CarbonAwareTimetable",
    "CarbonBudgetOperator",
    "CarbonIntensitySensor",
    "CarbonNotifier",
    "CarbonPoolOperator",
    "ChooseRegionOperator",
    "ClockTime",
    "DoneBy",
    "EmissionsOperator",
    "EnergyRegressionOperator",
    "GridTurnsCleanTrigger",
    "PlanQueueOperator",
    "Policy",
    "ReconcileOperator",
    "ReportOperator",
    "RetrainGate",
    "__version__",
    "best_window",
    "carbon_aware",
    "footprint_text",
    "measuring",
    "measuring_task",
]

_HOMES: Final = {
    "AzureTrainingOperator": "airflow_carbon.operators.azure",
    "AzureCarbonReportOperator": "airflow_carbon.operators.azure_carbon",
    "Blackout": "airflow_carbon.core.calendar",
    "CarbonAwareSensor": "airflow_carbon.sensors.window",
    "CarbonAwareTimetable": "airflow_carbon.timetables.window",
    "CarbonBudgetOperator": "airflow_carbon.operators.budget",
    "CarbonIntensitySensor": "airflow_carbon.sensors.threshold",
    "CarbonNotifier": "airflow_carbon.notifications.footprint",
    "CarbonPoolOperator": "airflow_carbon.operators.pool",
    "ChooseRegionOperator": "airflow_carbon.operators.region",
    "ClockTime": "airflow_carbon.core.calendar",
    "DoneBy": "airflow_carbon.core.calendar",
    "EmissionsOperator": "airflow_carbon.operators.emissions",
    "EnergyRegressionOperator": "airflow_carbon.operators.regression",
    "GridTurnsCleanTrigger": "airflow_carbon.triggers.grid",
    "PlanQueueOperator": "airflow_carbon.operators.queue",
    "Policy": "airflow_carbon.core.policy",
    "ReconcileOperator": "airflow_carbon.operators.reconcile",
    "ReportOperator": "airflow_carbon.operators.report",
    "RetrainGate": "airflow_carbon.operators.gate",
    "best_window": "airflow_carbon.core.window",
    "carbon_aware": "airflow_carbon.decorators.carbon_aware",
    "footprint_text": "airflow_carbon.notifications.footprint",
    "measuring": "airflow_carbon.meters.measuring",
    "measuring_task": "airflow_carbon.operators.measured",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first asked for (PEP 562): DAG files stay cheap to parse."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
