"""DAGs that a grid starts: by an asset's watcher, and by a timetable."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, Asset, AssetWatcher, task

from airflow_carbon import CarbonAwareTimetable, CarbonPoolOperator, GridTurnsCleanTrigger

CLEAN = Asset(
    "grid:TRIAL",
    watchers=[
        AssetWatcher(
            name="turns_clean",
            trigger=GridTurnsCleanTrigger(
                zone="TRIAL", below=100, dirty_above=200, carbon_conn_id="turning"
            ),
        )
    ],
)

with DAG("when_clean", schedule=[CLEAN]):
    CarbonPoolOperator(
        task_id="widen",
        target_pool="as_clean_as_it_gets",
        zone="TRIAL",
        min_slots=1,
        max_slots=7,
        clean_below=100,
        dirty_above=300,
        carbon_conn_id="turning",
        retries=2,
        retry_delay=timedelta(seconds=2),
    )

with DAG(
    "within_slack",
    schedule=CarbonAwareTimetable(
        "* * * * *", slack="10m", duration="10s", zone="TRIAL", carbon_conn_id="turning"
    ),
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    is_paused_upon_creation=True,
):

    @task(retries=2, retry_delay=timedelta(seconds=2))
    def work() -> None:
        """Do it."""

    work()
