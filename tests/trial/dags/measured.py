"""Tasks that are measured in their worker, by a word of theirs or by the configuration."""

from __future__ import annotations

import os
import signal
import time

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

BUSY_S = 0.5


def busy() -> None:
    """Use the processor when the agent has begun."""
    time.sleep(1.5)
    end = time.process_time() + BUSY_S
    while time.process_time() < end:
        pass


@task
def plain(value: int) -> int:
    """Use the processor and return what was given."""
    busy()
    return value


with DAG("measured", schedule=None):

    @task.measured(model="trial", functional_units=2, functional_unit="epoch")
    def train(value: int) -> dict[str, int]:
        """Use the processor and return what was given."""
        busy()
        return {"value": value}

    @task.measured(ledger_conn_id="ledger_that_is_not_there")
    def unbooked(trained: dict[str, int]) -> int:
        """Return what the training did."""
        return trained["value"]

    plain(unbooked(train(7)))

with DAG("listened", schedule=None, tags=["listened"]):

    @task
    def failing() -> None:
        """Use the processor and fail."""
        busy()
        raise KeyError

    @task
    def killed() -> None:
        """End as by a lack of memory."""
        busy()
        os.kill(os.getpid(), signal.SIGKILL)

    @task.measured
    def by_itself() -> None:
        """Measure itself."""

    @task(trigger_rule="all_done")
    def after() -> str:
        """End the run."""
        busy()
        return "well"

    burn = "python -c 'import time\nwhile time.process_time() < 0.5: pass'"
    bash = BashOperator(task_id="bash", bash_command=f"sleep 1.5; {burn}; echo said")
    [plain(8), bash, failing(), killed(), by_itself()] >> after()
