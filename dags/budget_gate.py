"""Retrain at night, where the model has decayed and the month's budget has room for it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, Asset, task

from airflow_carbon import (
    CarbonAwareSensor,
    CarbonBudgetOperator,
    EmissionsOperator,
    EnergyRegressionOperator,
    RetrainGate,
)

TRAINER = Path(__file__).parent / "training" / "train.py"
CHURN = Asset("churn_model")

with DAG(
    "budget_gate",
    schedule="0 22 * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"drift": 0.31, "seconds": 60},
    tags=["carbon"],
    doc_md=__doc__,
):

    @task
    def drift(params: dict[str, float]) -> float:
        """Return how far today's inputs are from those of the training (PSI)."""
        return params["drift"]

    wait = CarbonAwareSensor(
        task_id="wait", region="westeurope", duration="1h", max_delay="8h", retries=2
    )
    gate = RetrainGate(
        task_id="gate",
        metric=drift(),
        threshold=0.2,
        model="churn",
        limit="20 kg",
        per="month",
        retries=2,
    )
    train = BashOperator(
        task_id="train",
        bash_command=f"""
            log="${{AIRFLOW_HOME:-$HOME/airflow}}/measurements/{{{{ run_id }}}}.jsonl"
            python -m airflow_carbon.measure --out "$log" -- \
                python {TRAINER} --seconds {{{{ params.seconds }}}}
            status=$?
            echo "$log"
            exit $status
        """,
    )
    account = EmissionsOperator(
        task_id="account",
        measurement=train.output,
        plan=wait.output,
        model="churn",
        functional_units="{{ params.seconds }}",
        functional_unit="second of training",
        outlets=[CHURN],
    )
    alarm = EnergyRegressionOperator(task_id="alarm", model="churn", tolerance="25%")
    one_run = CarbonBudgetOperator(
        task_id="one_run", limit="2 kg", per="run", model="churn", on_exceed="warn"
    )
    gate >> wait >> train
    account >> [alarm, one_run]
