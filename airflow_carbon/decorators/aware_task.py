"""A task that waits for its window itself, in the triggerer, and is measured when it works.

One task, not two: Airflow lets an operator start in the triggerer and go on in a worker. So its
id, its XCom, its upstreams and its trigger rule stay what they are.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import BaseSensorOperator, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator
from airflow.sdk.exceptions import AirflowTaskTimeout
from airflow.sdk.execution_time.timeout import timeout
from airflow.triggers.base import StartTriggerArgs

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.decorators.measured import ACCOUNTED, MeasuredOperator
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.hooks.pools import pool_policy
from airflow_carbon.operators.measured import measuring_task
from airflow_carbon.sensors.waiting import (
    CARBON_AWARE,
    check_wait,
    fields_in_triggerer,
    start_now,
)
from airflow_carbon.triggers.learning import learning
from airflow_carbon.triggers.request import SUBMITTED, plain_policy
from airflow_carbon.triggers.waiting import WaitTrigger
from airflow_carbon.triggers.window import WindowTrigger

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from datetime import timedelta

    from airflow.sdk import BaseOperator, Context

    Task = BaseOperator | MappedOperator
    _Work = BaseOperator
else:
    _Work = object

PLAN: Final = "carbon_plan"
"""The XCom of a task that waited: its plan, as the sensor's."""

ACCOUNT: Final = tuple(name for name in ACCOUNTED if name not in {"plan", "region", "zone"})
"""What it has in common with ``@task.measured``; the place is the plan's."""

IN_WORKER: Final = (PythonOperator, BashOperator)
"""What is known to work where it can be measured, in its worker."""

WAIT: Final = (
    "duration",
    "region",
    "zone",
    "deadline",
    "max_delay",
    "earliest",
    "min_saving",
    "policy",
    "learn_from",
    "dry_run",
    "carbon_conn_id",
)
"""What ``@carbon_aware`` has in common with the sensor."""


class Measures(_Work):
    """Measures its work, and accounts for it."""

    carbon_account: Mapping[str, Any] | None = None
    """The options of the accounting; None is not measured."""

    def execute(self, context: Context) -> Any:
        """Do the work, measured."""
        with measuring_task(context, outlets=self.outlets, **(self.carbon_account or {})):
            return super().execute(context)


class Waits(_Work):
    """Waits for its window, then works."""

    carbon_wait: Mapping[str, Any]
    carbon_account: Mapping[str, Any] | None = None
    carbon_timeout: ClassVar[timedelta | None] = None
    """How long the *work* may take: Airflow would count the wait."""

    def execute(self, context: Context) -> Any:
        """Decide on a worker: in ``dag.test()``, for mapped tasks, for templates of a worker's."""
        trigger = WindowTrigger(**self.carbon_wait, ends_task=False)
        plan = start_now(trigger, context["ti"])
        if plan is None:
            self.defer(trigger=trigger, method_name=self.carbon_resume.__name__)
        self.log.info(plan.sentence())
        with self._limited():
            return self.carbon_resume(context, plan.as_dict())

    def resume_execution(
        self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context
    ) -> Any:
        """Go on after the wait, or after a deferral of its own."""
        with self._limited():
            return super().resume_execution(next_method, next_kwargs, context)

    def carbon_resume(self, context: Context, event: dict[str, Any]) -> Any:
        """Do the work by the plan that the wait has come to."""
        context["ti"].xcom_push(key=PLAN, value=event)
        work: Any = self
        if self.carbon_account is not None:
            self.carbon_account = {**self.carbon_account, "plan": event}
        elif isinstance(work, MeasuredOperator) and not (work.plan or work.region or work.zone):
            work.plan = event
        return super().execute(context)

    @contextmanager
    def _limited(self) -> Iterator[None]:
        if self.carbon_timeout is None:
            yield
            return
        try:
            with timeout(self.carbon_timeout.total_seconds()):
                yield
        except AirflowTaskTimeout:
            self.on_kill()
            raise


class RunsAsText(_Work):
    """Its function is run from its source, where this decorator is not known."""

    def get_python_source(self) -> str:
        """Return the function's source, without this decorator."""
        from airflow.sdk.definitions._internal.decorators import remove_task_decorator

        source: str = super().get_python_source()  # type: ignore[misc] # a decorated operator has it
        for name in ("carbon_aware", "airflow_carbon.carbon_aware"):
            source = remove_task_decorator(source, name)
        return source


