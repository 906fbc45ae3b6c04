"""``airflow-carbon ledger migrate``: the ledger's tables, made or brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.cli.show import print_json
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.condition import look
from airflow_carbon.ledger.migrate import REVISIONS
from airflow_carbon.ledger.store import Ledger

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Bring the tables up to date, and say from which version; 1 where a check finds them behind.

    Raises:
        InputError: a connection that can't be.
        LedgerError: the database can't be reached or written, or its tables are newer.
    """
    url, newest = LedgerHook(options.conn_id or LedgerHook.default_conn_name).url(), REVISIONS[-1]
    found = look(url)
    behind = found.version != newest
    if behind and not options.check:
        Ledger.open(url).close()
    if options.json:
        is_now = found.version if options.check else newest
        print_json({"ledger": found.where, "from": found.version, "to": is_now, "newest": newest})
    else:
        print(f"{found.where}: {_sentence(found.version, newest, check=options.check)}")
    return int(behind and options.check)


def _sentence(found: str | None, newest: str, *, check: bool) -> str:
    if found == newest:
        return f"version {newest}, up to date"
    has = "no tables" if found is None else f"version {found}"
    return f"{has}, {newest} is current" if check else f"from {has} to version {newest}"
