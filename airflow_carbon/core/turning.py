"""When a grid turns clean: once a spell, with room between clean and dirty."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.errors import InputError, InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration, parse_instant, parse_number

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow_carbon.core.intensity import FloatArray

HYSTERESIS: Final = 0.05
"""Where nothing else is said, a grid is dirty again above the limit by this share of it."""

WHOLE: Final = 100
"""The highest percentile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Turning:
    """When a grid counts as clean, and when as dirty again.

    ``below``: at or below this it is clean [gCO2eq/kWh]; or ``below_percentile``: at or below this
    percentile of the zone's last seven days. ``dirty_above``: only above this can it turn clean
    again [gCO2eq/kWh]; without it 5 % above the limit. ``min_between``: how far apart two events
    are at least; a grid that is still clean when that is over fires then.

    Raises:
        InputError: a value that can't be; both limits or none; a grid dirty before it is not clean.
    """

    below: float | None = None
    below_percentile: float | None = None
    dirty_above: float | None = None
    min_between: timedelta | None = None

    def __post_init__(self) -> None:
        if (self.below is None) == (self.below_percentile is None):
            remedy = "give exactly one of below= [gCO2eq/kWh] and below_percentile="
            raise InvalidOptionError("below", self.below, remedy)
        for name in ("below", "below_percentile", "dirty_above"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, parse_number(name, value))
        if self.below_percentile is not None and self.below_percentile > WHOLE:
            remedy = "write a percentile from 0 to 100"
            raise InvalidOptionError("below_percentile", self.below_percentile, remedy)
        if None not in (self.below, self.dirty_above) and self.limits(None) is None:
            remedy = "a grid is dirty above below= or higher, or it would turn without end"
            raise InvalidOptionError("dirty_above", self.dirty_above, remedy)
        if self.min_between is not None:
            length = parse_duration("min_between", self.min_between)
            object.__setattr__(self, "min_between", length)

    def limits(self, week: FloatArray | None) -> tuple[float, float] | None:
        """Return where it is clean and where it is dirty [gCO2eq/kWh].

        ``week`` is the zone's last seven days [gCO2eq/kWh]; None where a percentile of it is not
        known, or is above ``dirty_above``.
        """
        if self.below is not None:
            clean = self.below
        elif week is None or not len(week):
            return None
        else:
            import numpy as np  # noqa: PLC0415 - the rules are read where DAGs are parsed

            clean = float(np.percentile(week, self.below_percentile or 0.0))
        dirty = clean * (1 + HYSTERESIS) if self.dirty_above is None else self.dirty_above
        return (clean, dirty) if clean <= dirty else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Spell:
    """What is remembered of a grid: when the last event was, and whether it was dirty since."""

    armed: bool = True
    fired_at: datetime | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; :meth:`read` reads them back."""
        return {
            "armed": self.armed,
            "fired_at": None if self.fired_at is None else self.fired_at.isoformat(),
        }

    @classmethod
    def read(cls, value: object) -> Self:
        """Read plain values; whatever can't be read is a grid of which nothing is remembered."""
        try:
            armed, at = value["armed"], value["fired_at"]  # type: ignore[index] # else it raises
            return cls(armed=bool(armed), fired_at=None if at is None else parse_instant("", at))
        except (KeyError, TypeError, InputError):
            return cls()


def turned(
    spell: Spell, g_per_kwh: float, limits: tuple[float, float], rule: Turning, *, now: datetime
) -> tuple[Spell, bool]:
    """Return what is remembered after a look at a grid, and whether it turned clean."""
    clean, dirty = limits
    if g_per_kwh > dirty:
        return replace(spell, armed=True), False
    waited = (
        spell.fired_at is None
        or rule.min_between is None
        or now - spell.fired_at >= rule.min_between
    )
    if g_per_kwh <= clean and spell.armed and waited:
        return Spell(armed=False, fired_at=now), True
    return spell, False
