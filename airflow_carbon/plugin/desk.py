"""What lies on the page's desk: the ledger, open once in a process."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Final

from airflow_carbon.hooks.ledger import LedgerHook

if TYPE_CHECKING:
    from airflow_carbon.ledger.store import Ledger

_OPEN: Final[dict[str, Ledger]] = {}
_LOCK: Final = Lock()


def open_ledger() -> Ledger:
    """Return the ledger that Airflow's connection names; threads share it.

    Raises:
        InputError: a connection that can't be.
        LedgerError: it can't be reached.
    """
    from airflow_carbon.ledger.store import Ledger

    url = LedgerHook().url()
    key = url if isinstance(url, str) else url.render_as_string(hide_password=False)
    with _LOCK:
        if key not in _OPEN:
            _OPEN[key] = Ledger.open(url)
        return _OPEN[key]