def make_aware(task: Task, wait: Mapping[str, Any], account: Mapping[str, Any] | None) -> None:
    """Have a task wait for its window, and be measured unless ``account`` is None.

    Raises:
        InputError: arguments that can't be, or a task that can't wait.
    """
    kind = _class_of(task)
    _check(task, kind)
    fields = _fields(task, wait)
    if account is not None:
        account = {"carbon_conn_id": fields["carbon_conn_id"], **account}
    mixins: tuple[type, ...] = (Waits,) if account is None else (Waits, Measures)
    limit = _take_timeout(task)
    _become(task, kind, mixins, carbon_wait=fields, carbon_account=account, carbon_timeout=limit)
    XComArg.apply_upstream_relationship(task, [fields, account])
    rendered = fields_in_triggerer(fields)
    if rendered is None or isinstance(task, MappedOperator):
        return  # Airflow 3.3 starts mapped tasks in workers
    task.start_from_trigger = True
    task.start_trigger_args = StartTriggerArgs(
        trigger_cls=f"{WaitTrigger.__module__}.{WaitTrigger.__qualname__}",
        trigger_kwargs={"carbon_wait": rendered},
        next_method=Waits.carbon_resume.__name__,
    )


def make_measured(task: Task, account: Mapping[str, Any]) -> None:
    """Have a task measured that does not wait; what ``account`` takes from others comes before."""
    _become(task, _class_of(task), (Measures,), carbon_account=account)


def is_measurable(task: Task, asked: bool | None = None) -> bool:  # noqa: FBT001 - as the author says it
    """Tell whether a task is to be measured: as asked, else if it is known to work in its worker.

    What measures itself is left alone, and so is what does not work.
    """
    kind = _class_of(task)
    other = (MeasuredOperator, Measures, Waits, EmptyOperator, BaseSensorOperator)
    if asked is False or issubclass(kind, other):
        return False
    return asked or issubclass(kind, IN_WORKER)


def _class_of(task: Task) -> type[BaseOperator]:
    return task.operator_class if isinstance(task, MappedOperator) else type(task)


def _check(task: Task, kind: type[BaseOperator]) -> None:
    reasons = {
        "it waits already, one @carbon_aware is enough": issubclass(kind, Waits),
        "a sensor waits already, write it above the task that comes after": issubclass(
            kind, BaseSensorOperator
        ),
        "an EmptyOperator is never run, so it would not wait": issubclass(kind, EmptyOperator),
        "it starts in the triggerer by itself; put a CarbonAwareSensor before it": bool(
            task.start_from_trigger
        ),
        "a setup or teardown follows its work, write it above that": (
            task.is_setup or task.is_teardown
        ),
    }
    for remedy, is_so in reasons.items():
        if is_so:
            raise InvalidOptionError("carbon_aware", task.task_id, remedy)


def _fields(task: Task, wait: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of the wait, checked; what is not given is from ``default_args``."""
    usual = {**(task.dag.default_args if task.dag else {})}
    if task.task_group is not None:
        usual |= task.task_group.default_args
    given = {**{name: usual[name] for name in WAIT if usual.get(name) is not None}, **wait}
    policy = given.get("policy")
    policy = plain_policy(pool_policy(task.pool) if policy is None else policy)
    duration, source = given.get("duration"), given.get("learn_from")
    if learning(source, duration, policy) is not None:
        source = learning(source or {"task": task.task_id}, duration, policy)
    fields = {
        **{name: given.get(name) for name in ("region", "zone", "deadline", "max_delay")},
        "duration": duration,
        "earliest": given.get("earliest"),
        "min_saving": given.get("min_saving", 0.0),
        "policy": policy,
        "learn_from": source,
        "is_dry_run": given.get("dry_run", False),
        "carbon_conn_id": given.get("carbon_conn_id", DEFAULT_CONN_ID),
        "submitted": SUBMITTED,
        "carbon_aware": CARBON_AWARE,
    }
    check_wait(WindowTrigger(**fields, ends_task=False))
    return fields


def _take_timeout(task: Task) -> timedelta | None:
    """Return the task's ``execution_timeout``, and leave it none: the work alone is held to it."""
    limit = task.execution_timeout
    if isinstance(task, MappedOperator):
        task.partial_kwargs.pop("execution_timeout", None)
    else:
        task.execution_timeout = None
    return limit


def _become(
    task: Task, kind: type[BaseOperator], mixins: tuple[type, ...], **attributes: Any
) -> None:
    """Give a task's class what it lacks: its name stays, as Airflow's pages show it.

    The attributes are the class's, since a mapped task is made from its class when it runs.
    """
    added = tuple(name for name in ("carbon_wait", "carbon_account") if attributes.get(name))
    fields = (*task.template_fields, *(name for name in added if name not in task.template_fields))
    if hasattr(kind, "get_python_source"):
        mixins = (*mixins, RunsAsText)
    body = {"__module__": kind.__module__, "__doc__": kind.__doc__, "template_fields": fields}
    meta: Any = type(kind)
    derived = meta(kind.__name__, (*mixins, kind), body | attributes)
    if isinstance(task, MappedOperator):
        task.operator_class = derived
        task.template_fields = fields
    else:
        object.__setattr__(task, "__class__", derived)
