"""Two nights of a model: one in which it is trained, and those in which it is not."""

from __future__ import annotations

import sys

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, Asset

from airflow_carbon import (
    CarbonBudgetOperator,
    EmissionsOperator,
    EnergyRegressionOperator,
    RetrainGate,
)

CHURN = Asset("churn_model")

with DAG("gated", schedule=None, params={"psi": 0.3, "limit": "20 kg", "path": ""}):
    gate = RetrainGate(
        task_id="gate",
        metric="{{ params.psi }}",
        threshold=0.2,
        model="gated",
        limit="{{ params.limit }}",
    )
    train = BashOperator(
        task_id="train",
        bash_command=f"{sys.executable} -m airflow_carbon.measure --out {{{{ params.path }}}} -- "
        f"{sys.executable} -c 'sum(range(10**7))'",
    )
    account = EmissionsOperator(
        task_id="account",
        measurement="{{ params.path }}",
        region="francecentral",
        model="gated",
        functional_units=2,
        functional_unit="epochs",
        outlets=[CHURN],
    )
    alarm = EnergyRegressionOperator(task_id="alarm")
    spent = CarbonBudgetOperator(task_id="spent", limit="1 kg", per="run", model="gated")
    always = EmptyOperator(task_id="always", trigger_rule="all_done")
    gate >> train >> account >> [alarm, spent] >> always
