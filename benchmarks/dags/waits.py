"""The same three hundred waits twice: from the triggerer, and deferred from a worker."""

from airflow.sdk import DAG

from airflow_carbon import CarbonAwareSensor

WAITS = 300

for name, from_trigger in (("from_triggerer", True), ("from_worker", False)):
    with DAG(
        f"waits_{name}",
        schedule=None,
        max_active_tasks=WAITS,
        max_active_runs=1,
    ) as dag:
        for number in range(WAITS):
            CarbonAwareSensor(
                task_id=f"wait_{number:03}",
                zone="DE",
                duration="1h",
                earliest="{{ dag_run.run_after + macros.timedelta(hours=2) }}",
                max_delay="12h",
                start_from_trigger=from_trigger,
            )
    globals()[dag.dag_id] = dag
