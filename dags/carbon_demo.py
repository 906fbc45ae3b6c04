"""The main job, once: choose a region, wait for its cleanest window, train, account."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, EmissionsOperator

# `make demo` and the compose trial let an hour of the grid pass in five seconds.
HOUR = timedelta(seconds=float(os.environ.get("CARBON_DEMO_HOUR_SECONDS", "3600")))

TRAINER = Path(__file__).parent / "training" / "train.py"

with DAG(
    "carbon_demo",
    schedule=None,
    params={
        "regions": "westeurope, northeurope, uksouth, germanywestcentral, spaincentral",
        "train_seconds": 8,
    },
    is_paused_upon_creation=False,
    tags=["carbon"],
    doc_md=__doc__,
):
    choose = ChooseRegionOperator(
        task_id="choose_region",
        regions="{{ params.regions }}",
        duration=2 * HOUR,
        max_delay=24 * HOUR,
    )
    wait = CarbonAwareSensor(
        task_id="wait",
        region=choose.output["region"],
        duration=2 * HOUR,
        max_delay=24 * HOUR,
    )
    train = BashOperator(
        task_id="train",
        bash_command=f"""
            log="${{AIRFLOW_HOME:-$HOME/airflow}}/measurements/{{{{ run_id }}}}.jsonl"
            python -m airflow_carbon.measure --out "$log" -- \
                python {TRAINER} --seconds {{{{ params.train_seconds }}}}
            status=$?
            echo "$log"
            exit $status
        """,
    )
    account = EmissionsOperator(
        task_id="account",
        measurement=train.output,
        plan=wait.output,
        default_region="westeurope",
    )
    wait >> train
