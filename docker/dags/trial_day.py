"""What goes on by itself in the compose trial: a day of the grid in two minutes, over and over.

Five models are trained again as often as their slack allows, in their regions' cleanest hours; a
month's budget stands before each, and each is measured and accounted for. The main job
(`carbon_demo`, a training in the stand-in for Azure) is started every third day, and what the grids
do is kept in the ledger. To stop any of it, pause its DAG.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.trigger_dagrun import TriggerDagRunOperator
from airflow.sdk import DAG, task

from airflow_carbon import CarbonAwareSensor, CarbonBudgetOperator

HOUR = timedelta(seconds=5)
"""How long an hour of the grid takes: `replay_speed` in docker-compose.yaml says the same."""

DAY = 24 * HOUR
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)

MODELS = {
    # model: where it is trained, for how long, and how much later that may begin
    "churn": ("westeurope", 4 * HOUR, 24 * HOUR),
    "demand": ("uksouth", 3 * HOUR, 12 * HOUR),
    "fraud": ("northeurope", 3 * HOUR, 30 * HOUR),
    "search": ("spaincentral", 2 * HOUR, 36 * HOUR),
    "vision": ("germanywestcentral", 4 * HOUR, 36 * HOUR),
}
ZONES = ("DE", "ES", "GB", "IE", "NL")
"""Of these models' regions and of the main job's."""

SHOWN = {"tags": ["carbon", "trial"], "doc_md": __doc__, "is_paused_upon_creation": False}
AGAIN = {"retries": 2, "retry_delay": HOUR}


def train_for(seconds: float, share: float = 0.3) -> float:
    """Use the processor for a share of a while, as if data had to be waited for in between."""
    loss, end = 1.0, time.monotonic() + seconds
    while time.monotonic() < end:
        busy = time.thread_time() + share * 0.1
        while time.thread_time() < busy:
            loss -= loss / 1e6
        time.sleep((1 - share) * 0.1)
    return loss


for model, (region, duration, slack) in MODELS.items():
    with DAG(
        f"trial_{model}",
        schedule=slack,  # each at a pace of its own: some wait at any time
        start_date=BEGIN,
        catchup=False,
        max_active_runs=3,
        default_args=AGAIN,
        **SHOWN,
    ):
        # Before the wait, though it belongs behind it: a task's start takes Airflow a second or
        # two, which is half an hour here.
        budget = CarbonBudgetOperator(task_id="budget", model=model, limit="10 g", on_exceed="skip")
        wait = CarbonAwareSensor(
            task_id="wait", region=region, duration=duration, max_delay=slack, min_saving="2%"
        )

        @task.measured(
            plan=wait.output, model=model, functional_units=duration / HOUR, functional_unit="epoch"
        )
        def train(seconds: float) -> float:
            """Return the loss."""
            return train_for(seconds)

        budget >> wait >> train(duration.total_seconds())

with DAG(
    "trial_azure", schedule=3 * DAY, start_date=BEGIN, catchup=False, default_args=AGAIN, **SHOWN
):
    TriggerDagRunOperator(task_id="start", trigger_dag_id="carbon_demo")

with DAG(
    "trial_grids",
    schedule=timedelta(minutes=1),
    start_date=BEGIN,
    catchup=False,
    max_active_runs=1,
    default_args=AGAIN,
    **SHOWN,
):

    @task
    def keep() -> None:
        """Keep the grids' next two days, and the one that is over, in the ledger's archive.

        What services issue is kept by whoever asks for it; what is replayed is not, otherwise.
        """
        from airflow_carbon import clock  # noqa: PLC0415 - parsing stays cheap
        from airflow_carbon.hooks.carbon import CarbonHook  # noqa: PLC0415
        from airflow_carbon.hooks.ledger import LedgerHook  # noqa: PLC0415
        from airflow_carbon.ledger.archive import Archive  # noqa: PLC0415
        from airflow_carbon.services.calls import send  # noqa: PLC0415

        now = clock.now()
        (grid,) = CarbonHook().sources()
        with LedgerHook().ledger() as ledger:
            archive = Archive(ledger)
            for zone in ZONES:
                archive.keep(send(grid.forecast(zone, now=now, until=now + 2 * DAY)))
                past = send(grid.history(zone, begin=now - DAY, end=now))
                archive.keep_actuals(grid.name, past)
            archive.prune(now - timedelta(days=1))

    keep()
