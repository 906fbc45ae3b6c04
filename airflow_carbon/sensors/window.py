"""``CarbonAwareSensor``: a task that waits for its lowest-carbon window, at no worker's cost."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseSensorOperator
from airflow.sdk.definitions.xcom_arg import PlainXComArg
from airflow.triggers.base import StartTriggerArgs
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.auto import NOT_ASKED
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.past_runs import answer
from airflow_carbon.hooks.pools import pool_policy
from airflow_carbon.hooks.shares import holder_of, reservations_of, shared_decision
from airflow_carbon.triggers.learning import learning
from airflow_carbon.triggers.request import (
    WaitRequest,
    check_flag,
    check_place,
    check_share,
    check_times,
    is_template,
    plain_policy,
    question,
)
from airflow_carbon.triggers.window import WindowTrigger

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_carbon.core.plan import Plan
    from airflow_carbon.core.policy import Policy

SUBMITTED = "{{ dag_run.run_after.isoformat() }}"
"""The one instant from which a delay is counted: it stays with the DAG run through retries,
clearing and restarts."""

CARBON_AWARE = "{{ (dag_run.conf or {}).get('carbon_aware', True) }}"
"""A run that somebody needs at once is triggered with ``{"carbon_aware": false}``."""

RENDERED_IN_TRIGGERER: Final = {
    "conn",
    "dag",
    "dag_run",
    "data_interval_end",
    "data_interval_start",
    "ds",
    "ds_nodash",
    "logical_date",
    "macros",
    "params",
    "run_id",
    "task",
    "ts",
    "ts_nodash",
    "ts_nodash_with_tz",
    "var",
}
"""What a template may name and still be rendered in the triggerer."""


class CarbonAwareSensor(BaseSensorOperator):
    """Waits until the window in which a job of ``duration`` emits least, then succeeds.

    The wait stands in the triggerer alone: no worker starts it, holds it or ends it. It asks
    again at every step of the forecast, and never passes its latest start: a source that
    fails costs carbon, not the deadline. Its XCom is the plan, a dictionary: zone, region,
    start, end, duration_from, mean_g_per_kwh, at_once_g_per_kwh, difference_percent,
    submitted_at, deadline, source, issued_at, quality, signal, reason, would_wait_for.
    Instants are ISO 8601 in UTC, intensities [gCO2eq/kWh].

    All arguments are templated. Lengths of time are a timedelta or text such as ``90m``,
    ``4h``, ``1d12h``, ``PT4H``; instants are aware datetimes or ISO 8601 with an offset.

    :param duration: how long the job takes; or its phases, as pairs of a length and the power
        relative to the other phases: ``[("10m", 0.4), ("3h", 1)]``; or ``auto, else 2h``: the 0.9
        quantile of what it took before, by the ledger, and 2 h while that knows too few runs.
    :param region: the Azure region that it will run in; or
    :param zone: the grid zone, by its Electricity Maps key.
    :param deadline: the instant by which the *work* must have ended; or
    :param max_delay: how long after the DAG run's ``run_after`` (or after ``earliest``,
        where that is later) it may start. Both together, and a policy, hold together.
    :param earliest: the instant before which it may not start.
    :param min_saving: what a wait has to save, as a share of running at once (``0.05``,
        ``5%``); otherwise the job starts, with the reason ``below_min_saving``.
    :param policy: how else it may wait: a :class:`~airflow_carbon.core.policy.Policy`, a
        mapping of the same names, or a workload class (``real_time``, ``window_flexible``,
        ``delay_tolerant``). Without one, that of the task's pool in the configuration
        (``[carbon] pool_policies``).
    :param learn_from: whose past runs tell what is ``auto``: a task's id, ``dag/task``, or a
        mapping with dag, task, size (of machine), quantile (0.9) and newest (30). Without it the
        one task after this one that the ledger knows.
    :param dry_run: decide and say so, but don't wait: the plan's ``would_wait_for`` is the window.
    :param carbon_conn_id: a connection of type ``carbon``; none is needed for the default.
    :param start_from_trigger: False lets a worker start the wait, which then defers. So
        does a mapped task, and one whose templates only a worker can render (``ti``, macros
        of the DAG's own).

    Raises:
        InputError: at DAG parse where the mistake is visible there, otherwise before the
            wait begins.
    """

    template_fields: Sequence[str] = (
        "region",
        "zone",
        "duration",
        "deadline",
        "max_delay",
        "earliest",
        "min_saving",
        "policy",
        "learn_from",
        "is_dry_run",
        "carbon_conn_id",
        "submitted",
        "carbon_aware",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        duration: timedelta | str | Sequence[tuple[timedelta | str, float]],
        region: str | None = None,
        zone: str | None = None,
        deadline: datetime | str | None = None,
        max_delay: timedelta | str | None = None,
        earliest: datetime | str | None = None,
        min_saving: float | str = 0.0,
        policy: Policy | Mapping[str, Any] | str | None = None,
        learn_from: str | Mapping[str, Any] | None = None,
        dry_run: bool | str = False,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        start_from_trigger: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.region = region
        self.zone = zone
        self.duration = duration
        self.deadline = deadline
        self.max_delay = max_delay
        self.earliest = earliest
        self.min_saving = min_saving
        self.carbon_conn_id = carbon_conn_id
        self.policy = plain_policy(pool_policy(self.pool) if policy is None else policy)
        self.learn_from = learning(learn_from, duration, self.policy)
        self.is_dry_run = dry_run
        self.submitted = SUBMITTED
        self.carbon_aware = CARBON_AWARE
        check_place(region, zone)
        check_times(self)
        check_share("min_saving", min_saving)
        check_flag("dry_run", dry_run)
        if region is not None and not is_template(region):
            region_by_name(region)
        given = {name: getattr(self, name) for name in self.template_fields}
        trigger_kwargs = {name: _in_triggerer(value) for name, value in given.items()}
        self.start_from_trigger = start_from_trigger and all(
            (given[name] is None) == (value is None) for name, value in trigger_kwargs.items()
        )
        if self.start_from_trigger:
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=f"{WindowTrigger.__module__}.{WindowTrigger.__qualname__}",
                trigger_kwargs={**trigger_kwargs, "ends_task": True},
                next_method="resume",
            )

    def execute(self, context: Context) -> dict[str, Any]:
        """Decide on a worker, and defer where the answer is to wait.

        This is how the wait begins in ``dag.test()``, for mapped tasks, and if asked to.
        """
        asked = question(self)
        learned = answer(asked, CarbonHook(self.carbon_conn_id)) if asked else NOT_ASKED
        request = WaitRequest.read(self, learned)
        plan = self._start_now(request, context)
        if plan is None:
            fields = {name: getattr(self, name) for name in self.template_fields}
            self.defer(trigger=WindowTrigger(**fields, ends_task=False), method_name="resume")
        self.log.info(plan.sentence())
        return plan.as_dict()

    def _start_now(self, request: WaitRequest, context: Context) -> Plan | None:
        from airflow_carbon.core.decision import StartNow, decide
        from airflow_carbon.core.plan import Plan, at_once

        hook, flex = CarbonHook(self.carbon_conn_id), request.flex
        forecast = hook.forecast(request.zone, flex, strict=True)
        now = clock.now()
        asked = request.week_before(now)
        rules = request.rules(hook.survey(*asked) if asked else None)
        decision = partial(decide, forecast, now=now, rules=rules)
        capacity = request.policy.capacity
        if capacity is None or request.is_dry_run:
            answer = decision(flex)
        else:
            shared, holder = reservations_of(hook), holder_of(context["ti"])
            answer = shared_decision(shared, capacity, holder, flex, decision, now=now)
        if not (isinstance(answer, StartNow) or request.is_dry_run):
            return None
        survey = hook.survey(request.zone, flex.earliest, flex.earliest + flex.duration)
        return Plan.of(
            answer,
            place=request.place,
            flex=flex,
            now=now,
            forecast=forecast,
            at_once_g_per_kwh=at_once(survey, forecast, flex),
            duration_from=request.duration_from,
        )

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - as above
        """Return the plan."""
        return event


def _in_triggerer(value: Any) -> Any:
    """Return a field as the triggerer can render it, None where only a worker can.

    In Airflow 3.3 a template there may ask for one XCom by its map index, for a variable
    and for a connection; any other question to Airflow (``ti.xcom_pull`` over map indexes,
    ``prev_*``) is never answered, and the DAG's own macros are not there.
    """
    if isinstance(value, PlainXComArg) and not value.operator.is_mapped:
        task_id, key = value.operator.task_id, value.key
        return f"{{{{ ti.xcom_pull(task_ids={task_id!r}, key={key!r}, map_indexes=-1) }}}}"
    if isinstance(value, dict):
        inner = [_in_triggerer(one) for one in value.values()]
        return None if _lost(value.values(), inner) else dict(zip(value, inner, strict=True))
    if isinstance(value, (list, tuple)):
        inner = [_in_triggerer(one) for one in value]
        return None if _lost(value, inner) else inner
    if hasattr(value, "resolve"):
        return None
    if isinstance(value, str) and is_template(value):
        names = find_undeclared_variables(Environment(autoescape=True).parse(value))
        return value if names <= RENDERED_IN_TRIGGERER else None
    return value


def _lost(before: Iterable[Any], after: Iterable[Any]) -> bool:
    return any(old is not None and new is None for old, new in zip(before, after, strict=True))
