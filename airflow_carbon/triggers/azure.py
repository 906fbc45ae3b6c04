"""Attends a training job in Azure: patient with Azure, and quick to cancel when told."""

from __future__ import annotations

import asyncio
import random
import time
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_carbon import clock
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.job import State
from airflow_carbon.core.errors import CarbonError, RateLimitedError, ServiceUnavailableError
from airflow_carbon.hooks.azure import AzureHook

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow_carbon.azure.arm import AsyncArm
    from airflow_carbon.azure.job import JobView, Target

JITTER: Final = 0.2
"""How much sooner or later than asked each look is, so that many jobs don't ask at once."""

LONGEST_PAUSE_S: Final = 300.0
"""How long Azure is left alone at most when it does not answer [s]."""

KILL_PAUSES_S: Final = (1.0, 2.0, 4.0, 8.0, 0.0)
"""Between the attempts to cancel a job [s]; Airflow gives them half a minute."""

HEAVY: Final = (
    "airflow_carbon.azure.target",
    "airflow_carbon.azure.login",
    "azure.core.pipeline.transport._aiohttp",
    "azure.mgmt.resource.resources.aio.operations",
)
"""A second of imports, off the event loop that all triggers share."""

OUT_OF_TIME: Final = "OutOfTime"
"""Our code for a job that has had its time."""

SECOND: Final = "a job of this training in %s is cancelled: %s in %s was created before it"

SETTLES_S: Final = 5.0
"""How long a trigger keeps its news at first, or ten polls where those are shorter.

Airflow 3.3 takes a task for dead that goes on before its scheduler has heard of the deferral.
"""

MOST_DOUBLINGS: Final = 10
"""Of that pause: an outage may last for days."""


