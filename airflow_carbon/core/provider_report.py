"""What a cloud provider reports of a month: figures, by level and by scope."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import isclose
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable


class Level(StrEnum):
    """What one figure of Microsoft's covers."""

    SUBSCRIPTION = "subscription"
    LOCATION = "location"
    RESOURCE_GROUP = "resource_group"
    RESOURCE = "resource"


class Scopes(StrEnum):
    """Which scopes of the GHG Protocol a figure adds up."""

    ALL = "1+2+3"
    SUPPLY_CHAIN = "3"


SAME: Final = 1e-6
"""Relative difference up to which two fetches say the same: a sum depends on its order."""

MILLIGRAM: Final = 1e-3
"""[g]; figures so small are the same, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One figure of Microsoft's [gCO2eq]; ``item`` is in lower case, a location as a region."""

    scopes: Scopes
    level: Level
    item: str
    region: str | None = None
    emissions_g: float


def agree(one: Iterable[Figure], other: Iterable[Figure]) -> bool:
    """Tell whether two fetches of a month say the same."""
    ours, theirs = (
        {(figure.scopes, figure.level, figure.item): figure for figure in figures}
        for figures in (one, other)
    )
    return ours.keys() == theirs.keys() and all(
        figure.region == theirs[key].region
        and isclose(figure.emissions_g, theirs[key].emissions_g, rel_tol=SAME, abs_tol=MILLIGRAM)
        for key, figure in ours.items()
    )
