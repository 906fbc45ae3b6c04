"""``airflow-carbon ledger prune``: what is old is deleted from the ledger, where that is meant."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon import clock
from airflow_carbon.cli.show import print_json
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import month_of, months_later
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.prune import Part, old, prune

if TYPE_CHECKING:
    import argparse

_AGE: Final = re.compile(r"(\d{1,4})\s*(y|mo|d)")


def run(options: argparse.Namespace) -> None:
    """Count what is old, delete it where that was asked for, and say how much it was.

    Raises:
        InputError: an age or a connection that can't be; neither --yes nor --dry-run.
        LedgerError: the ledger can't be read or written.
    """
    before = instant_before(clock.now(), options.older_than)
    parts = _parts(options)
    with LedgerHook(options.conn_id or LedgerHook.default_conn_name).ledger() as ledger:
        rows = prune(ledger, before, parts) if options.yes else old(ledger, before, parts)
    if options.json:
        print_json({"before": before.isoformat(), "deleted": options.yes, "rows": rows})
    else:
        _print(before, rows, deleted=options.yes)
    if any(rows.values()) and not (options.yes or options.dry_run):
        raise InvalidOptionError("--yes", None, "nothing was deleted: write --yes to delete it")


def instant_before(now: datetime, age: str) -> datetime:
    """Return the instant that lies so long ago, by the calendar.

    The day of a month that has no such day is its last.

    Raises:
        InvalidOptionError: no age.
    """
    found = _AGE.fullmatch(age.strip())
    number = int(found[1]) if found else 0
    if found is None or not number:
        raise InvalidOptionError("--older-than", age, "write years, months or days: 2y, 18mo, 90d")
    try:
        if found[2] == "d":
            return now - timedelta(days=number)
        month = months_later(month_of(now), -number * (12 if found[2] == "y" else 1))
        last = (months_later(month) - timedelta(days=1)).day
        return now.replace(year=month.year, month=month.month, day=min(now.day, last))
    except (OverflowError, ValueError) as exc:
        raise InvalidOptionError("--older-than", age, "that is before all calendars") from exc


def _parts(options: argparse.Namespace) -> list[Part]:
    if options.archive_only:
        return [Part.ARCHIVE]
    return [Part.ARCHIVE, Part.SPENT, *([Part.RUNS] if options.runs else [])]


def _print(before: datetime, rows: dict[str, int], *, deleted: bool) -> None:
    would = "deleted" if deleted else "to delete"
    for name, count in rows.items():
        print(f"{count:>12,}  {name}")
    total = sum(rows.values())
    print(f"{total:>12,}  {'row' if total == 1 else 'rows'} {would}, older than {before:%F %H:%MZ}")
