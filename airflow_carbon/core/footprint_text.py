"""What a run emitted, in two sentences for a message; what is not known is said to be so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.quantities import energy_text, mass_text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

WHOLE: Final = 0.995
"""A coverage that rounds to 100 %."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Emitted:
    """What one try of a task, or several, used and emitted; None is not known.

    Energy [kWh], masses [gCO2eq]. ``delta_g`` is signed: negative where less was emitted than by
    the baseline. ``coverage`` is the share of the time that was measured.
    """

    energy_kwh: float
    energy_method: str
    emissions_g: float
    emissions_low_g: float | None = None
    emissions_high_g: float | None = None
    coverage: float | None = None
    baseline_g: float | None = None
    delta_g: float | None = None
    baseline_method: str | None = None

    @classmethod
    def read(cls, footprint: Mapping[str, Any]) -> Self:
        """Read a footprint as XCom carries it."""
        known = {name: footprint.get(name) for name in cls.__slots__}
        return cls(**known)  # type: ignore[arg-type] # by their names

    @classmethod
    def sum(cls, many: Iterable[Self]) -> Self | None:
        """Add up tries; None of none.

        A sum that lacks a part is not known. Bounds are added as they are, since the errors of one
        method go the same way.
        """
        every = list(many)
        if not every:
            return None
        energy = sum(one.energy_kwh for one in every)
        covered = [one.coverage for one in every]
        return cls(
            energy_kwh=energy,
            energy_method=_all(one.energy_method for one in every) or "",
            emissions_g=sum(one.emissions_g for one in every),
            emissions_low_g=_added(one.emissions_low_g for one in every),
            emissions_high_g=_added(one.emissions_high_g for one in every),
            coverage=min((c for c in covered if c is not None), default=None),
            baseline_g=_added(one.baseline_g for one in every),
            delta_g=_added(one.delta_g for one in every),
            baseline_method=_all(one.baseline_method for one in every),
        )

    def sentences(self, name: str) -> str:
        """Say what was used and emitted, and the difference against baseline with its method."""
        text = f"{name} used {energy_text(self.energy_kwh)} ({self.energy_method})"
        text += f" and emitted {mass_text(self.emissions_g)} CO2eq"
        if self.emissions_low_g is not None and self.emissions_high_g is not None:
            low, high = map(mass_text, (self.emissions_low_g, self.emissions_high_g))
            text += f" (between {low} and {high})"
        if self.coverage is not None and self.coverage < WHOLE:
            text += f", with {100 * self.coverage:.0f} % of its time measured"
        return f"{text}. {self._difference()}"

    def _difference(self) -> str:
        method = self.baseline_method
        if self.delta_g is None or self.baseline_g is None:
            why = f": {method}" if method else ""
            return f"The difference against baseline is not known{why}."
        share = f" ({100 * self.delta_g / self.baseline_g:+.0f} %)" if self.baseline_g else ""
        text = f"Difference against baseline: {mass_text(self.delta_g, signed=True)}{share}"
        return f"{text} against {mass_text(self.baseline_g)}" + (f", {method}." if method else ".")


def nothing_known(name: str) -> str:
    """Say that there is no figure."""
    return f"What {name} used and emitted is not known: it is not in the ledger."


def _added(values: Iterable[float | None]) -> float | None:
    every = list(values)
    return None if None in every else sum(value for value in every if value is not None)


def _all(texts: Iterable[str | None]) -> str | None:
    return " / ".join(dict.fromkeys(text for text in texts if text)) or None
