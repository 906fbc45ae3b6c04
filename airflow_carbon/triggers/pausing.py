"""A training that may be paused: followed while it runs, and started again when it is cleaner.

What is intended stands in Airflow's database before it is done: the trigger that follows a job
only says that it should stop; the task then defers to the trigger that stops it. So a triggerer
that is killed in between finds the intention again, and in Azure how far it came.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow_carbon import clock
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.job import State
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.errors import CarbonError
from airflow_carbon.triggers.azure import AzureJobTrigger
from airflow_carbon.triggers.course import Course, Grid, next_look

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from airflow.triggers.base import TriggerEvent

    from airflow_carbon.azure.arm import AsyncArm
    from airflow_carbon.azure.job import JobView, Target
    from airflow_carbon.core.course import Continue, Move, Pause, Resume
    from airflow_carbon.core.promise import Promise
    from airflow_carbon.core.segments import Segment


@dataclass(kw_only=True, eq=False, repr=False)
class PausableJobTrigger(AzureJobTrigger):
    """What the two triggers of a training that may be paused have in common.

    :param pause: the rendered mapping of the operator, ``submitted`` in it.
    :param segments: the segments of the training that are over, as plain values.
    """

    pause: dict[str, Any]
    segments: list[dict[str, Any]]

    @cached_property
    def _course(self) -> Course:
        return Course.read(self.pause)

    def _over(self) -> list[Segment]:
        from airflow_carbon.core.segments import Segment

        return [Segment.read(one) for one in self.segments]


@dataclass(kw_only=True, eq=False, repr=False)
class FollowedJobTrigger(PausableJobTrigger):
    """Fires when a job has ended, and when it should stop: reality has left the forecast.

    It stops nothing itself. A carbon service that fails lets the job go on.

    :param promised: the forecast by which the job runs, as plain values.
    """

    promised: dict[str, Any] | None

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until the job has ended, or should stop."""
        view, error, stop = None, None, None
        async with await self._arm() as arm:
            attending = asyncio.ensure_future(self._attend_launched(arm))
            following = asyncio.ensure_future(self._followed(arm))
            try:
                await asyncio.wait({attending, following}, return_when=asyncio.FIRST_COMPLETED)
                if not attending.done():
                    stop = self._intention(following.result())
                if stop is None:
                    view = await attending
            except CarbonError as exc:
                error = str(exc)
            finally:
                for one in (attending, following):
                    one.cancel()
                await asyncio.gather(attending, following, return_exceptions=True)
        await self._settled()
        yield self._event(view, error, stop=stop)

    async def _followed(self, arm: AsyncArm) -> Pause | Move | None:
        try:
            return await self._follow(arm)
        except Exception:
            self.log.exception("%s runs on, unfollowed", self.name)
            return None

    def _intention(self, answer: Pause | Move | None) -> dict[str, Any] | None:
        """Return what is to be done, as plain values."""
        if answer is None:
            return None
        told = answer.as_dict()
        return {
            "answer": told["answer"],
            "region": told.get("to_region", self.region),
            "until": answer.window.start.isoformat() if answer.window else told["until"],
            "running_since": self._running_since.isoformat() if self._running_since else None,
            "said": answer.sentence(),
        }

    async def _follow(self, arm: AsyncArm) -> Pause | Move | None:
        """Hold reality against the forecast until the job should stop; None: it runs through."""
        from airflow_carbon.azure.history import atimes_of
        from airflow_carbon.core.course import Because, Continue

        await self._runs.wait()
        target = self._target()
        told, _ = await atimes_of(arm, target.resource(arm.login.subscription_id, self.name))
        self._running_since = told or self._running_since
        grid = await Grid.open(self._course.carbon_conn_id, self.log)
        promise, said = self._promise(), None
        while True:
            answer, promise, look = await self._compare(grid, promise)
            if not isinstance(answer, Continue):
                self.log.info(answer.sentence())
                return answer
            if answer.because is not said:
                self.log.info(answer.sentence())
                said = answer.because
            if answer.because is Because.DEADLINE:
                return None
            await clock.sleep_until(look)

    async def _compare(
        self, grid: Grid, promise: Promise | None
    ) -> tuple[Continue | Pause | Move, Promise | None, datetime]:
        """Ask once, and decide; return also by which promise, and when to ask again."""
        from airflow_carbon.azure.target import read_targets
        from airflow_carbon.core.drift import follow
        from airflow_carbon.core.promise import Promise

        course, since, now = self._course, self._running_since or clock.now(), clock.now()
        zone, drift = region_by_name(self.region).zone, course.pausing.drift
        left = course.left(self.region, self._over(), since)
        job, drifted, regions = left.job(now), False, {}
        forecast = await grid.forecast(zone, job)
        if promise is not None:
            begin = now - drift.lasting - promise.series.step
            actual = await grid.actual(zone, promise.source, begin, now)
            drifted = promise.is_broken(actual, since=since, now=now, drift=drift)
        if forecast is not None and (promise is None or promise.series.ends <= now):
            promise = Promise.of(forecast, begin=now, until=course.flex.deadline)
        if drifted and course.pausing.may_move:
            others = [region_by_name(name) for name in read_targets(self.targets)]
            regions = await grid.forecasts([one for one in others if one.name != self.region], job)
        answer = follow(
            forecast,
            left,
            now=now,
            drifted=drifted,
            regions=regions,
            costs=course.pausing.costs,
        )
        return answer, promise, next_look(forecast, now)

    def _promise(self) -> Promise | None:
        from airflow_carbon.core.promise import Promise

        return None if self.promised is None else Promise.read(self.promised)


