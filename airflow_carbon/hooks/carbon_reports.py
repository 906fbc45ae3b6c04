"""From Azure Carbon Optimization to the ledger, and from there to a reconciliation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.core.errors import ServiceUnavailableError
from airflow_carbon.core.month import (
    month_of,
    months_between,
    months_later,
    nth_day_after,
    span_of,
    written,
)
from airflow_carbon.core.provider_report import Figure, Level, Scopes, agree
from airflow_carbon.core.reconcile import REPORT_DAY, reconcile

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence
    from datetime import date, datetime

    from airflow_carbon.azure.arm import Arm
    from airflow_carbon.core.reconcile import Reconciliation
    from airflow_carbon.ledger.provider import ProviderReports


@dataclass(frozen=True, kw_only=True, slots=True)
class Fetched:
    """What came of a fetch: the months that Microsoft has, and those written, by version."""

    first: date
    last: date
    written: Mapping[date, int]

    def pending(self, now: datetime) -> dict[date, date]:
        """Return the months that have ended and are not there, and about when each will be."""
        until = months_later(month_of(now), -1)
        months = months_between(months_later(self.last), until)
        return {month: nth_day_after(month, REPORT_DAY) for month in months}


def fetch(
    arm: Arm,
    reports: ProviderReports,
    subscription_id: str,
    *,
    now: datetime,
    wanted: Collection[date] = (),
) -> Fetched:
    """Fetch the months that the ledger lacks, or of which Microsoft's total has changed.

    With ``wanted`` those months, whether or not they are stored. Each month is written as it
    comes, so that what fails later does not undo it.

    Raises:
        ServiceUnavailableError: a month that was asked for is not there, not yet or no more.
        CarbonError: Azure or the ledger does not do as asked.
    """
    from airflow_carbon.azure.carbon_optimization import LONGEST, available, monthly

    first, last = arm.send(available())
    first = max(first, months_later(last, 1 - LONGEST))
    totals = {scopes: arm.send(monthly(subscription_id, first, last, scopes)) for scopes in Scopes}
    for month in sorted(wanted):
        _check_there(month, first, last, totals[Scopes.ALL])
    done: dict[date, int] = {}
    for month in sorted(wanted or totals[Scopes.ALL]):
        whole = [
            _whole(subscription_id, scopes, of[month])
            for scopes, of in totals.items()
            if month in of
        ]
        if not wanted and _is_stored(reports, subscription_id, month, whole):
            continue
        figures = [*whole, *_parts(arm, subscription_id, month)]
        version = reports.write(subscription_id, month, figures, fetched_at=now)
        if version is not None:
            done[month] = version
    return Fetched(first=first, last=last, written=done)


def _check_there(month: date, first: date, last: date, totals: Collection[date]) -> None:
    if month > last:
        due = nth_day_after(month, REPORT_DAY)
        cause = f"{written(month)} is not there yet; it comes by about {due}"
    elif month < first:
        cause = f"{written(month)} is there no more; the first month is {written(first)}"
    elif month not in totals:
        cause = f"nothing is reported for {written(month)}"
    else:
        return
    raise ServiceUnavailableError("Azure Carbon Optimization", cause)


def _whole(subscription_id: str, scopes: Scopes, grams: float) -> Figure:
    item = subscription_id.lower()
    return Figure(scopes=scopes, level=Level.SUBSCRIPTION, item=item, emissions_g=grams)


def _is_stored(
    reports: ProviderReports, subscription_id: str, month: date, whole: Sequence[Figure]
) -> bool:
    stored = reports.read(subscription_id, month)
    return agree((one for one in stored if one.level is Level.SUBSCRIPTION), whole)


def _parts(arm: Arm, subscription_id: str, month: date) -> list[Figure]:
    """Return a month's figures below the subscription."""
    from airflow_carbon.azure.carbon_optimization import every_figure

    return [
        figure
        for scopes in Scopes
        for level in Level
        if level is not Level.SUBSCRIPTION
        for figure in every_figure(arm, subscription_id, month, scopes, level)
    ]


def reconciled(
    reports: ProviderReports,
    subscription_id: str,
    month: date,
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Reconciliation:
    """Set what the ledger measured in a month beside what it holds of Microsoft's report."""
    return reconcile(
        month,
        subscription_id,
        runs=reports.measured(*span_of(month)),
        figures=reports.read(subscription_id, month),
        groups=groups,
    )
