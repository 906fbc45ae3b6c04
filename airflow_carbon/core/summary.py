"""Sums over the ledger's runs that are honest about what they hold; signals are never mixed."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from airflow_carbon.core.accounting import ENERGY_UNCERTAINTY
from airflow_carbon.core.energy import EnergyQuality
from airflow_carbon.core.month import written

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

MEASURED_ERROR: Final = ENERGY_UNCERTAINTY[EnergyQuality.COUNTER]
MODELLED_ERROR: Final = ENERGY_UNCERTAINTY[EnergyQuality.MODEL]


class Facet(StrEnum):
    """What runs are grouped by: columns of ``carbon_run``, and the month they began in (UTC)."""

    DAG = "dag_id"
    TASK = "task_id"
    MODEL = "model"
    UNIT = "functional_unit"
    MONTH = "month"
    REGION = "region"
    ZONE = "zone"
    METHOD = "energy_method"
    PUE = "pue"
    PUE_SOURCE = "pue_source"
    SOURCE = "intensity_source"
    QUALITY = "intensity_quality"
    BASELINE_REGION = "baseline_region"
    BASELINE_METHOD = "baseline_method"
    EMBODIED_SOURCE = "embodied_source"
    PACKAGE = "package_version"


Value: TypeAlias = str | float | date | None
"""A value of a facet: a month is its first day, a PUE a number; None is not known."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sums:
    """Sums over runs: the parts of a partition add up to the whole.

    Energy [kWh] is what the hardware drew, overhead excluded: ``modelled_kwh`` of it by a model,
    ``unsplit_kwh`` in runs of which it is not known how much was measured. Emissions [gCO2eq]
    have the overhead, and the bounds of their runs added up.

    ``delta_g`` and ``baseline_g`` are of the ``compared_runs`` alone, which drew
    ``compared_kwh``; ``promised_g`` is what plans promised of ``promised_runs``, which emitted
    ``promised_actual_g``; ``embodied_g`` is of ``embodied_runs``; ``units`` of work were done by
    runs that emitted ``units_g``. ``covered_runs`` is the sum of their coverages.
    """

    runs: int = 0
    energy_kwh: float = 0.0
    modelled_kwh: float = 0.0
    unsplit_kwh: float = 0.0
    emissions_g: float = 0.0
    low_g: float = 0.0
    high_g: float = 0.0
    embodied_g: float = 0.0
    embodied_runs: int = 0
    baseline_g: float = 0.0
    delta_g: float = 0.0
    compared_runs: int = 0
    compared_kwh: float = 0.0
    promised_g: float = 0.0
    promised_actual_g: float = 0.0
    promised_runs: int = 0
    units: float = 0.0
    units_g: float = 0.0
    covered_runs: float = 0.0
    partly_measured: int = 0
    settled_runs: int = 0
    first: datetime | None = None
    last: datetime | None = None

    def __add__(self, other: Sums) -> Sums:
        numbers: dict[str, Any] = {
            name: getattr(self, name) + getattr(other, name) for name in NUMBERS
        }
        firsts = [one.first for one in (self, other) if one.first is not None]
        lasts = [one.last for one in (self, other) if one.last is not None]
        return Sums(**numbers, first=min(firsts, default=None), last=max(lasts, default=None))

    @property
    def measured_kwh(self) -> float:
        """Energy that was measured [kWh]."""
        return max(0.0, self.energy_kwh - self.modelled_kwh - self.unsplit_kwh)

    @property
    def low_kwh(self) -> float:
        """The low bound of the energy [kWh]; each method's error has one sign, so they add up."""
        return self.energy_kwh - self._error_kwh

    @property
    def high_kwh(self) -> float:
        """The high bound of the energy [kWh]."""
        return self.energy_kwh + self._error_kwh

    @property
    def _error_kwh(self) -> float:
        modelled = self.modelled_kwh + self.unsplit_kwh
        return MEASURED_ERROR * self.measured_kwh + MODELLED_ERROR * modelled

    @property
    def measured_share(self) -> float | None:
        """Share of the energy that was measured; None where nothing was drawn."""
        return self.measured_kwh / self.energy_kwh if self.energy_kwh > 0 else None

    @property
    def coverage(self) -> float | None:
        """Mean over the runs of the share of device-time whose energy is known."""
        return self.covered_runs / self.runs if self.runs else None

    @property
    def difference_g(self) -> float | None:
        """Emissions less baseline of the compared runs [gCO2eq], signed; None without any."""
        return self.delta_g if self.compared_runs else None

    @property
    def difference_percent(self) -> float | None:
        """The difference relative to the baseline [%]; None where there is none, or it is 0 g."""
        if not self.compared_runs or self.baseline_g <= 0:
            return None
        return 100 * self.delta_g / self.baseline_g

    @property
    def compared_share(self) -> float | None:
        """Share of the energy that has a baseline; None where nothing was drawn."""
        return self.compared_kwh / self.energy_kwh if self.energy_kwh > 0 else None

    @property
    def uncompared_runs(self) -> int:
        """Runs whose difference is not known: in no sum of differences."""
        return self.runs - self.compared_runs

    @property
    def broken_promise_g(self) -> float | None:
        """What runs with a plan emitted, less what it promised [gCO2eq]; None without any."""
        return self.promised_actual_g - self.promised_g if self.promised_runs else None

    @property
    def g_per_unit(self) -> float | None:
        """Emissions a functional unit [gCO2eq]; None where no work was booked."""
        return self.units_g / self.units if self.units > 0 else None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: null is not known, never 0."""
        plain = {name: getattr(self, name) for name in NUMBERS}
        if not self.embodied_runs:
            plain["embodied_g"] = None
        if not self.compared_runs:
            plain |= {"baseline_g": None, "delta_g": None}
        if not self.promised_runs:
            plain |= {"promised_g": None, "promised_actual_g": None}
        plain |= {name: getattr(self, name) for name in DERIVED}
        for name in ("first", "last"):
            at = getattr(self, name)
            plain[name] = at.isoformat() if at else None
        return plain


NUMBERS: Final = tuple(n for n in Sums.__dataclass_fields__ if n not in {"first", "last"})
"""The fields of :class:`Sums` that add up."""

DERIVED: Final = (
    "low_kwh",
    "high_kwh",
    "measured_kwh",
    "measured_share",
    "coverage",
    "difference_percent",
    "compared_share",
    "uncompared_runs",
    "g_per_unit",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Summary:
    """The sums of a group of runs that were priced by one signal and one kind of factors."""

    signal: str
    factor_type: str
    of: Mapping[Facet, Value] = field(default_factory=dict)
    sums: Sums

    @property
    def kind(self) -> str:
        """The signal and the factors, ``average lifecycle`` say."""
        return f"{self.signal} {self.factor_type}"

    def joined(self, other: Summary) -> Summary:
        """Return both together, for counts and energies: emissions of two signals mean nothing."""
        return replace(self, sums=self.sums + other.sums)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values; a month as ``2026-10``."""
        facets = {
            facet.value: written(value) if isinstance(value, date) else value
            for facet, value in self.of.items()
        }
        return {
            "intensity_signal": self.signal,
            "intensity_factor_type": self.factor_type,
            **facets,
            **self.sums.as_dict(),
        }


def regroup(summaries: Iterable[Summary], *facets: Facet) -> list[Summary]:
    """Return the sums by fewer facets, in their order; what is not known comes last.

    Each must have been grouped by all of them. Signals and kinds of factors stay apart.
    """
    groups: dict[tuple[Value, ...], Summary] = {}
    for one in summaries:
        key = (one.signal, one.factor_type, *(one.of[facet] for facet in facets))
        before = groups[key].sums if key in groups else Sums()
        groups[key] = replace(one, of={f: one.of[f] for f in facets}, sums=before + one.sums)
    return sorted(groups.values(), key=_order)


def _order(one: Summary) -> tuple[Any, ...]:
    return one.signal, one.factor_type, *((v is None, v or "") for v in one.of.values())
