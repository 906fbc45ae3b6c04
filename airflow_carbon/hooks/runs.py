"""Starts DAG runs from within a task, through Airflow's own execution API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """A DAG run to be created: Airflow's scheduler starts it at ``run_after``, not before."""

    dag_id: str
    run_id: str
    run_after: datetime
    conf: Mapping[str, Any]

    def as_trigger(self) -> dict[str, Any]:
        """Return the arguments of a ``TriggerDagRunOperator``, for ``expand_kwargs``."""
        return {
            "trigger_dag_id": self.dag_id,
            "trigger_run_id": self.run_id,
            "run_after": self.run_after.isoformat(),
            "conf": dict(self.conf),
        }


def start_run(request: RunRequest) -> datetime | None:
    """Create a DAG run, as ``TriggerDagRunOperator`` does.

    One of that id may be there already: a retry finds what the first try began, leaves it, and
    is told its ``run_after``; None where the run is new.

    Raises:
        AirflowRuntimeError: Airflow refuses it; there is no such DAG, say.
    """
    from airflow.sdk.exceptions import ErrorType
    from airflow.sdk.execution_time.comms import (
        DagRunResult,
        ErrorResponse,
        GetDagRun,
        TriggerDagRun,
    )
    from airflow.sdk.execution_time.task_runner import SUPERVISOR_COMMS

    answer = SUPERVISOR_COMMS.send(
        TriggerDagRun(
            dag_id=request.dag_id,
            run_id=request.run_id,
            run_after=request.run_after,
            conf=dict(request.conf),
        )
    )
    if isinstance(answer, ErrorResponse) and answer.error == ErrorType.DAGRUN_ALREADY_EXISTS:
        there = SUPERVISOR_COMMS.send(GetDagRun(dag_id=request.dag_id, run_id=request.run_id))
        return there.run_after if isinstance(there, DagRunResult) else request.run_after
    return None
