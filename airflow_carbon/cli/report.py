"""``airflow-carbon report``: what was emitted in a month, as a page to be filed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon import clock
from airflow_carbon.cli.show import print_json
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import parse_month
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.hooks.reports import read_allowances, read_report
from airflow_carbon.reports.writing import Form, appearing, form_of, written_as

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> None:
    """Read the month from the ledger, and write the report to the file, or print it.

    Raises:
        InputError: a month, a budget, a connection or a file that can't be.
        LedgerError: the ledger can't be read.
    """
    month = parse_month("--month", options.month)
    allowances = read_allowances(dict(_budget(text) for text in options.budget))
    with LedgerHook(options.conn_id or LedgerHook.default_conn_name).ledger() as ledger:
        report = read_report(
            ledger, month, pattern=options.dag, allowances=allowances, now=clock.now()
        )
    file = Path(options.output) if options.output else None
    form = Form(options.format) if options.format else form_of(file) if file else Form.MARKDOWN
    if file is None:
        sys.stdout.write(written_as(report, Form.JSON if options.json else form))
        return
    with appearing(file, replace=options.replace) as part:
        part.write_text(written_as(report, form), encoding="utf-8")
    if options.json:
        print_json({"file": str(file), "format": form.value, "runs": report.runs})
    else:
        print(f"{report.runs} {'run' if report.runs == 1 else 'runs'} in {file}")


def _budget(text: str) -> tuple[str, str]:
    name, divided, limit = text.rpartition("=")
    if not divided or not name:
        raise InvalidOptionError("--budget", text, "write a DAG and its limit: 'nightly=20 kg'")
    return name, limit
