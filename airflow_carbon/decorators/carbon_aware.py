"""``@carbon_aware``: one line above what is there, and it waits, is measured and accounted for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from airflow.sdk import BaseOperator, TaskGroup, XComArg
from airflow.sdk.definitions.mappedoperator import MappedOperator

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.decorators.aware_group import aware_function, make_group_aware
from airflow_carbon.decorators.aware_task import (
    ACCOUNT,
    WAIT,
    is_measurable,
    make_aware,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow_carbon.core.policy import Policy

T = TypeVar("T")


def carbon_aware(  # noqa: PLR0913 - each is a word of the DAG author's
    *misplaced: object,
    duration: timedelta | str | Sequence[tuple[timedelta | str, float]] | None = None,
    region: str | None = None,
    zone: str | None = None,
    deadline: datetime | str | None = None,
    max_delay: timedelta | str | None = None,
    earliest: datetime | str | None = None,
    min_saving: float | str | None = None,
    policy: Policy | Mapping[str, Any] | str | None = None,
    learn_from: str | Mapping[str, Any] | None = None,
    dry_run: bool | str | None = None,
    measure: bool | None = None,
    model: str | None = None,
    functional_units: float | str | None = None,
    functional_unit: str | None = None,
    size: str | None = None,
    default_region: str | None = None,
    carbon_conn_id: str | None = None,
    ledger_conn_id: str | None = None,
) -> Callable[[T], T]:
    """Have a task, or a task group, wait for its lowest-carbon window, and be accounted for.

    Write it above ``@task`` or ``@task_group``; or call it on an operator, a ``partial``, or a
    ``TaskGroup`` that is complete: ``carbon_aware(...)(BashOperator(...))``.

    A **task** waits by itself: it starts in the triggerer, at no worker's cost, and goes on in a
    worker when its window begins. Id, XCom, upstreams, trigger rule, retries and branches stay
    what they are; its plan is the XCom ``carbon_plan``. A mapped task starts in a worker, which
    decides and defers: Airflow 3.3 starts none in the triggerer.
    A **group** has one wait, the sensor ``carbon_wait``, before its first tasks.

    All arguments are templated, and those of the wait may be in ``default_args``.

    :param duration: how long the work takes, as ``CarbonAwareSensor`` has it; so are region,
        zone, deadline, max_delay, earliest, min_saving, policy, learn_from (a task's own past
        runs), dry_run and carbon_conn_id.
    :param measure: whether the energy is counted in the worker, and written to the ledger and
        to the XCom ``carbon_footprint``. Without it: where the work is known to be done in the
        worker, by Python and Bash operators.
    :param model: the accounting's, as ``@task.measured`` has it; so are functional_units,
        functional_unit, size, default_region and ledger_conn_id.

    Raises:
        InputError: at DAG parse; a mistake in a template before the wait begins.
    """
    if misplaced:
        remedy = "write it with its arguments: @carbon_aware(duration='2h', max_delay='8h', ...)"
        raise InvalidOptionError("carbon_aware", misplaced[0], remedy)
    given: dict[str, Any] = {name: value for name, value in locals().items() if value is not None}
    aware = _Aware(
        wait={name: given[name] for name in WAIT if name in given},
        account={name: given[name] for name in ACCOUNT if name in given},
        measure=measure,
    )

    def decorate(made: T) -> T:
        return cast("T", aware.around(made))

    return decorate


@attrs.frozen(kw_only=True)
class _Aware:
    """What was asked for, to be applied to whatever is there."""

    wait: Mapping[str, Any]
    account: Mapping[str, Any]
    measure: bool | None

    def around(self, made: Any) -> Any:
        """Return what was made, aware.

        Raises:
            InputError: it is nothing that could wait.
        """
        if isinstance(made, (BaseOperator, MappedOperator)):
            measured = is_measurable(made, self.measure)
            make_aware(made, self.wait, self.account if measured else None)
        elif isinstance(made, XComArg):
            for operator, _ in made.iter_references():
                self.around(operator)
        elif isinstance(made, TaskGroup):
            make_group_aware(made, self.wait, self.account, self.measure)
        elif hasattr(made, "tg_kwargs"):
            function = aware_function(made.function, self.wait, self.account, self.measure)
            return attrs.evolve(made, function=function)
        elif hasattr(made, "expand_kwargs"):
            return AwareFactory(made, self)
        else:
            raise InvalidOptionError("carbon_aware", made, _remedy(made))
        return made


class AwareFactory:
    """What makes tasks, ``@task`` or an operator's ``partial``: those that it makes are aware."""

    def __init__(self, made: Any, aware: _Aware) -> None:
        self._made = made
        self._aware = aware

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make a task."""
        return self._aware.around(self._made(*args, **kwargs))

    def expand(self, **kwargs: Any) -> Any:
        """Make a mapped task."""
        return self._aware.around(self._made.expand(**kwargs))

    def expand_kwargs(self, kwargs: Any, *, strict: bool = True) -> Any:
        """Make a mapped task."""
        return self._aware.around(self._made.expand_kwargs(kwargs, strict=strict))

    def partial(self, **kwargs: Any) -> AwareFactory:
        """Fill in arguments of the function."""
        return AwareFactory(self._made.partial(**kwargs), self._aware)

    def override(self, **kwargs: Any) -> AwareFactory:
        """Change options of the task."""
        return AwareFactory(self._made.override(**kwargs), self._aware)

    def __getattr__(self, name: str) -> Any:
        """Return what the factory has besides."""
        if name == "_made":  # a copy that is not filled in yet
            raise AttributeError(name)
        return getattr(self._made, name)


def _remedy(made: object) -> str:
    if callable(made):
        return "write @carbon_aware(...) above @task or @task_group, not below it"
    return "it takes a task, an operator or a task group"