@dataclass(kw_only=True, eq=False, repr=False)
class PausedJobTrigger(PausableJobTrigger):
    """Stops a job, and fires when its training should go on; at its latest start at the latest.

    A job that ends by itself before it stops has ended; that is told instead.

    :param stop: what is intended: ``answer`` (``pause`` or ``move``), ``region`` where it goes on,
        ``until`` when, as planned, ``running_since``, ``said``, why.
    """

    stop: dict[str, Any]

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Stop the job, then wait."""
        view, error = None, None
        async with await self._arm() as arm:
            try:
                view = await self._attend(arm)
            except CarbonError as exc:
                error = str(exc)
        await self._settled()
        if view is None or view.state not in {State.CANCELLED, State.PREEMPTED}:
            yield self._event(view, error)
            return
        segment = self._segment(view)
        answer = await self._wait([*self._over(), *([segment] if segment else [])])
        self.log.info(answer.sentence())
        resume = {"region": self.stop["region"], "because": answer.because.value}
        ended = segment.as_dict() if segment else None
        yield self._event(view, resume=resume, segment=ended)

    async def _look(self, arm: AsyncArm, target: Target) -> JobView:
        """Look at the job, and ask for its end while it has not ended."""
        view = await super()._look(arm, target)
        if self._running_since is None and self.stop["running_since"]:
            self._running_since = datetime.fromisoformat(self.stop["running_since"])
        if not view.state.is_final:
            with suppress(AzureRefusedError):  # it has ended meanwhile: the next look tells
                await arm.send(target.cancel(arm.login.subscription_id, self.name, view.part))
        return view

    def _segment(self, view: JobView) -> Segment | None:
        """Return what the job leaves behind; None where it never ran."""
        from airflow_carbon.core.segments import Ended, Segment

        if view.started_at is None or view.ended_at is None:
            return None
        ended = {"pause": Ended.PAUSED, "move": Ended.MOVED}[self.stop["answer"]]
        return Segment(
            region=self.region,
            name=self.name,
            attempt=self.attempt,
            started_at=view.started_at,
            ended_at=view.ended_at,
            ended=ended,
            resource=view.resource,
        )

    async def _wait(self, over: list[Segment]) -> Resume:
        """Wait for the window, or the latest start; ask again at each step of the forecast."""
        from airflow_carbon.core.course import Resume
        from airflow_carbon.core.drift import resume

        course, region = self._course, self.stop["region"]
        moved, said = self.stop["answer"] == "move", None
        planned = datetime.fromisoformat(self.stop["until"])
        left, zone = course.left(region, over), region_by_name(region).zone
        overhead = course.pausing.cost(moved=moved).time
        grid = await Grid.open(course.carbon_conn_id, self.log)
        while True:
            waits = left.may_wait(clock.now(), overhead)
            job = left.job(clock.now(), overhead) if waits else None
            forecast, now = await grid.forecast(zone, job), clock.now()
            answer = resume(
                forecast,
                left,
                now=now,
                planned=planned,
                costs=course.pausing.costs,
                moved=moved,
            )
            if isinstance(answer, Resume):
                return answer
            if answer.until != said:
                self.log.info(answer.sentence())
            planned = said = answer.until
            await clock.sleep_until(min(planned, next_look(forecast, now)))
