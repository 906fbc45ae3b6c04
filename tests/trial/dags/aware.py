"""Tasks and a group that wait, are measured and told of by a line above them."""

from __future__ import annotations

import time
from datetime import timedelta

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task, task_group

from airflow_carbon import CarbonIntensitySensor, CarbonNotifier, carbon_aware, footprint_text

with DAG(
    "aware",
    schedule=None,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=1),
        "zone": "TRIAL",
        "max_delay": "80s",
        "carbon_conn_id": "aware",
    },
    on_success_callback=CarbonNotifier(message="Run:", http_conn_id="aware_chat"),
    user_defined_macros={"footprint_text": footprint_text},
):

    @task
    def load() -> int:
        """Return what is trained on."""
        return 7

    def busy(value: int) -> int:
        """Use the processor and return what was given."""
        end = time.process_time() + 0.3
        while time.process_time() < end:
            pass
        return value

    @carbon_aware(duration="10s", model="trial")
    @task(on_success_callback=CarbonNotifier(message="Done:"))
    def train(value: int) -> int:
        """Train in the cleanest ten seconds."""
        return busy(value)

    @carbon_aware(duration="10s")
    @task_group
    def score(value: int) -> None:
        """Score after a wait of the group's own."""
        task(task_id="score")(busy)(value)

    data = load()
    trained = train(data)
    train.override(task_id="mapped").expand(value=[1, 2])
    tell = BashOperator(task_id="tell", bash_command="echo '{{ footprint_text() }}'")
    [trained, score(data)] >> tell
    CarbonIntensitySensor(task_id="below", below=100, duration="10s")
    CarbonIntensitySensor(
        task_id="never", below=10, duration="10s", max_delay="5s", on_timeout="skip"
    ) >> BashOperator(task_id="not_run", bash_command="exit 1")
