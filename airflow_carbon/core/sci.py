"""Software carbon intensity: emissions of a functional unit, those of building hardware included.

Reference: ISO/IEC 21031:2024, "Software Carbon Intensity (SCI) specification":
``SCI = (E x I + M) per R`` and ``M = TE x TS x RS``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration, parse_number
from airflow_carbon.core.units import GramsCO2eq

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

REMEDY: Final = (
    "write {'kg': 150, 'lifespan': '1460d', 'share': 1, 'source': 'whose figure it is'}: what "
    "building the hardware emitted, how long it serves, and which share of it the run reserved"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Embodied:
    """What building some hardware emitted, and how a run is charged with it.

    ``total_g`` is TE, the emissions of its life cycle but for its use [gCO2eq]; ``lifespan`` what
    a run's time is a share of (TS); ``share`` how much of it the run reserved (RS), 0 to 1.
    """

    total_g: float
    lifespan: timedelta
    share: float
    source: str

    @classmethod
    def read(cls, value: Mapping[str, object]) -> Embodied:
        """Read what a DAG author declared.

        Raises:
            InputError: a number that can't be, or a figure without its source.

        >>> Embodied.read({"kg": 150, "lifespan": "1460d", "source": "a study"}).total_g
        150000.0
        """
        known = {"kg", "lifespan", "share", "source"}
        if not isinstance(value, dict) or set(value) - known or not value.get("source"):
            raise InvalidOptionError("embodied", value, REMEDY)
        share = parse_number("embodied share", value.get("share", 1), REMEDY)
        if share > 1:
            raise InvalidOptionError("embodied share", value["share"], REMEDY)
        return cls(
            total_g=1000 * parse_number("embodied kg", value.get("kg"), REMEDY),
            lifespan=parse_duration("embodied lifespan", value.get("lifespan")),
            share=share,
            source=str(value["source"]),
        )

    def of(self, reserved: timedelta) -> GramsCO2eq:
        """Return the share of a run that had the hardware for so long [gCO2eq].

        >>> from datetime import timedelta
        >>> card = Embodied.read({"kg": 150, "lifespan": "1500d", "source": "a study"})
        >>> card.of(timedelta(days=3))
        300.0
        """
        return GramsCO2eq(self.total_g * (reserved / self.lifespan) * self.share)


def sci(
    emissions_g: float, embodied_g: float | None, functional_units: float | None
) -> float | None:
    """Return the software carbon intensity [gCO2eq a functional unit]; None without units.

    ``embodied_g`` None leaves M out: it is the operational part alone.

    >>> sci(750.0, 50.0, 40.0)
    20.0
    """
    if not functional_units:
        return None
    return (emissions_g + (embodied_g or 0.0)) / functional_units
