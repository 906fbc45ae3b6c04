"""Finds a training that runs already, or launches it: never twice, and elsewhere if need be."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from airflow_carbon.azure.container_apps import CREATED
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.job import JobView, State

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_carbon.azure.arm import Arm, Ask
    from airflow_carbon.azure.job import Target, Work

MOST_ATTEMPTS: Final = 100
"""After so many trainings of one task something else is wrong."""

_GRACE: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long a job that was created waits for its creator to start it [s], before we do."""

_PROVISIONING: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long a job that is not ready to be started is left alone [s], before each further try."""

_SPREAD_S: Final = 5.0
"""Those who start a job in place of its creator don't do so in the same moment [s]."""


_CONFLICT: Final = 409


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """A training that is under way or over: where, under which name, and who had no room."""

    target: Target
    name: str
    attempt: int
    view: JobView
    found: bool
    skipped: Mapping[str, str] = field(default_factory=dict)


def launch(  # noqa: PLR0913 - what is launched where
    arm: Arm,
    targets: Sequence[Target],
    name_of: Callable[[int], str],
    work: Work,
    *,
    first: int = 1,
    pause: Callable[[float], None] = time.sleep,
) -> Launched:
    """Return the training of a task: the one that is there, else a new one.

    Attempts are numbered, and those before ``first`` are known to be over. The first that has not
    failed, wherever it runs, is the training; if all have, the next number is launched, in the
    first of the targets that has room for it. Names are the same for everybody who asks, and Azure
    keeps one job of a name: whoever comes second is given the first one's.

    Raises:
        AzureRefusedError: no target has room, or one refuses for another reason.
        ServiceUnavailableError: Azure gives no answer; what was launched will be found.
    """
    for attempt in range(first, MOST_ATTEMPTS + first):
        name, skipped = name_of(attempt), dict[str, str]()
        there = _find(arm, targets, name)
        # One that runs goes before one that only was created, in a region that had no room.
        for known, view in sorted(there, key=lambda one: one[1].said == CREATED):
            if _has_failed(view):
                continue
            try:
                target, started = _started(arm, targets, known, name, view, pause=pause)
            except AzureRefusedError as exc:
                if not exc.lacks_capacity:
                    raise
                skipped[known.region] = str(exc)
                continue
            return Launched(target=target, name=name, attempt=attempt, view=started, found=True)
        if skipped or not there:
            left = [target for target in targets if target.region not in skipped]
            return _submit(arm, left, name, work, attempt=attempt, skipped=skipped, pause=pause)
    code = "TooManyAttempts"
    message = f"{MOST_ATTEMPTS} trainings of this task have failed"
    raise AzureRefusedError(code, message)


def _has_failed(view: JobView) -> bool:
    return view.state.is_final and view.state is not State.SUCCEEDED


def _find(arm: Arm, targets: Sequence[Target], name: str) -> list[tuple[Target, JobView]]:
    """Return where a job of that name is."""
    there: list[tuple[Target, JobView]] = []
    for target in targets:
        try:
            there.append((target, arm.send(target.look(arm.login.subscription_id, name))))
        except AzureRefusedError as exc:
            if not exc.is_missing:
                raise
    return there


def _started(  # noqa: PLR0913 - what is started where
    arm: Arm,
    targets: Sequence[Target],
    target: Target,
    name: str,
    view: JobView,
    *,
    pause: Callable[[float], None],
) -> tuple[Target, JobView]:
    """Return a job that runs, and where: if its creator died before starting it, we start it.

    Its creator may as well have found no room there, and gone on to another of the targets.
    """
    subscription = arm.login.subscription_id
    ask = target.start(subscription, name)
    if ask is None:
        return target, view
    for wait in _GRACE:
        if view.said != CREATED:
            return target, view
        pause(wait)
        for other, seen in _find(arm, targets, name):
            if other is target:
                view = seen
            elif seen.said != CREATED and not _has_failed(seen):
                return other, seen
    if view.said != CREATED:
        return target, view
    return target, _start_for_another(arm, target, name, ask, pause)


def _start_for_another(
    arm: Arm, target: Target, name: str, ask: Ask[JobView], pause: Callable[[float], None]
) -> JobView:
    """Start a job whose creator has not; where several do, the first execution stays."""
    subscription = arm.login.subscription_id
    pause(random.uniform(0, _SPREAD_S))  # noqa: S311 - no secret
    view = arm.send(target.look(subscription, name))
    if view.said != CREATED:
        return view
    _start(arm, ask, pause)
    pause(2 * _SPREAD_S)
    view = arm.send(target.look(subscription, name))
    for part in view.others:
        with suppress(AzureRefusedError):  # it has ended, or somebody else has ended it
            arm.send(target.cancel(subscription, name, part))
    return view


def _start(arm: Arm, ask: Ask[JobView], pause: Callable[[float], None]) -> JobView:
    """Start a job that Azure may be creating still; a refusal has started nothing."""
    for wait in _PROVISIONING:
        try:
            return arm.send(ask)
        except AzureRefusedError as exc:
            if exc.status != _CONFLICT or exc.lacks_capacity:
                raise
        pause(wait)
    return arm.send(ask)


def _submit(  # noqa: PLR0913 - what is launched where
    arm: Arm,
    targets: Sequence[Target],
    name: str,
    work: Work,
    *,
    attempt: int,
    skipped: dict[str, str],
    pause: Callable[[float], None],
) -> Launched:
    for target in targets:
        try:
            where, view, ours = _create(arm, targets, target, name, work, pause=pause)
        except AzureRefusedError as exc:
            if not exc.lacks_capacity:
                raise
            skipped[target.region] = str(exc)
            continue
        return Launched(
            target=where, name=name, attempt=attempt, view=view, found=not ours, skipped=skipped
        )
    said = "; ".join(f"{region}: {why}" for region, why in skipped.items())
    code, message = "NoRoom", f"no region is left that has room for this training: {said}"
    raise AzureRefusedError(code, message)


def _create(  # noqa: PLR0913 - what is created where
    arm: Arm,
    targets: Sequence[Target],
    target: Target,
    name: str,
    work: Work,
    *,
    pause: Callable[[float], None],
) -> tuple[Target, JobView, bool]:
    """Create a job and start it where it needs that; tell where it is, and whether it is ours.

    Whoever is a moment later may be refused: a deployment of that name is active, or a job of it
    has another body. Then the job that is there is the training.
    """
    subscription = arm.login.subscription_id
    try:
        view = arm.send(target.submit(subscription, name, work))
    except AzureRefusedError as exc:
        there = [] if exc.lacks_capacity else _find(arm, [target], name)
        if not there:
            raise
        view = there[0][1]
    start = target.start(subscription, name)
    if start is None:
        return target, view, view.is_new
    if view.is_new:
        return target, _start(arm, start, pause), True
    view = arm.send(target.look(subscription, name))
    return *_started(arm, targets, target, name, view, pause=pause), False
