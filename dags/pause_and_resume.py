"""Train in Azure, and pause while the grid is dirtier than was forecast.

The training leaves a checkpoint and goes on from it. When reality leaves the forecast, and a later
window emits enough less, what the stop costs included, the job is cancelled, the task stays
deferred at no cost, and the job is launched again in that window. It is never late for it: the
deadline stands. The ledger has one row for all of its segments.

It needs an account, or the stand-in of the compose trial, which has the connections `azure_default`
and `energy_log`; without them it parses, and its training fails with a word on what is missing.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import DAG

from airflow_carbon import AzureTrainingOperator, CarbonAwareSensor, EmissionsOperator

# In the compose trial an hour of the grid takes five seconds.
HOUR = timedelta(seconds=float(os.environ.get("CARBON_DEMO_HOUR_SECONDS", "3600")))
REGION = "westeurope"
TARGETS = {
    REGION: {
        "kind": "machine_learning",
        "resource_group": f"rg-{REGION}",
        "workspace": f"ml-{REGION}",
        "environment_id": "azureml:airflow-carbon:1",
        "instance_type": "Standard_NC24ads_A100_v4",
    }
}
JOB = {"duration": 4 * HOUR, "max_delay": 20 * HOUR}

# What a stop costs: six minutes of full power, a quarter of an hour since the last checkpoint and
# until the machine is back at work; at most four segments.
STOPPING = {"energy_h": 0.1, "time": HOUR / 4, "most": 4}

TRAINER = Path(__file__).parent / "training" / "train.py"
LOG = f"{os.environ.get('AIRFLOW_HOME', '~/airflow')}/measurements/{{{{ run_id }}}}.jsonl"

with DAG(
    "pause_and_resume",
    schedule="0 20 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"train_seconds": 10},
    default_args={"retries": 2, "retry_delay": HOUR / 12},
    tags=["carbon"],
    doc_md=__doc__,
):
    wait = CarbonAwareSensor(task_id="wait", region=REGION, **JOB)
    train = AzureTrainingOperator(
        task_id="train",
        # The checkpoint lies where every machine of the workspace finds it: in a mounted store.
        command=f"exec python {TRAINER} --seconds {{{{ params.train_seconds }}}} "
        "--checkpoint /tmp/{{ run_id | replace(':', '-') }}.npz",
        targets=TARGETS,
        region=REGION,
        pause={**JOB, "stopping": STOPPING, "drift": {"share": 0.2, "lasting": HOUR / 2}},
        measurement_url="{{ conn.energy_log.password }}",
        measurement=LOG,
        poll_interval=max(HOUR / 120, timedelta(seconds=1)),
    )
    account = EmissionsOperator(
        task_id="account", measurement=LOG, plan=wait.output, job=train.output
    )
    wait >> train >> account
