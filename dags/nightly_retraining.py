"""Retrain every night in the cleanest hours, and be done by 07:00 UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, EmissionsOperator

TRAINER = Path(__file__).parent / "training" / "train.py"

# How long it takes the ledger knows, after nine nights; until then it is taken to be two hours.
# The deadline is nine hours after the run is due: the same instant for a retry.
JOB = {
    "duration": "auto, else 2h",
    "learn_from": "train",
    "deadline": "{{ dag_run.run_after + macros.timedelta(hours=9) }}",
}

with DAG(
    "nightly_retraining",
    schedule="0 22 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["carbon"],
    doc_md=__doc__,
):
    choose = ChooseRegionOperator(task_id="choose_region", regions="Europe", **JOB)
    wait = CarbonAwareSensor(task_id="wait", region=choose.output["region"], **JOB)
    train = BashOperator(
        task_id="train",
        bash_command=f"""
            log="${{AIRFLOW_HOME:-$HOME/airflow}}/measurements/{{{{ run_id }}}}.jsonl"
            python -m airflow_carbon.measure --out "$log" -- \
                python {TRAINER} --seconds 60
            status=$?
            echo "$log"
            exit $status
        """,
    )
    account = EmissionsOperator(
        task_id="account", measurement=train.output, plan=wait.output, default_region="westeurope"
    )
    wait >> train
