"""``ReportOperator``: what was emitted in a month, as a page to be filed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon import clock
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import month_of, months_later, parse_month, written
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.hooks.reports import read_allowances, read_report
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from airflow.sdk import Context

FORMATS = ("html", "markdown", "json")


class ReportOperator(BaseOperator):
    """Writes the report of a month from the ledger: totals, method, coverage, uncertainty.

    Run it once a month, after the figures are final: ``schedule="0 6 3 * *"`` say, or after the
    ``AzureCarbonReportOperator`` on day 20, whose figures are then in it. Done again, it replaces
    its file. The XCom has ``month``, ``path``, ``format``, ``runs`` and ``totals``: by signal and
    kind of factors the sums, of which null is not known, never 0.

    :param path: where to; ``{month}`` in it is written as ``2026-10``, and a folder that is
        missing is made. The worker must see it.
    :param month: which (``2026-10``); without it the month before the one in which the data
        interval ends, or, where there is none, before the one in which the DAG run began.
    :param dags_like: the DAGs that it is of, a pattern such as ``nightly_*``; without it all.
    :param report_format: ``html``, ``markdown`` or ``json``; without it as the path ends:
        ``.html``, ``.md``, ``.json``.
    :param budgets: limits of the month to be shown with what is left: ``{"nightly": "20 kg",
        "model:churn": "5 kg"}``.
    :param ledger_conn_id: the ledger's connection.

    Raises:
        InputError: arguments that can't be, or a file that can't be written.
        LedgerError: the ledger can't be read.
    """

    template_fields: Sequence[str] = (
        "path",
        "month",
        "dags_like",
        "report_format",
        "budgets",
        "ledger_conn_id",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        path: str,
        month: str | None = None,
        dags_like: str | None = None,
        report_format: str | None = None,
        budgets: Mapping[str, str] | None = None,
        ledger_conn_id: str = LEDGER_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.path = path
        self.month = month
        self.dags_like = dags_like
        self.report_format = report_format
        self.budgets = budgets
        self.ledger_conn_id = ledger_conn_id
        if month is not None and not is_template(month):
            parse_month("month", month)
        if report_format is not None and not is_template(report_format):
            _check_format(report_format)

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, write, return the totals."""
        from airflow_carbon.reports.writing import Form, appearing, form_of, written_as

        month = parse_month("month", self.month) if self.month else _month_before(context)
        allowances = read_allowances(self.budgets)
        file = Path(self.path.replace("{month}", written(month)))
        form = Form(_check_format(self.report_format)) if self.report_format else form_of(file)
        with LedgerHook(self.ledger_conn_id).ledger() as ledger:
            report = read_report(
                ledger, month, pattern=self.dags_like, allowances=allowances, now=clock.now()
            )
        with appearing(file, replace=True) as part:
            part.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(written_as(report, form), encoding="utf-8")
        self.log.info("%d runs of %s in %s", report.runs, written(month), file)
        return {
            "month": written(month),
            "path": str(file),
            "format": form.value,
            "runs": report.runs,
            "totals": [one.as_dict() for one in report.totals],
        }


def _month_before(context: Context) -> date:
    """Return the month before that of the data interval's end, or of the DAG run."""
    at = context.get("data_interval_end") or context["dag_run"].run_after
    return months_later(month_of(at), -1)


def _check_format(value: str) -> str:
    if value not in FORMATS:
        raise InvalidOptionError("report_format", value, f"write {' or '.join(FORMATS)}")
    return value
