"""``airflow-carbon ledger reconcile``: what runs emitted, once more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.cli.show import console, print_csv, print_json
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.operators.revising import read_span, reconcile

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> None:
    """Price anew what is not final, and print what came of each run.

    Raises:
        InputError: no length of time, or a connection that can't be.
        CarbonError: the ledger can't be read, or every run failed.
    """
    span = read_span(options.after, options.within)
    hook = CarbonHook(options.conn_id or DEFAULT_CONN_ID)
    said: list[str] = []
    with LedgerHook(options.ledger_conn_id).ledger() as ledger:
        report = reconcile(ledger, hook, span, say=said.append)
    found = report.as_dict()
    if options.json:
        print_json(found)
    elif options.csv:
        names = ("revised", "confirmed", "kept", "failed", "settled", "change_g")
        print_csv(names, [[found[name] for name in names]])
    else:
        screen = console()
        for line in said:
            screen.print(line, markup=False)
        counts = ", ".join(f"{found[name]} {name}" for name in (*report.NAMES, "settled"))
        screen.print(f"{counts}; {report.change_g:+.4g} g in all", markup=False)