@dataclass(kw_only=True, eq=False, repr=False)
class AzureJobTrigger(BaseTrigger):
    """Fires when a training job has ended, or when it is out of time, and is cancelled then.

    Azure that throttles, fails, drops connections or lets a token expire is asked again, for as
    long as the job may take. Killed by a user, it cancels the job; a triggerer that restarts does
    not.

    :param targets: the regions' profiles, as the operator has them; ``region`` is where the job is.
    :param until: when it is out of time, ISO 8601; None: never.
    """

    azure_conn_id: str
    targets: dict[str, Any]
    region: str
    name: str
    attempt: int
    poll_s: float
    until: str | None
    skipped: dict[str, str]

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's own has no types
        self._running_since: datetime | None = None
        self._runs = asyncio.Event()
        self._began_s = time.monotonic()

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its fields."""
        kwargs = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job has ended."""
        view, error = None, None
        async with await self._arm() as arm:
            try:
                view = await self._attend_launched(arm)
            except CarbonError as exc:
                error = str(exc)
        await self._settled()
        yield self._event(view, error)

    def _event(self, view: JobView | None, error: str | None = None, **more: Any) -> TriggerEvent:
        """Return what the task is told; ``more`` only where a job may be paused."""
        return TriggerEvent(
            {
                "region": self.region,
                "name": self.name,
                "attempt": self.attempt,
                "skipped": self.skipped,
                "view": None if view is None else plain(view),
                "error": error,
                **more,
            }
        )

    async def on_kill(self) -> None:
        """Cancel the job: the task was ended by a user."""
        async with await self._arm() as arm:
            await self._end(arm)

    async def _end(self, arm: AsyncArm) -> None:
        """Cancel the job, for as long as Airflow gives a trigger that is killed."""
        for pause in KILL_PAUSES_S:
            try:
                view = await self._cancelled(arm)
            except ServiceUnavailableError as exc:
                self.log.warning("%s is not cancelled yet: %s", self.name, exc)
                await asyncio.sleep(pause)
            except CarbonError as exc:
                self.log.error("%s was not cancelled: %s", self.name, exc)  # noqa: TRY400
                return
            else:
                said = "over" if view.state.is_final else "cancelled"
                self.log.info("%s is %s", self.name, said)
                return
        self.log.error("%s was not cancelled: it may run on", self.name)

    async def _cancelled(self, arm: AsyncArm) -> JobView:
        """Ask for the job's end; return how it was before."""
        target, subscription = self._target(), arm.login.subscription_id
        view = await arm.send(target.look(subscription, self.name))
        if not view.state.is_final:
            await arm.send(target.cancel(subscription, self.name, view.part))
        else:
            await self._release(arm, target, view)
        return view

    async def _release(self, arm: AsyncArm, target: Target, view: JobView) -> None:
        """Give back what a job that is over still holds; its outcome stands if that is refused."""
        ask = target.release(arm.login.subscription_id, self.name, view)
        try:
            if ask is not None:
                await arm.send(ask)
        except AzureRefusedError as exc:
            self.log.warning("the machine of %s was not given back: %s", self.name, exc)

    async def _arm(self) -> AsyncArm:
        for module in HEAVY:
            await asyncio.to_thread(import_module, module)
        return await AzureHook(self.azure_conn_id).aarm()

    def _target(self) -> Target:
        from airflow_carbon.azure.target import read_targets

        return read_targets(self.targets)[self.region]

    async def _attend_launched(self, arm: AsyncArm) -> JobView:
        try:
            await self._rest(self.poll_s)  # the worker has just looked
            await self._keep_one(arm)
            return await self._attend(arm)
        except AzureRefusedError as exc:
            if exc.code == OUT_OF_TIME:
                await self._end(arm)
            raise

    async def _keep_one(self, arm: AsyncArm) -> None:
        """End what else there is of the training: who launched it may have died before looking.

        It may be our own job that is ended: then its end is told, and the task finds the other.
        """
        from airflow_carbon.azure.alive import alive, keep_first
        from airflow_carbon.azure.job import attempts_of
        from airflow_carbon.azure.target import read_targets

        targets, subscription = list(read_targets(self.targets).values()), arm.login.subscription_id
        if len(targets) == 1:
            return
        try:
            found = await arm.talk(alive(targets, subscription, attempts_of(self.name)))
            stays, ended = await arm.talk(keep_first(found, subscription))
        except CarbonError as exc:
            self.log.warning("whether %s runs elsewhere, too, is not known: %s", self.name, exc)
            return
        if stays is not None and ended:
            where = ", ".join(ended)
            self.log.warning(SECOND, where, stays.name, stays.target.region)

    async def _attend(self, arm: AsyncArm) -> JobView:
        target, silent, said = self._target(), 0, ""
        while True:
            pause, peace = self.poll_s, 0.0
            try:
                view = await self._look(arm, target)
            except RateLimitedError as exc:
                peace = exc.retry_after / timedelta(seconds=1)
                self.log.info("%s", exc)
            except ServiceUnavailableError as exc:
                silent += 1
                pause = min(self.poll_s * 2 ** min(silent, MOST_DOUBLINGS), LONGEST_PAUSE_S)
                self.log.warning("%s; it is asked again in %.0f s", exc, pause)
            else:
                silent = 0
                if view.said != said:
                    self.log.info("%s in %s: %s", self.name, self.region, view.said)
                    said = view.said
                if view.state is State.RUNNING:
                    self._running_since = view.started_at or self._running_since or clock.now()
                    self._runs.set()
                if view.state.is_final:
                    return await self._timed(arm, view)
            await self._rest(pause, peace)

    async def _look(self, arm: AsyncArm, target: Target) -> JobView:
        view = await arm.send(target.look(arm.login.subscription_id, self.name))
        if view.state.is_final:
            await self._release(arm, target, view)
        return view

    async def _timed(self, arm: AsyncArm, view: JobView) -> JobView:
        """Return the view of a job that is over with its times, as seen where Azure tells none."""
        from airflow_carbon.azure.history import atimes_of

        started, ended = view.started_at, view.ended_at
        if started is None or ended is None:
            told = await atimes_of(arm, view.resource)
            started, ended = started or told[0], ended or told[1]
        return replace(
            view,
            started_at=started or self._running_since,
            ended_at=ended or clock.now(),
        )

    async def _settled(self) -> None:
        """Return when the scheduler surely knows that the task waits."""
        settles_s = min(SETTLES_S, 10 * self.poll_s)
        await asyncio.sleep(self._began_s + settles_s - time.monotonic())

    async def _rest(self, pause_s: float, peace_s: float = 0.0) -> None:
        draw = random.uniform(-JITTER, JITTER)  # noqa: S311 - no secret
        seconds = resting_s(pause_s, peace_s, draw)
        if self.until is not None:
            left = (datetime.fromisoformat(self.until) - clock.now()) / timedelta(seconds=1)
            if left <= 0:
                message = f"{self.name} had not ended by {self.until}"
                raise AzureRefusedError(OUT_OF_TIME, message)
            seconds = min(seconds, left)
        await asyncio.sleep(seconds)


def resting_s(pause_s: float, peace_s: float, draw: float) -> float:
    """Return how long to rest [s]: about a pause, and no shorter than Azure wants to be left alone.

    ``draw``: from -JITTER to JITTER.

    >>> resting_s(30, 120, -0.1)
    132.0
    """
    return max(pause_s * (1 + draw), peace_s * (1 + abs(draw)))


def plain(view: JobView) -> dict[str, Any]:
    """Return a view as plain values."""
    values = asdict(view) | {"state": view.state.value, "others": list(view.others)}
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in values.items()
    }
