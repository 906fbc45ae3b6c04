"""The wait: a clock, a fetch, and one pure call."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from airflow.triggers.base import (
    BaseTaskEndEvent,
    BaseTrigger,
    TaskFailedEvent,
    TaskSkippedEvent,
    TaskSuccessEvent,
    TriggerEvent,
)

from airflow_carbon import clock
from airflow_carbon.core.auto import NOT_ASKED
from airflow_carbon.core.errors import InputError, UnknownConnectionError
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.past_runs import ahistory
from airflow_carbon.hooks.shares import areservations_of, holder_of, shared_decision
from airflow_carbon.triggers.request import WaitRequest, question

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from airflow_carbon.core.auto import Answer
    from airflow_carbon.core.decision import StartNow, WaitUntil
    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast, Survey
    from airflow_carbon.core.plan import Plan
    from airflow_carbon.core.units import GramsPerKWh

PATIENCE: Final = timedelta(minutes=1)
"""How long the whole ladder may take before the policy decides without it."""

_ENDS: Final[dict[str, type[BaseTaskEndEvent]]] = {
    "go": TaskSuccessEvent,
    "fail": TaskFailedEvent,
    "skip": TaskSkippedEvent,
}

CONNECTION_TRIES: Final = 3
CONNECTION_PAUSE_S: Final = 2.0


@dataclass(kw_only=True, eq=False, repr=False)
class WindowTrigger(BaseTrigger):
    """Fires when a job's lowest-carbon window begins, at its latest start at the latest.

    Airflow stores the fields in its database and renders their templates, so they are
    strings, dates and lengths of time, as the DAG author wrote them.

    :param ends_task: end the task from the triggerer with the plan as its XCom, with no
        worker; otherwise the plan is the event and the task resumes.
    :param on_timeout: how the task ends where the policy's limit was not met: ``go``, ``fail``
        or ``skip``.
    """

    carbon_conn_id: str
    region: str | None
    zone: str | None
    duration: timedelta | str | list[Any]
    deadline: datetime | str | None
    max_delay: timedelta | str | None
    earliest: datetime | str | None
    submitted: datetime | str
    ends_task: bool
    min_saving: float | str = 0.0
    policy: str | dict[str, Any] | None = None
    is_dry_run: bool | str = False
    carbon_aware: bool | str = True
    learn_from: dict[str, Any] | None = None
    on_timeout: str = "go"

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's own has no types

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its fields."""
        kwargs = {field.name: getattr(self, field.name) for field in fields(self)}
        return f"{type(self).__module__}.{type(self).__qualname__}", kwargs

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the window; a mistake in the fields or the connection is raised at once."""
        try:
            plan = await self._hold(WaitRequest.read(self, await self._learned()))
        except InputError as exc:
            self.log.error("%s", exc)  # noqa: TRY400 - Airflow adds the traceback, not the sentence
            raise
        self.log.info(plan.sentence())
        values = plan.as_dict()
        if self.ends_task:
            yield await self._end(values)
        else:
            yield TriggerEvent(values)

    async def _end(self, values: dict[str, Any]) -> BaseTaskEndEvent:
        """Push the plan and return the event that ends the task.

        The event could carry XComs itself, but Airflow 3.3 encodes those twice: a task
        downstream would read text in place of a dictionary. That is the fallback.
        """
        from airflow_carbon.core.threshold import OnTimeout, outcome, outcome_sentence

        end = outcome(values, self.on_timeout)
        event = _ENDS[end]
        if end is not OnTimeout.GO:
            self.log.error("%s", outcome_sentence(values))
        try:
            await self._push(values)
        except Exception as exc:  # noqa: BLE001 - whatever an XCom backend raises: there is another way
            self.log.warning(
                "the plan goes to XCom as JSON text, since it can't be pushed: %s", exc
            )
            return event(xcoms={"return_value": values})
        return event()

    async def _push(self, values: dict[str, Any]) -> None:
        from airflow.sdk.execution_time.xcom import XCom

        ti = self.task_instance
        if ti is None:
            message = "the triggerer gave no task instance"
            raise RuntimeError(message)
        await XCom.aset(
            key="return_value",
            value=values,
            dag_id=ti.dag_id,
            task_id=ti.task_id,
            run_id=ti.run_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
        )

    async def _learned(self) -> Answer:
        """Ask the ledger for what is ``auto``; where nothing is, no ledger is needed."""
        asked = question(self)
        if asked is None:
            return NOT_ASKED
        found = asked.answer(await ahistory(asked.learn_from, await self._hook()))
        self.log.info("%s, by %s", found.sentence(), asked.learn_from)
        return found

    async def _hold(self, request: WaitRequest) -> Plan:
        # A third of a second of pandas, off the event loop that all waits share.
        await asyncio.to_thread(import_module, "airflow_carbon.services.registry")
        from airflow_carbon.core.decision import StartNow, decide
        from airflow_carbon.core.plan import Plan, wait_sentence

        hook, flex, place = await self._hook(), request.flex, request.place
        planned, strict = None, True
        while True:
            forecast = await self._forecast(hook, request, strict=strict)
            rules = request.rules(await self._week(hook, request))
            now = clock.now()
            decision = partial(decide, forecast, now=now, planned=planned, rules=rules)
            answer = await self._decide(hook, request, decision, now)
            if isinstance(answer, StartNow) or request.is_dry_run:
                break
            if strict or answer.window != planned:
                self.log.info(
                    wait_sentence(answer, place=place, flex=flex, now=now, forecast=forecast)
                )
            planned, strict = answer.window, False
            await clock.sleep_until(answer.at)
        return Plan.of(
            answer,
            place=place,
            flex=flex,
            now=now,
            forecast=forecast,
            at_once_g_per_kwh=await self._at_once(hook, request, forecast),
            duration_from=request.duration_from,
            limit_g_per_kwh=rules.limit_g_per_kwh,
        )

    async def _decide(
        self,
        hook: CarbonHook,
        request: WaitRequest,
        decision: Callable[[Flexibility], StartNow | WaitUntil],
        now: datetime,
    ) -> StartNow | WaitUntil:
        """Decide alone, or among what others on the same capacity have left."""
        capacity = request.policy.capacity
        if capacity is None or request.is_dry_run or self.task_instance is None:
            return decision(request.flex)
        return await asyncio.to_thread(
            shared_decision,
            await areservations_of(hook),
            capacity,
            holder_of(self.task_instance),
            request.flex,
            decision,
            now=now,
        )

    async def _hook(self) -> CarbonHook:
        """Read the connection; Airflow says *not defined* also while its API server is away."""
        hook = CarbonHook(self.carbon_conn_id)
        for _ in range(CONNECTION_TRIES - 1):
            try:
                await hook.aoptions()
            except UnknownConnectionError:
                await asyncio.sleep(CONNECTION_PAUSE_S)
            else:
                return hook
        await hook.aoptions()
        return hook

    async def _forecast(
        self, hook: CarbonHook, request: WaitRequest, *, strict: bool
    ) -> Forecast | None:
        left = max(request.flex.latest_start - clock.now(), timedelta(seconds=1))
        try:
            async with asyncio.timeout(min(left, PATIENCE).total_seconds()):
                return await hook.aforecast(request.zone, request.flex, strict=strict)
        except TimeoutError:
            self.log.warning("no source answered in time")
            return None

    async def _week(self, hook: CarbonHook, request: WaitRequest) -> Survey | None:
        """Return the last week, where the policy asks for a percentile of it."""
        asked = request.week_before(clock.now())
        if asked is None:
            return None
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                week = await hook.asurvey(*asked)
        except TimeoutError:
            week = None
        if week is None:
            self.log.warning("no source knows the last week: no percentile of it limits this wait")
        return week

    async def _at_once(
        self, hook: CarbonHook, request: WaitRequest, forecast: Forecast | None
    ) -> GramsPerKWh | None:
        from airflow_carbon.core.plan import at_once

        begin = request.flex.earliest
        try:
            async with asyncio.timeout(PATIENCE.total_seconds()):
                survey = await hook.asurvey(request.zone, begin, begin + request.flex.duration)
        except TimeoutError:
            return None
        return at_once(survey, forecast, request.flex)
