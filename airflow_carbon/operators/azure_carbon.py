"""``AzureCarbonReportOperator``: Microsoft's monthly emissions, beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon import clock
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import parse_month, written
from airflow_carbon.hooks.azure import DEFAULT_CONN_ID, AzureHook
from airflow_carbon.hooks.carbon_reports import fetch, reconciled
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import date

    from airflow.sdk import Context


class AzureCarbonReportOperator(BaseOperator):
    """Fetches what Azure Carbon Optimization reports, and reconciles it with the ledger.

    A month comes by about day 19 of the next: run it after that, ``schedule="0 6 20 * *"`` say.
    The XCom has ``subscription_id``, ``available`` (first and last month), ``written`` (month:
    version in the ledger), ``pending`` (month: by about when it comes), and ``months``: a
    reconciliation each of those written, or of the newest where nothing is new.

    :param months: these alone (``2026-10``), fetched again where they are stored; without it
        those that the ledger lacks, or of which Microsoft's total has changed.
    :param groups: which DAGs run in which resource group of the subscription:
        ``{"training": ["nightly_*"]}``. With it only their runs count as measured; without it
        all runs in an Azure region do, and resource groups have Microsoft's side alone.
    :param subscription_id: another subscription than the connection's.
    :param azure_conn_id: a connection of type ``azure``; its login needs the role Carbon
        Optimization Reader on the subscription.
    :param ledger_conn_id: the ledger's connection.

    Raises:
        InputError: arguments that can't be.
        AccessRefusedError: the login does not work, or lacks the role.
        ServiceUnavailableError: Azure does not answer, or a month is not there yet.
        LedgerError: the ledger can't be read or written.
    """

    template_fields: Sequence[str] = (
        "months",
        "groups",
        "subscription_id",
        "azure_conn_id",
        "ledger_conn_id",
    )
    ui_color = "#d5f0dc"

    def __init__(
        self,
        *,
        months: str | Sequence[str] | None = None,
        groups: Mapping[str, Sequence[str]] | None = None,
        subscription_id: str | None = None,
        azure_conn_id: str = DEFAULT_CONN_ID,
        ledger_conn_id: str = LEDGER_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.months = months
        self.groups = groups
        self.subscription_id = subscription_id
        self.azure_conn_id = azure_conn_id
        self.ledger_conn_id = ledger_conn_id
        if not is_template(months):
            _read_months(months)
        if not is_template(groups):
            _read_groups(groups)

    def execute(self, context: Context) -> dict[str, Any]:
        """Fetch, write, reconcile, return."""
        from airflow_carbon.ledger.provider import ProviderReports

        del context
        wanted, groups = _read_months(self.months), _read_groups(self.groups)
        now = clock.now()
        hook = AzureHook(self.azure_conn_id)
        with hook.arm() as arm, LedgerHook(self.ledger_conn_id).ledger() as ledger:
            subscription = self.subscription_id or arm.login.subscription_id
            reports = ProviderReports(ledger)
            fetched = fetch(arm, reports, subscription, now=now, wanted=wanted)
            newest = list(reports.versions(subscription))[-1:]
            found = [
                reconciled(reports, subscription, month, groups)
                for month in wanted or sorted(fetched.written) or newest
            ]
        for one in found:
            self.log.info("%s", one.text())
        return {
            "subscription_id": subscription.lower(),
            "available": [written(fetched.first), written(fetched.last)],
            "written": {written(month): version for month, version in fetched.written.items()},
            "pending": {written(m): due.isoformat() for m, due in fetched.pending(now).items()},
            "months": [one.as_dict() for one in found],
        }


def _read_months(months: object) -> list[date]:
    if months is None:
        return []
    if isinstance(months, str):
        months = [one for one in months.split(",") if one.strip()]
    if not isinstance(months, list | tuple):
        raise InvalidOptionError("months", months, "write a list of months such as '2026-10'")
    return sorted({parse_month("months", one) for one in months})


def _read_groups(groups: object) -> dict[str, list[str]] | None:
    if groups is None:
        return None
    remedy = "write the DAGs of each resource group: {'training': ['nightly_*']}"
    if not isinstance(groups, dict):
        raise InvalidOptionError("groups", groups, remedy)
    read = {
        str(group): [dags] if isinstance(dags, str) else list(dags)
        for group, dags in groups.items()
    }
    if not read or not all(read.values()):
        raise InvalidOptionError("groups", groups, remedy)
    return read
