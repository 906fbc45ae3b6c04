"""The same energy by another signal: the marginal beside the average, never added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_carbon import clock
from airflow_carbon.core.errors import CarbonError, InvalidOptionError, UnknownConnectionError
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.operators.booking import account_values

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from airflow_carbon.core.accounting import Account
    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger

XCOM_KEYS: Final = (
    "emissions_g",
    "emissions_low_g",
    "emissions_high_g",
    "baseline_g",
    "delta_g",
    "delta_percent",
    "intensity_source",
    "intensity_quality",
)


def book_beside(  # noqa: PLR0913 - what is booked, by what, and where
    ledger: Ledger,
    key: RunKey,
    own: Account,
    *,
    conn_ids: Iterable[str],
    price: Callable[[CarbonHook], tuple[Account, list[Account]]],
    warn: Callable[[str], object],
) -> list[dict[str, Any]]:
    """Price a run by other connections, write what is of another kind, return it for XCom.

    A source that does not answer is warned of: the run itself is booked.

    Raises:
        InputError: a connection that can't be.
        LedgerError: it can't be written.
    """
    from airflow_carbon.ledger.signals import Beside, Signals

    seen, written = {_kind(own)}, []
    for conn_id in conn_ids:
        try:
            account, _ = price(CarbonHook(conn_id))
        except (UnknownConnectionError, InvalidOptionError):
            raise
        except CarbonError as exc:
            warn(f"nothing is booked beside by {conn_id}: {exc}")
            continue
        if _kind(account) in seen:
            said = f"{account.actual.source} gives {' '.join(_kind(account))}"
            warn(f"nothing is booked beside by {conn_id}: {said}, which is there already")
            continue
        seen.add(_kind(account))
        values = account_values(account)
        Signals(ledger).write(key, Beside(**values, computed_at=clock.now()))
        signal, factors = _kind(account)
        kept = {name: values[name] for name in XCOM_KEYS}
        written.append({"signal": signal, "factor_type": factors, **kept})
    return written


def _kind(account: Account) -> tuple[str, str]:
    series = account.actual.series
    return series.signal.value, series.factor_type.value
