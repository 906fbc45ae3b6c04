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
                    "airflow_carbon.operators.azure",
                    "airflow_carbon.operators.azure_carbon",
                    "airflow_carbon.operators.budget",
                    "airflow_carbon.operators.emissions",
                    "airflow_carbon.operators.gate",
                    "airflow_carbon.operators.measured",
                    "airflow_carbon.operators.pool",
                    "airflow_carbon.operators.queue",
                    "airflow_carbon.operators.reconcile",
                    "airflow_carbon.operators.region",
                    "airflow_carbon.operators.regression",
                    "airflow_carbon.operators.report",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.sensors.threshold",
                    "airflow_carbon.sensors.window",
                ],
            }
        ],
        "hooks": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.hooks.airflow_api",
                    "airflow_carbon.hooks.azure",
                    "airflow_carbon.hooks.carbon",
                    "airflow_carbon.hooks.ledger",
                    "airflow_carbon.hooks.offline",
                ],
            }
        ],
        "triggers": [
            {
                "integration-name": name,
                "python-modules": [
                    "airflow_carbon.triggers.azure",
                    "airflow_carbon.triggers.grid",
                    "airflow_carbon.triggers.pausing",
                    "airflow_carbon.triggers.waiting",
                    "airflow_carbon.triggers.window",
                ],
            }
        ],
        "task-decorators": [
            {"name": "measured", "class-name": "airflow_carbon.decorators.measured.measured_task"}
        ],
        "notifications": ["airflow_carbon.notifications.footprint.CarbonNotifier"],
        "extra-links": [
            "airflow_carbon.operators.page_link.CarbonPageLink",
            "airflow_carbon.operators.portal.AzurePortalLink",
        ],
        "connection-types": [_carbon_connection()],
        "config": _configuration(),
    }


def _configuration() -> dict[str, Any]:
    return {
        "carbon": {
            "description": "Waiting for a cleaner grid, and measuring in workers.",
            "options": {
                **_measuring(),
                "pool_policies": _option(
                    "The policy of tasks that name none, by their pool: a JSON object of "
                    "policies as `CarbonAwareSensor(policy=...)` takes them.",
                    '{"gpu": {"workload": "delay_tolerant", "max_delay": "12h"}}',
                ),
            },
        }
    }


def _measuring() -> dict[str, Any]:
    return {
        "worker_region": _option(
            "The Azure region of the workers, where a measured task names no place.",
            "swedencentral",
        ),
        "worker_zone": _option(
            "The grid zone of the workers, where they are in no Azure region.", "SE-SE3"
        ),
        "measured_pools": _option(
            "Pools whose tasks are measured in their worker and written to the ledger, "
            "divided by commas.",
            "gpu, gpu_large",
        ),
        "measured_tags": _option("Tags whose DAGs' tasks are measured likewise.", "training"),
        "measured_operators": _option(
            "Operators whose tasks are measured likewise, by their class, with or without its "
            "module, or as Airflow shows them.",
            "BashOperator, @task.docker, my_company.operators.TrainOperator",
        ),
        "measured_folder": _option(
            "Where workers keep measurements until they are in the ledger. "
            "Empty: the folder `carbon` in AIRFLOW_HOME.",
            "/var/lib/airflow/carbon",
        ),
    }


def _option(description: str, example: str) -> dict[str, Any]:
    return {
        "description": description,
        "version_added": "0.1.0",
        "type": "string",
        "example": example,
        "default": "",
    }


def _carbon_connection() -> dict[str, Any]:
    return {
        "connection-type": "carbon",
        "hook-class-name": "airflow_carbon.hooks.carbon.CarbonHook",
        "hook-name": "Carbon intensity",
        "conn-fields": {
            "sources": _text(
                "Sources, best first",
                "Names divided by commas: electricity_maps, watttime, uk_carbon_intensity, "
                "energy_charts, carbon_aware_sdk, replay, typical. When one fails, the next is "
                "asked. Empty: those whose fields below are filled in, then typical days.",
            ),
            "default_region": _text(
                "Default region",
                "The Azure region in which jobs would run otherwise: the baseline of every "
                "comparison. Empty: the region that a job ran in.",
            ),
            "electricity_maps_token": _secret(
                "Electricity Maps: key", "As the portal shows it; a sandbox key is refused."
            ),
            "electricity_maps_factor_type": _choice(
                "Electricity Maps: emission factors",
                "lifecycle (the default) or direct, which counts the stack alone.",
                ["lifecycle", "direct"],
            ),
            "electricity_maps_granularity": _choice(
                "Electricity Maps: steps",
                "hourly (the default), or finer where the plan allows.",
                ["hourly", "15_minutes", "5_minutes"],
            ),
            "electricity_maps_horizon_hours": _choice(
                "Electricity Maps: horizon [h]",
                "How far ahead the plan lets forecasts reach; 72 without a choice.",
                ["6", "24", "48", "72"],
            ),
            "watttime_username": _text("WattTime: user name", "Of an account with API access."),
            "watttime_password": _secret("WattTime: password", ""),
            "carbon_aware_sdk_url": _text(
                "Carbon Aware SDK: URL", "Where your own Web API listens, http://host:port"
            ),
            "carbon_aware_sdk_signal": _choice(
                "Carbon Aware SDK: signal",
                "What its data source gives: average (Electricity Maps, the default) or marginal "
                "(WattTime). The API does not say.",
                ["average", "marginal"],
            ),
            "replay_file": _text(
                "Replay file",
                "CSV or Parquet: instants in the first column, then one column a grid zone, "
                "in gCO2eq/kWh. The triggerer and the workers must see it at this path. "
                "Empty: the bundled typical year.",
            ),
            "replay_speed": {
                "label": "Replay speed",
                "description": "Seconds of the file that pass in one second.",
                "schema": {"type": ["number", "null"], "default": 1, "exclusiveMinimum": 0},
            },
            "replay_starts_at": _text(
                "Replay starts at",
                "When the first row is replayed, ISO 8601 with an offset. Empty: each row "
                "at its own hour of the week.",
            ),
            "archive_issues": {
                "label": "Archive forecasts",
                "description": (
                    "Keep what services issue in the ledger, so that processes share it and "
                    "plans can be judged later."
                ),
                "schema": {"type": ["boolean", "null"], "default": True},
            },
            "archive_days": {
                "label": "Keep archived forecasts [days]",
                "description": "Older issues and actuals are forgotten; 400 without a number.",
                "schema": {"type": ["number", "null"], "default": 400, "exclusiveMinimum": 0},
            },
        },
        "ui-field-behaviour": {
            "hidden-fields": ["host", "schema", "login", "password", "port", "extra"],
            "relabeling": {},
            "placeholders": {
                "sources": "electricity_maps, typical",
                "default_region": "westeurope",
            },
        },
    }


def _text(label: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "label": label,
        "description": description,
        "schema": {"type": ["string", "null"], "default": "", **schema},
    }


def _secret(label: str, description: str) -> dict[str, Any]:
    return _text(label, description, format="password")


def _choice(label: str, description: str, words: list[str]) -> dict[str, Any]:
    return _text(label, description, enum=["", *words])
