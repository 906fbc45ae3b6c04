"""``airflow-carbon ledger export``: the ledger's runs in a file that others read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow_carbon.cli.files import write_csv, write_parquet
from airflow_carbon.cli.show import print_json
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_instant
from airflow_carbon.core.month import parse_month, span_of
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger import codecarbon, export
from airflow_carbon.reports.writing import appearing

if TYPE_CHECKING:
    import argparse
    from datetime import datetime


def run(options: argparse.Namespace) -> None:
    """Write the runs of the span into the file, and say how many they are.

    Raises:
        InputError: a span, a connection or a file that can't be.
        LedgerError: the ledger can't be read.
    """
    since, until = _span(options)
    with LedgerHook(options.conn_id or LedgerHook.default_conn_name).ledger() as ledger:
        rows = export.runs(ledger, since=since, until=until, dag_id=options.dag)
        with appearing(Path(options.file), replace=options.replace) as part:
            if options.format == "codecarbon":
                shown = map(codecarbon.codecarbon_row, rows)
                count = write_csv(part, codecarbon.COLUMNS, shown)
            elif options.format == "csv":
                count = write_csv(part, tuple(export.COLUMNS), rows)
            else:
                count = write_parquet(part, export.COLUMNS, rows, export.AT_A_TIME)
    if options.json:
        print_json({"file": options.file, "format": options.format, "runs": count})
    else:
        print(f"{count} {'run' if count == 1 else 'runs'} in {options.file}")


def _span(options: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    """Return from when to when runs started that are asked for; None where that is open."""
    since, until = options.since, options.until
    if options.month is None:
        begin = _instant("--since", since) if since else None
        end = _instant("--until", until) if until else None
        if begin and end and end <= begin:
            raise InvalidOptionError("--until", until, f"write a later one than --since {since}")
        return begin, end
    if since or until:
        raise InvalidOptionError("--month", options.month, "write it, or --since and --until")
    return span_of(parse_month("--month", options.month))


def _instant(name: str, text: str) -> datetime:
    return parse_instant(name, text if "T" in text else f"{text}T00:00:00+00:00")
