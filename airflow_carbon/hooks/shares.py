"""Decides on a shared capacity: what others have reserved is no choice any more."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.errors import CarbonError
from airflow_carbon.hooks.archive import ARCHIVES
from airflow_carbon.hooks.ledger import LedgerHook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from sqlalchemy import URL

    from airflow_carbon.core.capacity import Capacity
    from airflow_carbon.core.decision import StartNow, WaitUntil
    from airflow_carbon.core.flexibility import Flexibility, Span
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.ledger.reservations import Holder, Reservations

    Answer = StartNow | WaitUntil

log = logging.getLogger(__name__)


def shared_decision(  # noqa: PLR0913 - who decides what, and among whom
    reservations: Reservations | None,
    capacity: Capacity,
    holder: Holder,
    flex: Flexibility,
    decide: Callable[[Flexibility], Answer],
    *,
    now: datetime,
) -> Answer:
    """Decide among the spans that are not full, and reserve what was decided.

    Where the ledger can't be reached the job decides for itself: a capacity is worth less than a
    deadline.
    """

    def choice(taken: list[Span]) -> tuple[Answer, Span | None]:
        full = capacity.full(taken)
        answer = decide(replace(flex, blackouts=(*flex.blackouts, *full)))
        return answer, _span(answer, flex, now)

    if reservations is not None:
        try:
            return reservations.choose(capacity.name, holder, choice, now=now)
        except CarbonError as exc:
            log.warning("the capacity %r is not shared this time: %s", capacity.name, exc)
    return decide(flex)


def holder_of(ti: Any) -> Holder:
    """Return the task that holds a reservation, by its task instance."""
    from airflow_carbon.ledger.reservations import Holder

    return Holder(
        dag_id=ti.dag_id,
        task_id=ti.task_id,
        run_id=ti.run_id,
        map_index=-1 if ti.map_index is None else ti.map_index,
    )


def reservations_of(hook: CarbonHook) -> Reservations | None:
    """Return the reservations in the ledger; None, and a warning, where it can't be had."""
    try:
        url = LedgerHook().url()
    except CarbonError as exc:
        log.warning("no capacity is shared: %s", exc)
        return None
    return _open(url, hook.options().archived_for)


async def areservations_of(hook: CarbonHook) -> Reservations | None:
    """Return the reservations in the ledger, from an event loop; as :func:`reservations_of`."""
    try:
        url = await LedgerHook().aurl()
    except CarbonError as exc:
        log.warning("no capacity is shared: %s", exc)
        return None
    return await asyncio.to_thread(_open, url, (await hook.aoptions()).archived_for)


def _open(url: str | URL, keep: timedelta) -> Reservations | None:
    from airflow_carbon.ledger.reservations import Reservations

    archive = ARCHIVES.at(url, keep=keep)
    return None if archive is None else Reservations(archive.ledger)


def _span(answer: Answer, flex: Flexibility, now: datetime) -> Span | None:
    from airflow_carbon.core.decision import StartNow

    if isinstance(answer, StartNow):
        return now, now + flex.duration
    if answer.window is None:
        return None
    return answer.window.start, answer.window.end
