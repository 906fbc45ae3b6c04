"""What a DAG author says of a run: its measurement, its work, the hardware that it held."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_number
from airflow_carbon.core.quantities import parse_unit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_carbon.core.sci import Embodied

_ABSENT: Final = (None, "", "None")
"""What Jinja makes of a value that is not there."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BookedWork:
    """What a run did: for which model, and how many of which functional unit."""

    model: str | None = None
    functional_unit: str | None = None
    functional_units: float | None = None


def read_work(model: object, units: object, unit: object) -> BookedWork:
    """Read what a DAG author wrote of the work; text of what is not there is nothing.

    Raises:
        InvalidOptionError: a number without its unit, a unit without its number, or neither.
    """
    model, units, unit = (None if value in _ABSENT else value for value in (model, units, unit))
    name = None if model is None else str(model)
    if units is None and unit is None:
        return BookedWork(model=name)
    if units is None or unit is None:
        remedy = "write both, functional_units=250 and functional_unit='epoch' say"
        raise InvalidOptionError("functional_units", units, remedy)
    size, singular = parse_unit("functional_unit", unit)
    number = parse_number("functional_units", units, "write how many, more than 0")
    if number == 0:
        raise InvalidOptionError("functional_units", units, "write how many, more than 0")
    return BookedWork(model=name, functional_unit=singular, functional_units=number * size)


def read_embodied(declared: Mapping[str, Any] | None) -> Embodied | None:
    """Read what was declared of building the hardware.

    Raises:
        InputError: it can't be.
    """
    if declared is None:
        return None
    from airflow_carbon.core.sci import Embodied

    return Embodied.read(declared)


def read_logs(measurement: str | Sequence[str]) -> list[Path]:
    """Return the files of a measurement.

    Raises:
        InvalidOptionError: there is none.
    """
    logs = [measurement] if isinstance(measurement, str) else list(measurement)
    if not logs:
        remedy = "name the log, or the logs, that the agents wrote"
        raise InvalidOptionError("measurement", measurement, remedy)
    return [Path(log) for log in logs]


def read_plan(plan: object) -> Mapping[str, Any]:
    """Return the sensor's XCom; {} for None.

    Raises:
        InvalidOptionError: it is another thing.
    """
    if plan is None:
        return {}
    if isinstance(plan, str):  # the sensor's fallback: JSON text
        with suppress(ValueError):
            plan = json.loads(plan)
    if not isinstance(plan, dict) or "zone" not in plan:
        remedy = "give the sensor's XCom, plan=wait.output, or region= instead"
        raise InvalidOptionError("plan", plan, remedy)
    return plan


def read_job(job: object) -> Mapping[str, Any]:
    """Return the training operator's XCom; {} for None.

    Raises:
        InvalidOptionError: it is another thing.
    """
    if job is None:
        return {}
    if not isinstance(job, dict) or "region" not in job:
        remedy = "give the XCom of an AzureTrainingOperator, job=train.output"
        raise InvalidOptionError("job", job, remedy)
    return job
