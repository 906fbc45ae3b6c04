"""Finds a training that runs already, or launches it: never twice, and elsewhere if need be."""

from __future__ import annotations

import random
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from airflow_carbon.azure.alive import Found, alive, glance, keep_first
from airflow_carbon.azure.errors import CAPACITY_CODES, AzureRefusedError
from airflow_carbon.azure.history import failure_of
from airflow_carbon.azure.job import CREATED

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow_carbon.azure.arm import Arm, Ask
    from airflow_carbon.azure.job import JobView, Target, Work

MOST_ATTEMPTS: Final = 100
"""After so many trainings of one task something else is wrong."""

_GRACE: Final = (1.0, 2.0, 4.0, 8.0, 15.0, 30.0)
"""How long a job that was created waits for its creator to start it [s], before we do."""

_PROVISIONING: Final = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 30.0)
"""How long a job that is not ready to be started is left alone [s], before each further try."""

_SPREAD_S: Final = 5.0
"""Those who start a job in place of its creator don't do so in the same moment [s]."""

_TICK_S: Final = 1.5
"""Executions of Container Apps tell when they began in whole seconds: what does not show after so
long began later [s]."""

_CONFLICT: Final = 409


@dataclass(frozen=True, kw_only=True, slots=True)
class Launched:
    """A training that is under way or over: where, under which name, and who had no room.

    ``ended``: the regions in which a job of the same training was cancelled, as it was created
    later.
    """

    target: Target
    name: str
    attempt: int
    view: JobView
    found: bool
    skipped: Mapping[str, str] = field(default_factory=dict)
    ended: tuple[str, ...] = ()


def launch(  # noqa: PLR0913 - what is launched where
    arm: Arm,
    targets: Sequence[Target],
    name_of: Callable[[int], str],
    work: Work,
    *,
    first: int = 1,
    others: Sequence[Target] = (),
    going: Callable[[], None] = lambda: None,
    pause: Callable[[float], None] = time.sleep,
) -> Launched:
    """Return the training of a task: the one that is there, else a new one.

    Attempts are numbered, and those before ``first`` are known to be over. The first that has not
    failed, wherever it runs, is the training; if all have, the next number is launched, in the
    first of the targets that has room for it; nothing is launched in the ``others``, but it may run
    there. A region that is on record as having had no room when last tried is left out, so that all
    who launch at the same time go to the same one. Names are the same for everybody who asks, and
    Azure keeps one job of a name in a region; of jobs in several regions the one that was created
    first stays (:mod:`airflow_carbon.azure.alive`).

    ``going`` is called before anything is created or started, and raises if it shall not be.

    Raises:
        AzureRefusedError: no target has room, or one refuses for another reason.
        ServiceUnavailableError: Azure gives no answer; what was launched will be found.
    """
    return _Launch(
        arm=arm,
        targets=targets,
        everywhere=(*targets, *others),
        name_of=name_of,
        work=work,
        first=first,
        going=going,
        pause=pause,
    ).find_or_begin()


