"""The listener: an agent beside each chosen task, which accounts for it when it has ended."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

from airflow.listeners import hookimpl
from airflow.sdk import BaseHook
from airflow.sdk.exceptions import AirflowNotFoundException

from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.meters.measuring import Measuring
from airflow_carbon.operators.measured import log_file, names_of, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_carbon.listener.choice import Choice

AGENT: Final = ("-P", "-m", "airflow_carbon.listener.beside")
"""The agent's module, which accounts after it has measured."""

SUBMITTED: Final = "AIRFLOW_CARBON_SUBMITTED"
"""The agent's variable of when the DAG run could first begin."""

ASKING_S: Final = 3.0
"""How long Airflow may take to tell the two connections, when the task has ended."""

log = logging.getLogger(__name__)


class TaskListener:
    """Has chosen tasks measured; each hook returns within milliseconds, and none raises.

    The agent is started when the task begins, and is not waited for. When the task has ended,
    it is told the connections and left alone: pricing and the ledger take no time of the task.
    """

    def __init__(self, choice: Choice) -> None:
        self._choice = choice
        self._meters: dict[str, Measuring] = {}

    @hookimpl
    def on_task_instance_running(self, task_instance: Any) -> None:
        """Start the agent beside a task that is chosen."""
        with _harmless():
            if self._choice.takes(task_instance.task):
                place_of({})
                self._begin(task_instance)

    @hookimpl
    def on_task_instance_success(self, task_instance: Any) -> None:
        """Have a task that succeeded accounted for."""
        self._end(task_instance, 0)

    @hookimpl
    def on_task_instance_failed(self, task_instance: Any) -> None:
        """Have a try that failed accounted for."""
        self._end(task_instance, 1)

    @hookimpl
    def on_task_instance_skipped(self, task_instance: Any) -> None:
        """Have a task that skipped itself accounted for: as one that did not do its work."""
        self._end(task_instance, 1)

    @hookimpl
    def before_stopping(self) -> None:
        """Let go of a task that goes on elsewhere: one that is deferred, or rescheduled."""
        with _harmless():
            while self._meters:
                self._meters.popitem()[1].order(None)

    def _begin(self, ti: Any) -> None:
        submitted = ti.get_template_context()["dag_run"].run_after.isoformat()
        file = log_file(ti)
        meter = Measuring(
            file,
            names={**names_of(ti), SUBMITTED: submitted},
            agent=AGENT,
            complaints=file.with_suffix(".log"),
        )
        meter.start()
        self._meters[str(ti.id)] = meter

    def _end(self, ti: Any, rc: int) -> None:
        with _harmless():
            if (meter := self._meters.pop(str(getattr(ti, "id", "")), None)) is None:
                return
            with suppress(OSError):
                for line in meter.path.with_suffix(".log").read_text().splitlines():
                    log.warning(line)
            meter.order(rc, connections=_connections())


@contextmanager
def _harmless() -> Iterator[None]:
    try:
        yield
    except Exception as exc:  # noqa: BLE001 - whatever it is, the task is not to know
        log.warning("the energy of this task is not recorded: %s", exc)


def _connections() -> dict[str, str | None]:
    """Ask Airflow for the connections; None is one that is not there, and unknown is left out.

    The agent can't ask: it outlives the task, by which Airflow knows whom it answers.
    """
    known: dict[str, str | None] = {}

    def ask() -> None:
        for conn_id in (LEDGER_CONN_ID, DEFAULT_CONN_ID):
            try:
                known[conn_id] = BaseHook.get_connection(conn_id).as_json()
            except AirflowNotFoundException:
                known[conn_id] = None
            except Exception as exc:  # noqa: BLE001 - then the agent looks where it can
                log.warning("the connection %s can't be read: %s", conn_id, exc)

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(ASKING_S)
    return dict(known)
