"""Asks the ledger for a task's past runs; where it can't answer, it says why, and all goes on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import CarbonError
from airflow_carbon.hooks.archive import ARCHIVES
from airflow_carbon.hooks.ledger import LedgerHook

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy import URL

    from airflow_carbon.core.auto import Answer, LearnFrom, Question
    from airflow_carbon.core.estimate import History
    from airflow_carbon.hooks.carbon import CarbonHook

log = logging.getLogger(__name__)

PATIENCE_S: Final = 30.0
"""How long a wait that begins lets the ledger search [s]."""


def history(asked: LearnFrom, hook: CarbonHook) -> History:
    """Return what the ledger knows; nothing, and why, where it can't be read."""
    try:
        url = LedgerHook().url()
    except CarbonError as exc:
        return _nothing(exc)
    return _look(url, hook.options().archived_for, asked)


async def ahistory(asked: LearnFrom, hook: CarbonHook) -> History:
    """Return what the ledger knows, from an event loop; as :func:`history`."""
    keep = (await hook.aoptions()).archived_for
    try:
        async with asyncio.timeout(PATIENCE_S):
            url = await LedgerHook().aurl()
            return await asyncio.to_thread(_look, url, keep, asked)
    except TimeoutError:
        return _nothing(f"the ledger did not answer within {PATIENCE_S:g} s")
    except CarbonError as exc:
        return _nothing(exc)


def answer(asked: Question, hook: CarbonHook) -> Answer:
    """Return what past runs tell, the fallbacks where they don't, and log it.

    Raises:
        InputError: no fallback where one is needed, or none that can be read.
    """
    found = asked.answer(history(asked.learn_from, hook))
    log.info("%s, by %s", found.sentence(), asked.learn_from)
    return found


def _look(url: str | URL, keep: timedelta, asked: LearnFrom) -> History:
    from airflow_carbon.ledger.past_runs import PastRuns

    archive = ARCHIVES.at(url, keep=keep)
    if archive is None:
        return _nothing("the ledger can't be opened")
    try:
        return PastRuns(archive.ledger).of(asked)
    except CarbonError as exc:
        return _nothing(exc)


def _nothing(why: object) -> History:
    from airflow_carbon.core.estimate import History

    log.warning("nothing is known of past runs: %s", why)
    return History(fault=str(why))
