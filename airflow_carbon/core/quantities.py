"""Masses, lengths of time and amounts of work, as people write them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.units import GramsCO2eq

if TYPE_CHECKING:
    from datetime import timedelta

GRAMS: Final = {"mg": 1e-3, "g": 1.0, "kg": 1e3, "t": 1e6}

_MASS: Final = re.compile(
    r"(\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*(mg|g|kg|t)(?:\s*CO2(?:eq?)?)?", re.IGNORECASE
)

_COUNTS: Final = {"thousand": 1e3, "million": 1e6}

_UNIT: Final = re.compile(
    r"(?:(\d+(?:\.\d+)?(?:e\d+)?|thousand|million)\s+)?([a-z][a-z _-]*)", re.IGNORECASE
)


def parse_mass(name: str, value: object) -> GramsCO2eq:
    """Read a mass [gCO2eq]: ``20 kg``, ``350 g``, ``1.5 t``; a number alone has no unit.

    Raises:
        InvalidOptionError: anything else.

    >>> parse_mass("limit", "1.5 kg")
    1500.0
    """
    found = _MASS.fullmatch(str(value).strip())
    if found is None:
        remedy = "write a mass with its unit (mg, g, kg or t), such as '20 kg'"
        raise InvalidOptionError(name, value, remedy)
    return GramsCO2eq(float(found[1]) * GRAMS[found[2].lower()])


def parse_unit(name: str, value: object) -> tuple[float, str]:
    """Read an amount of work: how many, and of what, in the singular.

    Raises:
        InvalidOptionError: anything else.

    >>> parse_unit("per", "thousand inferences")
    (1000.0, 'inference')
    >>> parse_unit("functional_unit", "epoch")
    (1.0, 'epoch')
    """
    found = _UNIT.fullmatch(str(value).strip())
    if found is None:
        remedy = "write what is counted, such as 'epoch', 'sample' or 'thousand inferences'"
        raise InvalidOptionError(name, value, remedy)
    number, unit = (found[1] or "1").lower(), found[2].lower()
    size = _COUNTS.get(number) or float(number)
    if size <= 0:
        raise InvalidOptionError(name, value, "write how many, more than 0")
    if len(unit) > 1 and unit.endswith("s") and not unit.endswith("ss"):
        unit = unit[:-1]
    return size, unit


def mass_text(grams: float, *, signed: bool = False) -> str:
    """Write a mass with three digits, in the unit that fits.

    >>> mass_text(12345.6)
    '12.3 kg'
    """
    if grams == 0:
        return "0 g"
    return scaled(grams, ((1e3, "kg"), (1, "g"), (1e-3, "mg"), (1e-6, "µg")), signed=signed)


def energy_text(kwh: float) -> str:
    """Write energy [kWh] with three digits, in the unit that fits."""
    return scaled(kwh, ((1, "kWh"), (1e-3, "Wh"), (1e-6, "mWh")))


def length_text(length: timedelta, *, most: int | None = None) -> str:
    """Write a length of time in days, hours, minutes and seconds, or the ``most`` largest of them.

    >>> from datetime import timedelta
    >>> length_text(timedelta(minutes=90)), length_text(timedelta(minutes=1565), most=2)
    ('1 h 30 min', '1 d 2 h')
    """
    minutes, seconds = divmod(round(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    parts = ((days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s"))
    return " ".join([f"{n} {unit}" for n, unit in parts if n][:most]) or "0 s"


def scaled(value: float, units: tuple[tuple[float, str], ...], *, signed: bool = False) -> str:
    """Write a number with three digits in the first unit that is not larger than it."""
    size, unit = next(((s, u) for s, u in units if abs(value) >= s), units[-1])
    return f"{value / size:{'+' if signed else ''}.3g} {unit}"
