"""Every quarter of an hour: a pool that is wide while the grid is clean, narrow while it is not.

The pool has to be there: `airflow pools set gpu 4 "as wide as the grid is clean"`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG

from airflow_carbon import CarbonPoolOperator

with DAG(
    "carbon_pool",
    schedule="*/15 * * * *",
    start_date=datetime(2026, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    tags=["carbon"],
    doc_md=__doc__,
):
    CarbonPoolOperator(
        task_id="set_width",
        target_pool="gpu",
        region="swedencentral",
        min_slots=2,
        max_slots=16,
        safe_slots=4,
        retries=2,
        retry_delay=timedelta(minutes=1),
    )
