"""The main job, once: choose a region, wait for its cleanest window, train there, account."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_carbon import (
    AzureTrainingOperator,
    CarbonAwareSensor,
    ChooseRegionOperator,
    EmissionsOperator,
)

# `make demo` and the compose trial let an hour of the grid pass in five seconds, and train in a
# stand-in for Azure. With an account, the connections azure_default and energy_log are yours, and
# these are the names of your workspaces.
HOUR = timedelta(seconds=float(os.environ.get("CARBON_DEMO_HOUR_SECONDS", "3600")))
REGIONS = os.environ.get(
    "CARBON_DEMO_REGIONS", "westeurope, northeurope, uksouth, germanywestcentral, spaincentral"
)
TARGETS = {
    region: {
        "kind": "machine_learning",
        "resource_group": f"rg-{region}",
        "workspace": f"ml-{region}",
        "environment_id": "azureml:airflow-carbon:1",
        "instance_type": "Standard_NC24ads_A100_v4",
    }
    for region in REGIONS.split(", ")
}
JOB = {"duration": 2 * HOUR, "max_delay": 24 * HOUR}

TRAINER = Path(__file__).parent / "training" / "train.py"
LOGS = Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "measurements"

with DAG(
    "carbon_demo",
    schedule=None,
    params={"train_seconds": 8},
    is_paused_upon_creation=False,
    tags=["carbon"],
    doc_md=__doc__,
):
    choose = ChooseRegionOperator(task_id="choose_region", regions=REGIONS, **JOB)
    wait = CarbonAwareSensor(task_id="wait", region=choose.output["region"], **JOB)
    train = AzureTrainingOperator(
        task_id="train",
        command=f"python {TRAINER} --seconds {{{{ params.train_seconds }}}}",
        targets=TARGETS,
        region=choose.output["region"],
        ranking=choose.output["ranking"],
        measurement_url="{{ conn.energy_log.password }}",
        measurement=f"{LOGS}/{{{{ run_id }}}}.jsonl",
        poll_interval=max(HOUR / 120, timedelta(seconds=1)),
        retries=2,
        retry_delay=HOUR / 12,
    )
    account = EmissionsOperator(
        task_id="account",
        measurement=f"{LOGS}/{{{{ run_id }}}}.jsonl",
        plan=wait.output,
        job=train.output,
        default_region="westeurope",
    )
    wait >> train >> account
