"""Waits in Airflow's database, as its scheduler writes them for a sensor."""

from __future__ import annotations

from datetime import timedelta

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from sqlalchemy import insert, select

from airflow_carbon.sensors.waiting import CARBON_AWARE
from airflow_carbon.triggers.request import SUBMITTED


def known(engine, dag_id):
    """Let Airflow know of a DAG."""

    with engine.begin() as connection:
        if connection.scalar(select(DagBundleModel.name)) is None:
            connection.execute(insert(DagBundleModel.__table__).values(name="trial"))
        if connection.scalar(select(DagModel.dag_id).where(DagModel.dag_id == dag_id)) is None:
            connection.execute(
                insert(DagModel.__table__).values(
                    dag_id=dag_id,
                    bundle_name="trial",
                    max_active_tasks=16,
                    max_consecutive_failed_dag_runs=0,
                    has_task_concurrency_limits=False,
                )
            )


def wait(engine, now, *, dag_id, task_id="wait", run_id="manual__1", **fields):
    """Let a task wait."""

    known(engine, dag_id)
    kwargs = {
        "carbon_conn_id": "carbon_default",
        "region": None,
        "zone": "DE",
        "duration": "3h",
        "deadline": None,
        "max_delay": "30h",
        "earliest": None,
        "submitted": SUBMITTED,
        "carbon_aware": CARBON_AWARE,
        "ends_task": True,
        **fields,
    }
    trigger = Trigger("airflow_carbon.triggers.window.WindowTrigger", kwargs, created_date=now)
    with engine.begin() as connection:
        row = {"classpath": trigger.classpath, "kwargs": trigger.encrypted_kwargs}
        made = connection.execute(
            insert(Trigger.__table__).values(**row, created_date=now - timedelta(minutes=40))
        )
        connection.execute(
            insert(DagRun.__table__).values(
                dag_id=dag_id, run_id=run_id, run_type="manual", run_after=now, conf={}
            )
        )
        connection.execute(
            insert(TaskInstance.__table__).values(
                dag_id=dag_id,
                run_id=run_id,
                task_id=task_id,
                map_index=-1,
                pool="default_pool",
                state="deferred",
                trigger_id=made.inserted_primary_key[0],
            )
        )
