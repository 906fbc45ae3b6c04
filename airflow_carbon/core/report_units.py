"""In which units a report writes its figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from airflow_carbon.core.document import UNKNOWN, number, signed

if TYPE_CHECKING:
    from airflow_carbon.core.report import Report
    from airflow_carbon.core.summary import Summary, Sums


NO_BREAK = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Units:
    """In which units a report writes: one for all its masses, one for all its energies."""

    mass: str
    grams: float
    energy: str
    kwh: float

    @classmethod
    def of(cls, report: Report) -> Units:
        """Return the units that fit the largest total."""
        most_g = max((one.sums.emissions_g for one in report.totals), default=0.0)
        most_kwh = report.energy.energy_kwh
        mass, grams = next(
            (u for u in (("t", 1e6), ("kg", 1e3), ("g", 1.0)) if most_g >= 10 * u[1]), ("g", 1.0)
        )
        energy, kwh = next(
            (u for u in (("MWh", 1e3), ("kWh", 1.0)) if most_kwh >= 10 * u[1]), ("kWh", 1.0)
        )
        return cls(mass=mass, grams=grams, energy=energy, kwh=kwh)

    @property
    def co2(self) -> str:
        """The unit of emissions."""
        return f"{self.mass}{NO_BREAK}CO2eq"

    def m(self, grams: float | None) -> str:
        """Write a mass without its unit."""
        return UNKNOWN if grams is None else number(grams / self.grams)

    def d(self, grams: float | None) -> str:
        """Write a difference without its unit, with its sign."""
        return UNKNOWN if grams is None else signed(grams / self.grams)

    def e(self, kwh: float) -> str:
        """Write an energy without its unit."""
        return number(kwh / self.kwh)

    def bounds(self, sums: Sums) -> str:
        """Write the bounds of emissions."""
        return f"{self.m(sums.low_g)} to {self.m(sums.high_g)}"

    def energy_bounds(self, sums: Sums) -> str:
        """Write the bounds of an energy."""
        return f"{self.e(sums.low_kwh)} to {self.e(sums.high_kwh)}"


def kind(one: Summary) -> str:
    """Write the signal and the factors, as short as a table wants it."""
    return f"{one.signal}, {one.factor_type}"
