"""Plan a sweep as a fleet: many trainings that share two machines, each at its own time.

`hyperparameter_sweep` plans them together, so that not all want the same clean hour, and creates a
run of `sweep_member` for each, to start when its turn is. Until then a run is a row in Airflow's
database, without a task and without a trigger. A retry of the plan starts none twice.

Both DAGs have to be unpaused. The XCom of `plan` has what all of them are expected to emit,
`total_g`, and `bound_g`, below which no plan is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from typing import Any

from airflow.sdk import DAG, task

from airflow_carbon import PlanQueueOperator

REGION = "swedencentral"
MACHINES = 2

SWEEP = [
    {
        "dag_id": "sweep_member",
        "name": f"rate-{rate:g}-width-{width}",
        "duration": "90m",
        "max_delay": "{{ params.max_delay }}",
        "power_kw": 0.4,
        "conf": {"rate": rate, "width": width},
    }
    for rate, width in product((0.003, 0.01, 0.03), (64, 128))
]
SHOWN = {"tags": ["carbon"], "doc_md": __doc__}

with DAG(
    "hyperparameter_sweep",
    schedule="0 18 * * 5",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    params={"max_delay": "36h"},
    default_args={"retries": 2},
    **SHOWN,
):
    PlanQueueOperator(task_id="plan", runs=SWEEP, regions=REGION, slots=MACHINES)

with DAG(
    "sweep_member",
    schedule=None,
    max_active_runs=MACHINES,
    params={"rate": 0.01, "width": 64},
    default_args={"retries": 2},
    **SHOWN,
):

    @task.measured(
        region=REGION, model="sweep", functional_units=200, functional_unit="step of training"
    )
    def train(params: dict[str, Any]) -> float:
        """Return the loss of a small regression; your training goes here."""
        import numpy as np  # noqa: PLC0415 - the parser of DAGs needs none

        rng = np.random.default_rng(0)
        x = rng.normal(size=(2_000, params["width"]))
        y, weights = x @ rng.normal(size=params["width"]), np.zeros(params["width"])
        for _ in range(200):
            weights -= params["rate"] * x.T @ (x @ weights - y) / len(x)
        return float(np.mean((x @ weights - y) ** 2))

    train()
