"""Accounts for a task that has ended: a program of its own, which delays nobody.

It belongs to nobody either, so it has an end of its own.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.meters.recorder import run_key

if TYPE_CHECKING:
    from collections.abc import Mapping

LONGEST_S: Final = 120
"""How long the accounting may take; then the kernel ends it, and the measurement stays."""

NO_DATABASE: Final = {
    f"AIRFLOW__{section}__SQL_ALCHEMY_CONN": "sqlite://" for section in ("DATABASE", "CORE")
}
"""Airflow's database is not a task's business; but this is an address that Airflow can read, unlike
the one that it leaves to tasks, with which it does not start."""

GENTLE: Final = 10
"""How far the accounting stands back behind tasks (nice)."""

log = logging.getLogger(__name__)


def main() -> int:
    """Account for the measurement of the argument, by the order on the standard input."""
    signal.alarm(LONGEST_S)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.nice(GENTLE)
    os.environ.update(NO_DATABASE)
    order = json.load(sys.stdin)
    return 0 if _account(Path(sys.argv[1]), order.get("connections") or {}) else 1


def _account(file: Path, connections: Mapping[str, str | None]) -> bool:
    """Write the row of the task that the environment names; return whether it is there.

    A measurement whose row is there goes away, and so does what was complained of, which is in
    the task's log.
    """
    from airflow_carbon.listener.tasks import SUBMITTED
    from airflow_carbon.operators.measured import account_for

    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(message)s", force=True)
    if not _settle(connections, file):
        return False
    ti = SimpleNamespace(**{"map_index": -1, "try_number": 1, **run_key(os.environ)})
    run = SimpleNamespace(run_after=datetime.fromisoformat(os.environ[SUBMITTED]))
    context: Any = {"ti": ti, "dag_run": run, "outlet_events": {}}
    if not account_for(file, context, {}):
        return False
    for one in (file, file.with_suffix(".log")):
        with suppress(OSError):
            one.unlink()
    return True


def _settle(connections: Mapping[str, str | None], file: Path) -> bool:
    """Make the connections known to this process; return whether all are.

    Of a task that was killed nobody told them. Then those of the environment and of a secrets
    backend serve; it would be wrong to take a default in their place.
    """
    from airflow.sdk import BaseHook

    from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
    from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID

    for conn_id in (LEDGER_CONN_ID, DEFAULT_CONN_ID):
        if told := connections.get(conn_id):
            os.environ[f"AIRFLOW_CONN_{conn_id.upper()}"] = told
        if conn_id in connections:
            continue
        try:
            BaseHook.get_connection(conn_id)
        except Exception as exc:  # noqa: BLE001 - whatever a backend says
            remedy = "the connection %s is not known here (%s), and the task did not tell it"
            message = f"this task is not in the ledger: {remedy}. Its measurement is %s"
            log.warning(message, conn_id, exc, file)
            return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
