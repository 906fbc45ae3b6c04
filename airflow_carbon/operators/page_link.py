"""A link from a task to its page of energy and emissions, within Airflow's UI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode, urljoin

from airflow.sdk import BaseOperatorLink
from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey

ROUTE: Final = "carbon"
"""Where Airflow's UI shows the page: ``/plugin/carbon``."""

PREFIX: Final = "carbon"
"""Where the API server serves it: ``/carbon``."""


def run_query(
    *, dag_id: str, task_id: str, run_id: str, map_index: int, try_number: int | None = None
) -> str:
    """Return the query that names a try of a task, the newest where no number is given."""
    names: dict[str, str | int] = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id}
    if map_index >= 0:
        names["map_index"] = map_index
    if try_number is not None:
        names["try_number"] = try_number
    return urlencode(names)


class CarbonPageLink(BaseOperatorLink):
    """What the task drew and emitted, over time."""

    name = "Carbon"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:
        """Return the run's page; that of the training where the task accounts for another."""
        del operator
        query = run_query(
            dag_id=ti_key.dag_id,
            task_id=ti_key.task_id,
            run_id=ti_key.run_id,
            map_index=-1 if ti_key.map_index is None else ti_key.map_index,
        )
        base = conf.get("api", "base_url", fallback="/") or "/"
        return urljoin(base.rstrip("/") + "/", f"plugin/{ROUTE}/{PREFIX}/run?{query}")
