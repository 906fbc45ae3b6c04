"""A task group that waits once, before its first tasks."""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any, Final

import attrs
from airflow.sdk import TriggerRule
from airflow.sdk.definitions._internal.contextmanager import TaskGroupContext
from airflow.sdk.definitions.xcom_arg import PlainXComArg

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.decorators.aware_task import is_measurable, make_measured
from airflow_carbon.sensors.window import CarbonAwareSensor

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow.sdk import TaskGroup

WAIT_ID: Final = "carbon_wait"
"""The id of the wait, within the group."""

UNHELD: Final = frozenset(
    {TriggerRule.ALWAYS, TriggerRule.ONE_SUCCESS, TriggerRule.ONE_FAILED, TriggerRule.ONE_DONE}
)
"""Trigger rules by which a task may begin before all that is upstream of it has ended."""


@attrs.define
class BehindWait(PlainXComArg):
    """What a task of a group returns; what is set before it comes before the group's wait."""

    wait: Any = attrs.field(kw_only=True)

    @property
    def roots(self) -> list[Any]:
        """The wait: where this is downstream of something."""
        return [self.wait]

    def set_upstream(self, task_or_task_list: Any, edge_modifier: Any = None) -> None:
        """Put tasks before the wait."""
        self.wait.set_upstream(task_or_task_list, edge_modifier)


def aware_function(
    function: Callable[..., Any],
    wait: Mapping[str, Any],
    account: Mapping[str, Any],
    measure: bool | None,  # noqa: FBT001 - as the author says it
) -> Callable[..., Any]:
    """Return the function of a task group that waits before what the function makes."""

    @wraps(function)
    def inside(*args: Any, **kwargs: Any) -> Any:
        made = function(*args, **kwargs)
        group = TaskGroupContext.get_current()
        if group is None:  # Airflow calls it within its group
            return made
        sensor = make_group_aware(group, wait, account, measure)
        if isinstance(made, PlainXComArg):
            return BehindWait(made.operator, made.key, wait=sensor)
        return made

    return inside


def make_group_aware(
    group: TaskGroup,
    wait: Mapping[str, Any],
    account: Mapping[str, Any],
    measure: bool | None,  # noqa: FBT001 - as the author says it
) -> CarbonAwareSensor:
    """Put one wait before the first tasks of a group, have its tasks measured; return the wait.

    What comes before any task of the group comes before the wait.

    Raises:
        InputError: arguments that can't be, or a group that can't wait.
    """
    tasks, roots = list(group), list(group.get_roots())
    _check(group, roots)
    own = {task.task_id for task in tasks}
    before = {name for task in tasks for name in task.upstream_task_ids} - own
    prefix = "" if group.prefix_group_id else f"{group.group_id}_"
    rules = {root.trigger_rule for root in roots if root.upstream_task_ids}
    rule = rules.pop() if len(rules) == 1 else TriggerRule.ALL_SUCCESS
    sensor = CarbonAwareSensor(
        task_id=f"{prefix}{WAIT_ID}", dag=group.dag, task_group=group, trigger_rule=rule, **wait
    )
    sensor.set_upstream([group.dag.get_task(name) for name in sorted(before)])
    sensor.set_downstream(roots)
    known = {"carbon_conn_id": sensor.carbon_conn_id, "plan": sensor.output, **account}
    for task in tasks:
        if is_measurable(task, measure):
            make_measured(task, known)
    return sensor


def _check(group: TaskGroup, roots: list[Any]) -> None:
    if not roots:
        remedy = "the group has no task that could wait"
        raise InvalidOptionError("carbon_aware", group.group_id, remedy)
    for root in roots:
        if root.trigger_rule in UNHELD:
            remedy = f"its trigger rule, {root.trigger_rule}, would not let it wait"
            raise InvalidOptionError("carbon_aware", root.task_id, remedy)
