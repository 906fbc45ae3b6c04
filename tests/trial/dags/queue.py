"""A queue of DAG runs, and the DAG that they run."""

from __future__ import annotations

from airflow.sdk import DAG, task

from airflow_carbon import CarbonAwareSensor, PlanQueueOperator

with DAG("queued", schedule=None):
    wait = CarbonAwareSensor(
        task_id="wait",
        region="{{ dag_run.conf['carbon_plan']['region'] }}",
        duration="10s",
        max_delay="10m",
        carbon_conn_id="valley",
    )

    @task
    def train(dag_run=None) -> dict[str, str]:
        """Return the plan that this run was started with."""
        return dag_run.conf["carbon_plan"]

    wait >> train()

with DAG("queue", schedule=None):
    PlanQueueOperator(
        task_id="plan",
        runs=[
            {"dag_id": "queued", "name": f"model{i}", "duration": "10s", "max_delay": "60s"}
            for i in range(3)
        ],
        regions="francecentral",
        slots=1,
        carbon_conn_id="valley",
    )

with DAG("queue_of_what_is_not_there", schedule=None):
    PlanQueueOperator(
        task_id="plan",
        runs=[
            {"dag_id": name, "name": f"of_{name}", "duration": "10s", "max_delay": "60s"}
            for name in ("nowhere", "queued")
        ],
        regions="francecentral",
        carbon_conn_id="valley",
    )
