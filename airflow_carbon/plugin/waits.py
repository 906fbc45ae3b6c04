"""The waits that stand, as Airflow's own database has them: deferred tasks and their triggers."""

from __future__ import annotations

import logging
from dataclasses import dataclass, fields
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.trigger import Trigger
from airflow.utils.session import create_session
from airflow.utils.state import TaskInstanceState
from sqlalchemy import select

from airflow_carbon.core.errors import CarbonError
from airflow_carbon.sensors.waiting import CARBON_AWARE
from airflow_carbon.triggers.request import SUBMITTED, WaitRequest, is_template, question
from airflow_carbon.triggers.window import WindowTrigger

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

log = logging.getLogger(__name__)

MOST: Final = 200
"""How many waits are shown."""

TRIGGER: Final = f"{WindowTrigger.__module__}.{WindowTrigger.__qualname__}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait:
    """A task that waits for its window.

    ``request`` is None where it can't be read here, and ``unread`` then says why.
    """

    dag_id: str
    task_id: str
    run_id: str
    map_index: int
    since: datetime
    carbon_conn_id: str
    request: WaitRequest | None
    unread: str = ""

    @property
    def ident(self) -> str:
        """A name that no other wait has."""
        return f"{self.dag_id}/{self.run_id}/{self.task_id}/{self.map_index}"


def standing(dag_ids: Collection[str]) -> list[Wait]:
    """Return the waits of those DAGs, the oldest first, no more than :data:`MOST`."""
    asked = (
        select(
            TaskInstance.dag_id,
            TaskInstance.task_id,
            TaskInstance.run_id,
            TaskInstance.map_index,
            Trigger.created_date,
            Trigger.encrypted_kwargs,
            DagRun.run_after,
            DagRun.conf,
        )
        .join(Trigger, TaskInstance.trigger_id == Trigger.id)
        .join(
            DagRun, (DagRun.dag_id == TaskInstance.dag_id) & (DagRun.run_id == TaskInstance.run_id)
        )
        .where(TaskInstance.state == TaskInstanceState.DEFERRED, Trigger.classpath == TRIGGER)
        .where(TaskInstance.dag_id.in_(sorted(dag_ids)))
        .order_by(Trigger.created_date, Trigger.id)
        .limit(MOST)
    )
    with create_session() as session:
        return [_wait(row) for row in session.execute(asked).mappings()]


def _wait(row: Any) -> Wait:
    conn_id, request, unread = "carbon_default", None, ""
    try:
        kwargs = Trigger._decrypt_kwargs(row["encrypted_kwargs"])  # noqa: SLF001 - as Airflow does
        given = _given(kwargs, row["run_after"], row["conf"])
        conn_id = str(given["carbon_conn_id"])
        request, unread = _request(given)
    except CarbonError as exc:
        unread = str(exc)
    except Exception as exc:  # noqa: BLE001 - another key, another release: the others are shown
        log.warning("a wait can't be read: %r", exc)
        unread = "its trigger can't be read here"
    return Wait(
        dag_id=row["dag_id"],
        task_id=row["task_id"],
        run_id=row["run_id"],
        map_index=row["map_index"],
        since=row["created_date"],
        carbon_conn_id=conn_id,
        request=request,
        unread=unread,
    )


def _given(kwargs: dict[str, Any], run_after: datetime, conf: Any) -> dict[str, Any]:
    """Return a trigger's fields with the sensor's own two templates rendered.

    A DAG author's templates are rendered in the triggerer alone: none of their code runs here.
    """
    known = {field.name: field.default for field in fields(WindowTrigger)}
    given = known | {name: kwargs[name] for name in kwargs if name in known}
    if given["submitted"] == SUBMITTED:
        given["submitted"] = run_after
    if given["carbon_aware"] == CARBON_AWARE:
        given["carbon_aware"] = (conf or {}).get("carbon_aware", True)
    return given


def _request(given: dict[str, Any]) -> tuple[WaitRequest | None, str]:
    templates = sorted(name for name, value in given.items() if is_template(value))
    if templates:
        return None, f"{' and '.join(templates)}: a template, see the task's log"
    source = SimpleNamespace(**given)
    if question(source) is not None:
        return None, "learned from past runs, see the task's log"
    return WaitRequest.read(source), ""
