"""A wait that stands for minutes: the carbon page shows it."""

from __future__ import annotations

from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor

with DAG("page_waits", schedule=None):
    CarbonAwareSensor(
        task_id="until_it_is_clean",
        zone="TRIAL",
        duration="10s",
        max_delay="50m",
        carbon_conn_id="page_grid",
    )
