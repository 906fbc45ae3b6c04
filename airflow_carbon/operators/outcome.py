"""What gates have in common: what they are told to do, and how they do it."""

from __future__ import annotations

import json
from contextlib import suppress
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from airflow.sdk.exceptions import AirflowFailException

from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.budget import read_word
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.gate_errors import BudgetExceededError, EnergyRegressionError
from airflow_carbon.core.region import DEFAULT_PUE

if TYPE_CHECKING:
    from airflow.sdk import BaseOperator, Context


class When(StrEnum):
    """Whether a budget is looked at before the work or after it."""

    BEFORE = "before"
    AFTER = "after"


class Exceeded(StrEnum):
    """What happens where a limit is exceeded."""

    FAIL = "fail"
    SKIP = "skip"
    WARN = "warn"


class Unknown(StrEnum):
    """What happens where a figure is missing."""

    FAIL = "fail"
    SKIP = "skip"
    GO = "go"


FINAL = (BudgetExceededError, EnergyRegressionError)
"""What another try would not change."""


def read_actions(name: str, exceeded: object, unknown: object) -> tuple[Exceeded, Unknown]:
    """Return what happens where a limit is exceeded, and where a figure is missing.

    Without a word for the second it fails, and where the first only warns it goes on.

    Raises:
        InvalidOptionError: another word.
    """
    first = read_word(name, exceeded, Exceeded)
    if (word := given(unknown)) is not None:
        return first, read_word("on_unknown", word, Unknown)
    return first, Unknown.GO if first is Exceeded.WARN else Unknown.FAIL


def finish(
    operator: BaseOperator,
    context: Context,
    result: dict[str, Any],
    action: str | None,
    error: Exception | None,
) -> dict[str, Any]:
    """Go on, skip what stands right behind, or fail; the XCom is written in any case.

    Without an error an ``action`` is a decision (``skip``), and no cause for a warning.

    Raises:
        AirflowFailException: caused by an error that another try would not change.
        CarbonError: the error, where another try may help.
    """
    goes_on = action not in {"skip", "fail"}
    result = {"goes_on": goes_on, **result}
    if error is not None:
        said = f"goes on all the same: {error.args[0]}" if goes_on else str(error)
        operator.log.warning("%s", said)
    if goes_on:
        return result
    ti = context["ti"]
    ti.xcom_push(key="return_value", value=result)
    if action == "skip":
        behind = context["task"].get_direct_relatives(upstream=False)
        operator.skip(ti=ti, tasks=[task for task in behind if not task.is_teardown])  # type: ignore[attr-defined] # it is a SkipMixin
        return result
    if isinstance(error, FINAL):
        raise AirflowFailException(str(error)) from error
    if error is None:
        message = f"a decision to {action} needs its error"
        raise TypeError(message)
    raise error


def given(value: object) -> object:
    """Return a rendered value; None where Jinja made text of one that is not there."""
    return None if isinstance(value, str) and value.strip() in {"", "None"} else value


def g_per_it_kwh(plan: object) -> float | None:
    """Return what a kWh of the hardware emits where and when a plan runs it [gCO2eq/kWh].

    None without a plan, and where a plan has no forecast.

    Raises:
        InvalidOptionError: it is no plan.
    """
    if plan is None:
        return None
    if isinstance(plan, str):  # the sensor's fallback: JSON text
        with suppress(ValueError):
            plan = json.loads(plan)
    if not isinstance(plan, dict) or "mean_g_per_kwh" not in plan:
        remedy = "give the XCom of the sensor or of ChooseRegionOperator, plan=wait.output"
        raise InvalidOptionError("plan", plan, remedy)
    if (overhead_in := plan.get("g_per_it_kwh")) is not None:
        return float(overhead_in)
    if (mean := plan["mean_g_per_kwh"]) is None:
        return None
    name = plan.get("region")
    return float(mean) * (region_by_name(name).pue_or_default if name else DEFAULT_PUE)
