"""What Airflow reads of this provider at start: names and forms, nothing heavy."""

from __future__ import annotations

from typing import Any

from airflow_carbon import __version__


def get_provider_info() -> dict[str, Any]:
    """Return the provider's description, as Airflow's ``provider_info.schema.json`` has it."""
    name = "Airflow Carbon"
    return {
        "package-name": "airflow-carbon",
        "name": name,
        "description": (
            "Runs expensive work when and where the grid is cleanest, and measures what it emitted."
        ),
        "versions": [__version__],
        "integrations": [{"integration-name": name, "tags": ["service"]}],
        "operators": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.operators.emissions",
                    "airflow_carbon.operators.region",
                ],
            }
        ],
        "sensors": [
            {"integration-name": name, "python-modules": ["airflow_carbon.sensors.window"]}
        ],
        "hooks": [
            {
                "integration-name": name,
                "python-modules": ["airflow_carbon.hooks.carbon", "airflow_carbon.hooks.ledger"],
            }
        ],
        "triggers": [
            {"integration-name": name, "python-modules": ["airflow_carbon.triggers.window"]}
        ],
        "connection-types": [_carbon_connection()],
    }


def _carbon_connection() -> dict[str, Any]:
    return {
        "connection-type": "carbon",
        "hook-class-name": "airflow_carbon.hooks.carbon.CarbonHook",
        "hook-name": "Carbon intensity",
        "conn-fields": {
            "sources": {
                "label": "Sources, best first",
                "description": (
                    "Names divided by commas: typical (bundled typical days, the default) "
                    "and replay (a file). When one fails, the next is asked."
                ),
                "schema": {"type": ["string", "null"], "default": ""},
            },
            "default_region": {
                "label": "Default region",
                "description": (
                    "The Azure region in which jobs would run otherwise: the baseline of every "
                    "comparison. Empty: the region that a job ran in."
                ),
                "schema": {"type": ["string", "null"], "default": ""},
            },
            "replay_file": {
                "label": "Replay file",
                "description": (
                    "CSV or Parquet: instants in the first column, then one column a grid zone, "
                    "in gCO2eq/kWh. The triggerer and the workers must see it at this path. "
                    "Empty: the bundled typical year."
                ),
                "schema": {"type": ["string", "null"], "default": ""},
            },
            "replay_speed": {
                "label": "Replay speed",
                "description": "Seconds of the file that pass in one second.",
                "schema": {"type": ["number", "null"], "default": 1, "exclusiveMinimum": 0},
            },
            "replay_starts_at": {
                "label": "Replay starts at",
                "description": (
                    "When the first row is replayed, ISO 8601 with an offset. Empty: each row "
                    "at its own hour of the week."
                ),
                "schema": {"type": ["string", "null"], "default": ""},
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "schema", "login", "password", "port", "extra"],
            "relabeling": {},
            "placeholders": {"sources": "replay, typical", "default_region": "westeurope"},
        },
    }