def other(arm: Arm, targets: Sequence[Target], name_of: Callable[[int], str]) -> Launched | None:
    """Return the job of a training that runs or has succeeded; launch none.

    Raises:
        CarbonError: as ``Arm.send`` does.
    """
    subscription = arm.login.subscription_id
    found = arm.talk(alive(targets, subscription, name_of))
    stays, ended = arm.talk(keep_first(found, subscription))
    if stays is None:
        return None
    return Launched(
        target=stays.target,
        name=stays.name,
        attempt=stays.attempt,
        view=stays.view,
        found=True,
        ended=ended,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Launch:
    arm: Arm
    targets: Sequence[Target]
    everywhere: Sequence[Target]
    name_of: Callable[[int], str]
    work: Work
    first: int
    going: Callable[[], None]
    pause: Callable[[float], None]

    @property
    def subscription(self) -> str:
        return self.arm.login.subscription_id

    def find_or_begin(self) -> Launched:
        history: list[list[tuple[Target, JobView]]] = []
        over: set[tuple[int, str]] = set()
        for attempt in range(self.first, MOST_ATTEMPTS + self.first):
            there = self._find(attempt)
            living = [(target, view) for target, view in there if view.is_alive]
            if living:
                target, view = living[0]
                return self._only(self._launched(target, attempt, view, found=True), over)
            failed = [(target, view) for target, view in there if view.has_failed]
            if not failed:
                waiting = {target.region: view for target, view in there}
                return self._begin(attempt, waiting, self._without_room(history), over)
            history.append(failed)
            over |= {(attempt, target.region) for target, _ in failed}
        code = "TooManyAttempts"
        message = f"{MOST_ATTEMPTS} trainings of this task have failed"
        raise AzureRefusedError(code, message)

    def _find(self, attempt: int) -> list[tuple[Target, JobView]]:
        """Return where a job of that number is."""
        seen = [(target, self._look(target, attempt)) for target in self.everywhere]
        return [(target, view) for target, view in seen if view is not None]

    def _look(self, target: Target, attempt: int) -> JobView | None:
        return self.arm.send(glance(target, self.subscription, self.name_of(attempt)))

    def _without_room(self, history: list[list[tuple[Target, JobView]]]) -> dict[str, str]:
        """Return the regions where the latest attempts found no room; none if that is all.

        It is told by what Azure keeps of them: the same to everybody who looks now.
        """
        found: dict[str, str] = {}
        for failed in reversed(history):
            lacking = {target.region: self._no_room(view) for target, view in failed}
            lacking = {region: why for region, why in lacking.items() if why}
            if not lacking:
                break
            found = {**lacking, **found}
        return {} if all(target.region in found for target in self.targets) else found

    def _no_room(self, view: JobView) -> str:
        code, message = view.code, view.message
        if not message:
            code, message = failure_of(self.arm, view.resource)
        return f"{message} ({code})" if code in CAPACITY_CODES else ""

    def _begin(
        self,
        attempt: int,
        waiting: Mapping[str, JobView],
        skipped: dict[str, str],
        over: set[tuple[int, str]],
    ) -> Launched:
        """Launch the training under a number that is free; ``waiting`` have it, not started."""
        left = [target for target in self.targets if target.region not in skipped]
        for target in sorted(left, key=lambda one: one.region not in waiting):
            try:
                if view := waiting.get(target.region):
                    where, view, ours = *self._started(target, attempt, view), False
                else:
                    where, view, ours = self._created(target, attempt)
            except AzureRefusedError as exc:
                if not exc.lacks_capacity:
                    raise
                skipped[target.region] = str(exc)
                continue
            launched = self._launched(where, attempt, view, found=not ours)
            return self._only(replace(launched, skipped=skipped), over)
        said = "; ".join(f"{region}: {why}" for region, why in skipped.items())
        code, message = "NoRoom", f"no region is left that has room for this training: {said}"
        raise AzureRefusedError(code, message)

    def _launched(self, target: Target, attempt: int, view: JobView, *, found: bool) -> Launched:
        name = self.name_of(attempt)
        return Launched(target=target, name=name, attempt=attempt, view=view, found=found)

    def _only(self, launched: Launched, over: set[tuple[int, str]]) -> Launched:
        """Return the training, if another of its jobs was created before; end the later ones."""
        if len(self.everywhere) == 1:
            return launched
        if not launched.found and launched.target.start(self.subscription, launched.name):
            self.pause(_TICK_S)
        seen = alive(self.everywhere, self.subscription, self.name_of, first=self.first, over=over)
        there: list[Found] = self.arm.talk(seen)
        stays, ended = self.arm.talk(keep_first(there, self.subscription))
        if stays is None or (stays.target is launched.target and stays.name == launched.name):
            return replace(launched, ended=ended)
        found = self._launched(stays.target, stays.attempt, stays.view, found=True)
        return replace(found, skipped=launched.skipped, ended=ended)

    def _created(self, target: Target, attempt: int) -> tuple[Target, JobView, bool]:
        """Create a job and start it where it needs that; tell where it is, and whether it is ours.

        Whoever is a moment later may be refused: a deployment of that name is active, or a job of
        it has another body. Then the job that is there is the training.
        """
        name = self.name_of(attempt)
        self.going()
        try:
            view = self.arm.send(target.submit(self.subscription, name, self.work))
        except AzureRefusedError as exc:
            there = None if exc.lacks_capacity else self._look(target, attempt)
            if there is None:
                raise
            view = there
        start = target.start(self.subscription, name)
        if start is None:
            return target, view, view.is_new
        if view.is_new:
            return target, self._start(start), True
        view = self.arm.send(target.look(self.subscription, name))
        return *self._started(target, attempt, view), False

    def _started(self, target: Target, attempt: int, view: JobView) -> tuple[Target, JobView]:
        """Return a job that runs, and where: if its creator died before starting it, we start it.

        Its creator may as well have found no room there, and gone on to another of the targets.
        """
        ask = target.start(self.subscription, self.name_of(attempt))
        if ask is None:
            return target, view
        for wait in _GRACE:
            if view.said != CREATED:
                return target, view
            self.pause(wait)
            for other, seen in self._find(attempt):
                if other is target:
                    view = seen
                elif seen.is_alive:
                    return other, seen
        if view.said != CREATED:
            return target, view
        return target, self._start_for_another(target, self.name_of(attempt), ask)

    def _start_for_another(self, target: Target, name: str, ask: Ask[JobView]) -> JobView:
        """Start a job whose creator has not; where several do, the first execution stays."""
        self.pause(random.uniform(0, _SPREAD_S))  # noqa: S311 - no secret
        view = self.arm.send(target.look(self.subscription, name))
        if view.said != CREATED:
            return view
        self._start(ask)
        self.pause(2 * _SPREAD_S)
        view = self.arm.send(target.look(self.subscription, name))
        for part in view.others:
            with suppress(AzureRefusedError):  # it has ended, or somebody else has ended it
                self.arm.send(target.cancel(self.subscription, name, part))
        return view

    def _start(self, ask: Ask[JobView]) -> JobView:
        """Start a job that Azure may be creating still; a refusal has started nothing."""
        for wait in _PROVISIONING:
            self.going()
            try:
                return self.arm.send(ask)
            except AzureRefusedError as exc:
                if exc.status != _CONFLICT or exc.lacks_capacity:
                    raise
            self.pause(wait)
        return self.arm.send(ask)
