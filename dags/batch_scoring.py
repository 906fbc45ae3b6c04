"""Score the customers in the night's cleanest hour, in parts, and be done when work begins.

One wait stands before all the parts: it is asked once when they begin, not once a part. Each part
counts its own energy and the customers it scored, so that the ledger knows what a thousand
inferences emit; the last task says so where they emit too much.
"""

from __future__ import annotations

from datetime import UTC, datetime

from airflow.sdk import DAG, task

from airflow_carbon import CarbonAwareSensor, CarbonBudgetOperator, DoneBy, Policy

PARTS = 3
CUSTOMERS = 20_000

# Done by seven on a working day in Amsterdam; for under 2 % less it is not worth the wait.
BY_MORNING = Policy(
    done_by=DoneBy(at="07:00", days="working", time_zone="Europe/Amsterdam", holidays="NL"),
    min_saving="2%",
)

with DAG(
    "batch_scoring",
    schedule="0 20 * * 0-4",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    default_args={"retries": 2},
    tags=["carbon"],
    doc_md=__doc__,
):
    wait = CarbonAwareSensor(task_id="wait", region="westeurope", duration="1h", policy=BY_MORNING)

    @task
    def parts() -> list[int]:
        """Return the parts of the customers."""
        return list(range(PARTS))

    @task.measured(
        plan=wait.output,
        model="churn_scores",
        functional_units=CUSTOMERS,
        functional_unit="inference",
        max_active_tis_per_dagrun=2,
    )
    def score(part: int) -> float:
        """Return the mean score of a part; your model goes here."""
        import numpy as np  # noqa: PLC0415 - the parser of DAGs needs none

        rng = np.random.default_rng(part)
        features, weights = rng.normal(size=(CUSTOMERS, 64)), rng.normal(size=64)
        return float((1 / (1 + np.exp(-features @ weights))).mean())

    too_much = CarbonBudgetOperator(
        task_id="too_much",
        limit="100 mg",
        per="thousand inferences",
        model="churn_scores",
        on_exceed="warn",
    )
    scored = score.expand(part=parts())
    wait >> scored >> too_much
