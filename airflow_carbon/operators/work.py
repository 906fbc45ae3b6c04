"""What a DAG author says of a run: the work that it did, and the hardware that it held."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_number
from airflow_carbon.core.quantities import parse_unit

if TYPE_CHECKING:
    from collections.abc import Mapping

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
