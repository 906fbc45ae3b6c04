"""Units as types, and every conversion with its source."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final, NewType

ZoneKey = NewType("ZoneKey", str)
"""A grid area by its Electricity Maps key, ``SE-SE3`` say."""

RegionName = NewType("RegionName", str)
"""A cloud region by Azure's name, ``swedencentral`` say."""

GramsPerKWh = NewType("GramsPerKWh", float)
"""Carbon intensity of electricity [gCO2eq/kWh]."""

GramsCO2eq = NewType("GramsCO2eq", float)
"""Mass of greenhouse gases, as CO2 equivalent [gCO2eq]."""

Joules = NewType("Joules", float)
"""Energy [J]."""

KilowattHours = NewType("KilowattHours", float)
"""Energy [kWh]."""

JOULES_PER_KWH: Final = 3.6e6
"""1 kWh = 3.6 MJ exactly (SI Brochure, 9th edition, table 8: 1 h = 3600 s)."""

HOUR: Final = timedelta(hours=1)

MICROSECOND: Final = timedelta(microseconds=1)
"""Instants are whole microseconds."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
"""From where Unix seconds are counted."""


def to_kwh(joules: float) -> KilowattHours:
    """Convert energy [J] to [kWh].

    >>> to_kwh(7.2e6)
    2.0
    """
    return KilowattHours(joules / JOULES_PER_KWH)
