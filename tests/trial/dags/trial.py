"""DAGs that the trial tests run on a real Airflow."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, task

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator

with DAG("fifty_waits", schedule=None):
    for number in range(50):
        CarbonAwareSensor(
            task_id=f"wait_{number:02}",
            zone="TRIAL",
            duration="10s",
            max_delay="150s",
            carbon_conn_id="valley",
        )

with DAG("every_way", schedule=None, params={"duration": "10s", "delay": "80s", "zone": "TRIAL"}):

    @task
    def zones() -> list[str]:
        """Return the zones of the mapped waits."""
        return ["TRIAL", "FLAT"]

    job = {"duration": "{{ params.duration }}", "max_delay": "{{ params.delay }}"}
    plain = CarbonAwareSensor(
        task_id="plain", zone="{{ params.zone }}", carbon_conn_id="valley", **job
    )
    CarbonAwareSensor(
        task_id="from_worker",
        zone="TRIAL",
        carbon_conn_id="valley",
        start_from_trigger=False,
        **job,
    )
    CarbonAwareSensor.partial(
        task_id="mapped", carbon_conn_id="valley", duration="10s", max_delay=timedelta(seconds=80)
    ).expand(zone=zones())
    choose = ChooseRegionOperator(
        task_id="choose", regions=["francecentral", "polandcentral"], **job
    )
    CarbonAwareSensor(task_id="chosen", region=choose.output["region"], **job)

    @task
    def read(plan: dict[str, str]) -> str:
        """Return when the plan begins."""
        return plan["start"]

    read(plain.output)

ORDINARY = {"zone": "TRIAL", "duration": "10s", "conn": "valley", "deadline": ""}

with DAG("mistakes", schedule=None, params=ORDINARY):
    CarbonAwareSensor(
        task_id="wait",
        zone="{{ params.zone }}",
        duration="{{ params.duration }}",
        deadline="{{ params.deadline or dag_run.run_after + macros.timedelta(hours=1) }}",
        carbon_conn_id="{{ params.conn }}",
    )

with DAG("ladder", schedule=None):
    CarbonAwareSensor(
        task_id="wait", zone="FR", duration="5s", max_delay="25s", carbon_conn_id="breaking"
    )

with DAG("served", schedule=None):
    CarbonAwareSensor(
        task_id="wait",
        zone="CAISO_NORTH",
        duration="10s",
        max_delay="200s",
        carbon_conn_id="served",
    )

with DAG(
    "policies",
    schedule=None,
    default_args={"policy": {"workload": "delay_tolerant", "max_delay": "120s"}},
):
    job = {"zone": "TRIAL", "duration": "10s", "carbon_conn_id": "valley"}
    CarbonAwareSensor(task_id="patient", **job)
    CarbonAwareSensor(task_id="dry", dry_run=True, **job)
    CarbonAwareSensor(task_id="dry_worker", dry_run=True, start_from_trigger=False, **job)
    CarbonAwareSensor(task_id="real_time", policy="real_time", **job)
    CarbonAwareSensor(task_id="usual", policy={"below_percentile": 50, "max_delay": "20s"}, **job)
