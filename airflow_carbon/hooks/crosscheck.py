"""The energy of a run as Azure Monitor saw it, into the ledger beside the agent's."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.azure.arm import Arm
    from airflow_carbon.ledger.crosscheck import CrossCheck
    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger


def cross_check(  # noqa: PLR0913 - which run, there and here
    arm: Arm,
    ledger: Ledger,
    key: RunKey,
    *,
    workspace_id: str,
    run_id: str,
    begin: datetime,
    end: datetime,
    now: datetime,
) -> CrossCheck | None:
    """Fetch the GPU energy of an Azure Machine Learning run, write it, and return it.

    None where Azure Monitor has no value: another kind of machine, no GPU, or not yet.

    Raises:
        CarbonError: Azure or the ledger does not do as asked.
    """
    from airflow_carbon.azure.monitor import run_energy
    from airflow_carbon.ledger.crosscheck import CrossCheck, CrossChecks

    energy = run_energy(arm, workspace_id, run_id, begin, end)
    if energy is None:
        return None
    check = CrossCheck(
        key=key,
        joules=energy.joules,
        begins_at=energy.begins_at,
        ends_at=energy.ends_at,
        fetched_at=now,
    )
    CrossChecks(ledger).write(check)
    return check
