"""The energy of a training as Azure Monitor saw it, into the ledger beside the agent's."""

from __future__ import annotations

import logging
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.errors import CarbonError
from airflow_carbon.hooks.azure import AzureHook

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.azure.arm import Arm
    from airflow_carbon.ledger.crosscheck import CrossCheck
    from airflow_carbon.ledger.entry import RunKey
    from airflow_carbon.ledger.store import Ledger

log = logging.getLogger(__name__)


def cross_check(
    arm: Arm, ledger: Ledger, key: RunKey, job: Mapping[str, Any], *, now: datetime
) -> CrossCheck | None:
    """Fetch the GPU energy of all segments of a training, write it, and return it.

    ``job`` is the XCom of an ``AzureTrainingOperator``. None where Azure Monitor has no value for
    one of them: another kind of machine, no GPU, or not yet.

    Raises:
        CarbonError: Azure or the ledger does not do as asked.
    """
    from airflow_carbon.azure.monitor import run_energy
    from airflow_carbon.ledger.crosscheck import CrossCheck, CrossChecks

    energies = []
    for segment in job.get("segments") or []:
        workspace, _, name = str(segment["resource"]).rpartition("/jobs/")
        if "/workspaces/" not in workspace:
            return None
        begin, end = (datetime.fromisoformat(segment[at]) for at in ("started_at", "ended_at"))
        energy = run_energy(arm, workspace, name, begin, end)
        if energy is None:
            return None
        energies.append(energy)
    if not energies:
        return None
    check = CrossCheck(
        key=key,
        joules=math.fsum(energy.joules for energy in energies),
        begins_at=min(energy.begins_at for energy in energies),
        ends_at=max(energy.ends_at for energy in energies),
        fetched_at=now,
    )
    CrossChecks(ledger).write(check)
    return check


def try_cross_check(
    conn_id: str, ledger: Ledger, key: RunKey, job: Mapping[str, Any], *, now: datetime
) -> CrossCheck | None:
    """Do so where it can be done: an account is not worth less for want of a second meter."""
    try:
        with AzureHook(conn_id).arm() as arm:
            return cross_check(arm, ledger, key, job, now=now)
    except (CarbonError, KeyError, TypeError, ValueError) as exc:
        log.warning("no cross-check by Azure Monitor: %s", exc)
        return None
