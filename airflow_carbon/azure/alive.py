"""Which of a training's jobs is the training, where several regions have one: the first created.

A name is unique in a region or a workspace, not beyond it. So two who launch in the same moment in
two regions both succeed. What tells them apart is on record at Azure, the same for everybody who
looks: when each job was created. Whoever creates one looks everywhere afterwards; the job that was
created first stays, and whoever sees a later one cancels it. Two creators can't both miss the
other's job: the later one's look comes after both were created.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import Arm
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.job import CANCELLING
from airflow_carbon.core.errors import CarbonError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from airflow_carbon.azure.arm import Ask, Talk
    from airflow_carbon.azure.job import JobView, Target
    from airflow_carbon.azure.login import Login

AGAIN_S: Final = 0.3
"""How long until a job is looked for again whose creation may be under way [s]."""

_NEVER: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """A job of a training, where it is."""

    target: Target
    attempt: int
    name: str
    view: JobView


def glance(target: Target, subscription: str, name: str) -> Ask[JobView | None]:
    """Return what tells how far a job is; None where there is none of that name."""

    def refused(refusal: AzureRefusedError) -> None:
        if not refusal.is_missing:
            raise refusal

    ask: Ask[Any] = target.look(subscription, name)
    return replace(ask, refused=refused)


def alive(
    targets: Sequence[Target],
    subscription: str,
    name_of: Callable[[int], str],
    *,
    first: int = 1,
    over: Collection[tuple[int, str]] = (),
) -> Talk[list[Found]]:
    """Look for the jobs that run or have succeeded, the one created first before the others.

    ``over``: attempts and regions that are known to have failed. No number is left out: the first
    that is nowhere ends the search.
    """
    found: list[Found] = []
    for attempt in count(first):
        name, is_there = name_of(attempt), False
        for target in targets:
            if (attempt, target.region) in over:
                is_there = True
                continue
            view = yield glance(target, subscription, name)
            is_there |= view is not None
            if view is not None and view.is_alive:
                found.append(Found(target=target, attempt=attempt, name=name, view=view))
        if not is_there:
            break
    return sorted(found, key=_age)


def keep_first(
    found: Iterable[Found], subscription: str
) -> Talk[tuple[Found | None, tuple[str, ...]]]:
    """Cancel all but the first of the jobs; return it, and where others were cancelled."""
    stays: Found | None = None
    ended: list[str] = []
    for one in found:
        if stays is None:
            stays = one
        elif not one.view.state.is_final and one.view.said != CANCELLING:
            try:
                yield one.target.cancel(subscription, one.name, one.view.part)
            except AzureRefusedError:
                continue  # it has ended, or somebody else has ended it
            ended.append(one.target.region)
    return stays, tuple(ended)


def end_all(
    targets: Sequence[Target], subscription: str, name_of: Callable[[int], str], *, first: int = 1
) -> Talk[list[str]]:
    """Cancel every job of a training that has not ended; return their names."""
    found = yield from alive(targets, subscription, name_of, first=first)
    ended = [one for one in found if not one.view.state.is_final]
    for one in ended:
        if one.view.said != CANCELLING:
            yield one.target.cancel(subscription, one.name, one.view.part)
    return [one.name for one in ended]


def stop(  # noqa: PLR0913 - what is stopped where
    login: Login,
    targets: Sequence[Target],
    name_of: Callable[[int], str],
    first: int,
    *,
    patience_s: float,
    pause: Callable[[float], None] = time.sleep,
) -> list[str]:
    """Cancel the jobs of a training, wherever they are; return their names.

    Where there is none yet it is looked for again until ``patience_s`` have passed [s]: its
    creation may be under way. Connections are its own: it may be called while others are in use.
    """
    until = time.monotonic() + patience_s
    with Arm(login) as arm:
        while True:
            ended: list[str] = []
            with suppress(CarbonError):  # Azure is unwell, or the job has ended: look again
                ended = arm.talk(end_all(targets, login.subscription_id, name_of, first=first))
            if ended or time.monotonic() >= until:
                return ended
            pause(AGAIN_S)


def _age(one: Found) -> tuple[bool, datetime, str]:
    """Return what orders jobs: one that is being cancelled is nobody's training."""
    return one.view.said == CANCELLING, one.view.created_at or _NEVER, one.target.region
