"""A link from a task to its job's page in the Azure portal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow.sdk import BaseOperatorLink

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator
    from airflow.sdk.types import TaskInstanceKey


class AzurePortalLink(BaseOperatorLink):
    """The job in the Azure portal, or in the studio, once the task knows it."""

    name = "Azure portal"

    def get_link(self, operator: BaseOperator, *, ti_key: TaskInstanceKey) -> str:  # noqa: ARG002
        """Return the page; nothing before the job is known."""
        return str(getattr(operator, "portal_page", ""))
