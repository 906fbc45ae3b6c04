"""Trainings in a stand-in for Azure."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG

from airflow_carbon import AzureTrainingOperator, EmissionsOperator


def target(region):
    """Return the profile of a region."""
    return {
        "kind": "machine_learning",
        "resource_group": f"rg-{region}",
        "workspace": f"ml-{region}",
        "environment_id": "azureml:torch:1",
        "instance_type": "Standard_NC24ads_A100_v4",
    }


TARGETS = {region: target(region) for region in ("swedencentral", "francecentral")}

# Airflow may take a task for dead that goes on a moment after it was deferred, if the scheduler has
# not heard of its deferral yet. A second try finds the job.
ARGS = {"retries": 1, "retry_delay": timedelta(seconds=1)}

with DAG("azure_training", schedule=None, params={"command": "sleep 3"}, default_args=ARGS):
    AzureTrainingOperator(
        task_id="train",
        command="{{ params.command }}",
        targets=TARGETS,
        region="swedencentral",
        measure=False,
        poll_interval="1s",
        azure_conn_id="azure_stand_in",
    )

with DAG("azure_measured", schedule=None, params={"file": ""}, default_args=ARGS):
    train = AzureTrainingOperator(
        task_id="train",
        command="sleep 2",
        targets=TARGETS,
        measurement_url="{{ conn.own_log.password }}",
        measurement="{{ params.file }}",
        poll_interval="1s",
        azure_conn_id="azure_stand_in",
    )
    account = EmissionsOperator(
        task_id="account",
        measurement="{{ params.file }}",
        job=train.output,
        azure_conn_id="azure_stand_in",
    )
    train >> account

with DAG(
    "azure_paused",
    schedule=None,
    params={"command": "sleep 3", "file": ""},
    default_args=ARGS,
):
    train = AzureTrainingOperator(
        task_id="train",
        command="{{ params.command }}",
        targets=TARGETS,
        region="swedencentral",
        pause={
            "duration": "200s",
            "max_delay": "10m",
            "drift": {"share": 0.2, "lasting": "2s"},
            "stopping": {"time": "1s", "most": 2},
            "carbon_conn_id": "leaving",
        },
        measurement_url="{{ conn.energy_of_pauses.password }}",
        measurement="{{ params.file }}",
        poll_interval="1s",
        azure_conn_id="azure_stand_in",
    )
    account = EmissionsOperator(
        task_id="account",
        measurement="{{ params.file }}",
        region=train.output["region"],
        carbon_conn_id="leaving",
    )
    train >> account
