"""``airflow-carbon azure-carbon``: what Microsoft reports for a month, beside what was measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from airflow_carbon import clock
from airflow_carbon.cli.show import console, print_csv, print_json
from airflow_carbon.core.month import parse_month, written
from airflow_carbon.core.provider_report import Level
from airflow_carbon.core.reconcile import SHOWN
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.hooks.carbon_reports import fetch, reconciled
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.provider import ProviderReports

if TYPE_CHECKING:
    import argparse

    from airflow_carbon.core.reconcile import Reconciliation


def run(options: argparse.Namespace) -> None:
    """Read the month from the ledger, fetch it where it is not there, print it.

    Raises:
        InputError: no month, or a connection that can't be.
        CarbonError: Azure or the ledger does not do as asked.
    """
    month = parse_month("--month", options.month)
    with AzureHook(options.conn_id or AzureHook.default_conn_name).arm() as arm:
        subscription = options.subscription or arm.login.subscription_id
        with LedgerHook().ledger() as ledger:
            reports = ProviderReports(ledger)
            if options.refresh or month not in reports.versions(subscription):
                fetch(arm, reports, subscription, now=clock.now(), wanted=[month])
            found = reconciled(reports, subscription, month)
    if options.json:
        print_json(found.as_dict())
    elif options.csv:
        rows = [line.as_dict() for line in found.lines]
        print_csv(list(rows[0]), [list(row.values()) for row in rows])
    else:
        _print(found)


def _print(found: Reconciliation) -> None:
    screen = console()
    screen.print(
        f"{written(found.month)}, subscription {found.subscription_id}, in kgCO2eq", markup=False
    )
    shown = Table(box=None, pad_edge=False)
    shown.add_column("", no_wrap=True)
    shown.add_column("", overflow="fold")
    for name in ("measured", "runs", "reported", "Scope 1+2", "Scope 3", "ratio"):
        shown.add_column(name, justify="right", no_wrap=True)
    for line in found.lines[:SHOWN]:
        shown.add_row(
            line.level.value.replace("_", " "),
            "" if line.level is Level.SUBSCRIPTION else Text(line.item),
            _kg(line.measured_g),
            str(line.runs or ""),
            *map(_kg, (line.reported_g, line.scope12_g, line.scope3_g)),
            "" if line.ratio is None else f"{line.ratio:.2g}",
        )
    screen.print(shown, "")
    if len(found.lines) > SHOWN:
        screen.print(f"and {len(found.lines) - SHOWN} more: --csv has them all")
    for reason in found.reasons:
        screen.print(f"- {reason}", markup=False)


def _kg(grams: float | None) -> str:
    return "" if grams is None else f"{grams / 1e3:,.3f}"
