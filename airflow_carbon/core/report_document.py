"""A report as a document: what it says, in which order."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from airflow_carbon.core import report_basis as basis
from airflow_carbon.core import report_comparisons as compared
from airflow_carbon.core import report_sections as figures
from airflow_carbon.core.document import Bullets, Document, Paragraph, Section, counted
from airflow_carbon.core.month import months_later, written
from airflow_carbon.core.report_units import Units

if TYPE_CHECKING:
    from airflow_carbon.core.report import Report


def document(report: Report) -> Document:
    """Return what a report says."""
    which = "all DAGs" if report.pattern is None else f"DAGs like {report.pattern}"
    last = months_later(report.month) - timedelta(days=1)
    subtitle = f"Measured work of {which}, {report.month} to {last} (UTC)"
    if not report.runs:
        sections: tuple[Section, ...] = (_nothing(report), compared.azure(report))
    else:
        units = Units.of(report)
        begun = () if report.is_over else (_unfinished(report),)
        sections = (
            *begun,
            figures.at_a_glance(report, units),
            figures.totals(report, units),
            compared.difference(report, units),
            compared.promised(report, units),
            figures.by_month(report, units),
            figures.by_dag(report, units),
            figures.by_model(report, units),
            figures.by_place(report, units),
            compared.budgets(report),
            compared.azure(report),
            basis.measured(report, units),
            basis.method(report, units),
            basis.uncertainty(),
        )
    return Document(
        title=f"Emissions of computing, {report.month:%B %Y}",
        subtitle=subtitle,
        sections=sections,
        closing=_closing(report),
    )


def _closing(report: Report) -> str:
    if report.computed_at is None:
        return "Made by airflow-carbon report."
    return (
        f"{counted(report.runs, 'run')}; the newest account is of "
        f"{report.computed_at:%Y-%m-%d %H:%M} UTC. Made by airflow-carbon report."
    )


def _unfinished(report: Report) -> Section:
    text = f"{written(report.month)} had not ended when this was made: runs are still to come."
    return Section(title="Not the whole month", blocks=(Paragraph(text=text, notice=True),))


def _nothing(report: Report) -> Section:
    month = written(report.month)
    items = [
        (
            "Is it the right ledger? The report reads the Airflow connection carbon_ledger; "
            "without one, "
            "carbon.db in AIRFLOW_HOME (--conn-id names another)."
        ),
        (
            "Is anything measured? EmissionsOperator, @task.measured or [carbon] measured_pools "
            "write runs into the ledger."
        ),
        (
            "Is it the right month? A run counts in the month in which it began, UTC; "
            "airflow-carbon "
            "ledger export lists all."
        ),
    ]
    if report.pattern is not None:
        items.insert(
            0, f"Does a DAG match {report.pattern}? Patterns are as in a shell: nightly_*."
        )
    return Section(
        title="Nothing to report",
        blocks=(
            Paragraph(text=f"The ledger holds no run that began in {month}.", notice=True),
            Bullets(items=tuple(items)),
        ),
    )
