"""What every wait has in common: its checks, where its templates are rendered, its first look."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from airflow.sdk.definitions.xcom_arg import PlainXComArg
from jinja2 import Environment
from jinja2.meta import find_undeclared_variables

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.auto import NOT_ASKED
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.past_runs import answer as answer_of
from airflow_carbon.hooks.shares import holder_of, reservations_of, shared_decision
from airflow_carbon.triggers.request import (
    Fields,
    WaitRequest,
    check_flag,
    check_place,
    check_share,
    check_times,
    is_template,
    question,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from airflow_carbon.core.plan import Plan

CARBON_AWARE: Final = "{{ (dag_run.conf or {}).get('carbon_aware', True) }}"
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


class Waiting(Fields, Protocol):
    """The fields of a wait, and the connection that it asks."""

    @property
    def carbon_conn_id(self) -> str:
        """The connection of type ``carbon``."""


def check_wait(source: Fields) -> None:
    """Check at DAG parse what is already known, templates excepted.

    Raises:
        InputError: a value that no rendering will mend.
    """
    check_place(source.region, source.zone)
    check_times(source)
    check_share("min_saving", source.min_saving)
    check_flag("dry_run", source.is_dry_run)
    if source.region is not None and not is_template(source.region):
        region_by_name(str(source.region))


def start_now(source: Waiting, ti: Any) -> Plan | None:
    """Decide on a worker; return the plan of a start, None where the answer is to wait.

    Raises:
        InputError: a field that can't be.
    """
    from airflow_carbon.core.decision import StartNow, decide
    from airflow_carbon.core.plan import Plan, at_once

    hook = CarbonHook(source.carbon_conn_id)
    unknown = question(source)
    learned = answer_of(unknown, hook) if unknown else NOT_ASKED
    request = WaitRequest.read(source, learned)
    flex = request.flex
    forecast = hook.forecast(request.zone, flex, strict=True)
    now = clock.now()
    asked = request.week_before(now)
    rules = request.rules(hook.survey(*asked) if asked else None)
    decision = partial(decide, forecast, now=now, rules=rules)
    capacity = request.policy.capacity
    if capacity is None or request.is_dry_run:
        answer = decision(flex)
    else:
        shared, holder = reservations_of(hook), holder_of(ti)
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
        limit_g_per_kwh=rules.limit_g_per_kwh,
    )


def fields_in_triggerer(fields: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the fields as the triggerer can render them, None where only a worker can."""
    rendered = {name: in_triggerer(value) for name, value in fields.items()}
    return None if _lost(fields.values(), rendered.values()) else rendered


def in_triggerer(value: Any) -> Any:
    """Return a field as the triggerer can render it, None where only a worker can.

    In Airflow 3.3 a template there may ask for one XCom by its map index, for a variable
    and for a connection; any other question to Airflow (``ti.xcom_pull`` over map indexes,
    ``prev_*``) is never answered, and the DAG's own macros are not there.
    """
    if isinstance(value, PlainXComArg) and not value.operator.is_mapped:
        task_id, key = value.operator.task_id, value.key
        return f"{{{{ ti.xcom_pull(task_ids={task_id!r}, key={key!r}, map_indexes=-1) }}}}"
    if isinstance(value, dict):
        return fields_in_triggerer(value)
    if isinstance(value, (list, tuple)):
        inner = [in_triggerer(one) for one in value]
        return None if _lost(value, inner) else inner
    if hasattr(value, "resolve"):
        return None
    if isinstance(value, str) and is_template(value):
        names = find_undeclared_variables(Environment(autoescape=True).parse(value))
        return value if names <= RENDERED_IN_TRIGGERER else None
    return value


def _lost(before: Iterable[Any], after: Iterable[Any]) -> bool:
    return any(old is not None and new is None for old, new in zip(before, after, strict=True))
