"""Whose past runs tell what is ``auto``, as text that Airflow fills in."""

from __future__ import annotations

from typing import Any, Final

from airflow_carbon.core.auto import Auto, LearnFrom, plain_source
from airflow_carbon.triggers.request import is_template

OWN_DAG: Final = "{{ dag.dag_id }}"

DOWNSTREAM: Final = "{{ task.get_flat_relative_ids() | sort | join(',') }}"
"""The ids of the tasks that come after."""


def learning(learn_from: object, *values: object) -> dict[str, Any] | None:
    """Return whose past runs tell what is ``auto``, None where none of the values can be.

    Where nobody says it they are those of the tasks that come after, in the same DAG: text that
    Airflow renders, since while the DAG is read nobody knows what will come after.

    Raises:
        InputError: it can't be read.
    """
    if learn_from is None and not any(map(_may_be_auto, values)):
        return None
    given = plain_source(learn_from)
    if "dag" not in given:
        given = {"dag": OWN_DAG, "task": DOWNSTREAM, **given}
    if not is_template([given.get("quantile"), given.get("newest")]):
        LearnFrom.read(given)
    return given


def _may_be_auto(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_may_be_auto, value.values()))
    return is_template(value) or Auto.read("", value) is not None
