"""A report of a month, read from the ledger: for the command line and for the operator."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from airflow_carbon.core.reconcile import Reconciliation
    from airflow_carbon.core.report import Allowance, Judged, Report
    from airflow_carbon.ledger.store import Ledger


def read_allowances(budgets: Mapping[str, object] | None) -> list[Allowance]:
    """Read the budgets of a month: a DAG, or ``model:NAME``, and its limit.

    Raises:
        InvalidOptionError: a limit that is no mass.
    """
    from airflow_carbon.core.report import Allowance

    return [Allowance.read(name, limit) for name, limit in sorted((budgets or {}).items())]


def read_report(
    ledger: Ledger,
    month: date,
    *,
    pattern: str | None = None,
    allowances: list[Allowance] | None = None,
    now: datetime,
) -> Report:
    """Return the report of a month, of the DAGs that match a pattern as in a shell; None: all.

    Raises:
        LedgerError: the ledger can't be read.
    """
    from airflow_carbon.core.month import span_of
    from airflow_carbon.core.report import BASIS, Report, first_month
    from airflow_carbon.core.summary import Facet
    from airflow_carbon.ledger.summary import Among, Summaries

    summaries, (begin, end) = Summaries(ledger), span_of(month)
    dags = None
    if pattern is not None:
        dags = [dag for dag in summaries.dags() if fnmatchcase(dag, pattern)]
    among = Among(dag_ids=dags, span=(begin, end))
    back = Among(dag_ids=dags, span=(span_of(first_month(month))[0], end))
    return Report(
        month=month,
        pattern=pattern,
        is_over=now >= end,
        computed_at=summaries.computed_at(among),
        basis={name: tuple(summaries.by(*by, among=among)) for name, by in BASIS.items()},
        beside=tuple(summaries.beside(among=among)),
        months=tuple(summaries.by(Facet.MONTH, among=back)),
        budgets=tuple(_judged(ledger, month, allowances or [])),
        provider=tuple(_reconciled(ledger, month)) if pattern is None else (),
    )


def _judged(ledger: Ledger, month: date, allowances: list[Allowance]) -> list[Judged]:
    from airflow_carbon.core.month import span_of
    from airflow_carbon.ledger.budgets import Budgets, Scope

    found = Budgets(ledger)
    return [
        one.judged(found.spent(Scope(dag_id=one.dag_id, model=one.model), span_of(month)))
        for one in allowances
    ]


def _reconciled(ledger: Ledger, month: date) -> list[Reconciliation]:
    """Return what is stored of the provider's reports; theirs are of average emissions."""
    from airflow_carbon.core.intensity import Signal
    from airflow_carbon.core.month import span_of
    from airflow_carbon.core.reconcile import reconcile
    from airflow_carbon.ledger.provider import ProviderReports

    reports = ProviderReports(ledger)
    subscriptions = reports.subscriptions(month)
    runs = reports.measured(*span_of(month), Signal.AVERAGE) if subscriptions else []
    return [
        reconcile(month, one, runs=runs, figures=reports.read(one, month)) for one in subscriptions
    ]
