"""What the figures of a report rest on, as sections of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_carbon.core.accounting import (
    ENERGY_UNCERTAINTY,
    INTENSITY_UNCERTAINTY,
    PUE_UNCERTAINTY,
)
from airflow_carbon.core.document import (
    Bullets,
    Section,
    Table,
    counted,
    listed,
    share,
)
from airflow_carbon.core.report_units import kind
from airflow_carbon.core.summary import MEASURED_ERROR, MODELLED_ERROR, Facet

if TYPE_CHECKING:
    from airflow_carbon.core.report import Report
    from airflow_carbon.core.report_units import Units
    from airflow_carbon.core.summary import Summary

NOT_COUNTED: Final = (
    "Not counted: network, storage, fans, power supplies, idle machines, and work that no meter "
    "ran beside."
)


def measured(report: Report, units: Units) -> Section:
    """Return what was measured, what was modelled, and what is not covered."""
    sums = report.energy
    parts = (
        ("measured (hardware counters, power readings)", sums.measured_kwh),
        ("modelled (processors and memory by their use)", sums.modelled_kwh),
        ("not known which (runs of before that was kept)", sums.unsplit_kwh),
    )
    rows = tuple(
        (name, units.e(kwh), share(kwh / sums.energy_kwh if sums.energy_kwh else None))
        for name, kwh in parts
    )
    methods = tuple(
        (str(one.of[Facet.METHOD]), f"{one.sums.runs:,}", units.e(one.sums.energy_kwh))
        for one in across(report, "meters")
    )
    energy = f"Energy [{units.energy}]"
    covered = (
        f"On the mean over the runs, the energy of {share(sums.coverage)} of the device-time is "
        f"known. What is missing is missing, not 0 J"
    )
    if sums.partly_measured:
        covered += (
            f"; it is under 90 % in {counted(sums.partly_measured, 'run')}, whose true emissions "
            "are higher than stands here"
        )
    return Section(
        title="What is measured, and what is modelled",
        blocks=(
            Table(caption="Energy by how it is known", columns=("", energy, "Share"), rows=rows),
            Table(caption="Meters of the runs", columns=("Method", "Runs", energy), rows=methods),
            Bullets(items=(f"{covered}.", NOT_COUNTED)),
        ),
    )


def method(report: Report, units: Units) -> Section:
    """Return how the figures were obtained."""
    sums = report.energy
    energy = f"Energy [{units.energy}]"
    items = [
        (
            "Emissions are the sum over intervals of energy x PUE x intensity of the grid in that "
            "interval (operational part of the Software Carbon Intensity, ISO/IEC 21031:2024). "
            "They are location-based: no certificates or contracts are set off."
        ),
        (
            "A run counts whole in the month in which it began, UTC. Of each run the newest "
            "account counts, and energy that several tries hold counts once."
        ),
        (
            f"{counted(sums.settled_runs, 'run')} of {sums.runs:,} are final: their hours are "
            "known by actual intensities. The others may still change, and so may this report."
        ),
        "Figures are rounded; sums are of figures that are not.",
    ]
    packages = [f"{one.of[Facet.PACKAGE]}" for one in across(report, "packages")]
    items.append(f"Computed by airflow-carbon {listed(sorted(set(packages)))}.")
    overheads = tuple(
        (
            str(one.of[Facet.REGION] or f"zone {one.of[Facet.ZONE]}"),
            f"{one.of[Facet.PUE_SOURCE]}",
            f"{one.of[Facet.PUE]:g}",
            f"{one.sums.runs:,}",
            units.e(one.sums.energy_kwh),
        )
        for one in across(report, "overheads")
    )
    intensities = tuple(
        (
            str(one.of[Facet.SOURCE]),
            str(one.of[Facet.QUALITY]),
            kind(one),
            f"{one.sums.runs:,}",
            units.e(one.sums.energy_kwh),
        )
        for one in report.basis["intensities"]
    )
    return Section(
        title="Method",
        blocks=(
            Bullets(items=tuple(items)),
            Table(
                caption="Overhead of data centres (power usage effectiveness, PUE)",
                columns=("Region", "Whose figure, of which year", "PUE", "Runs", energy),
                rows=overheads,
                text_columns=2,
            ),
            Table(
                caption="Intensity of the grid, by source and quality",
                columns=("Source", "Quality", "Signal and factors", "Runs", energy),
                rows=intensities,
                text_columns=3,
            ),
        ),
    )


def uncertainty() -> Section:
    """Return what the bounds are made of."""
    intensity = ", ".join(f"{q.value} {share(u)}" for q, u in INTENSITY_UNCERTAINTY.items())
    by_meter = ", ".join(f"{q.value} {share(u)}" for q, u in ENERGY_UNCERTAINTY.items())
    items = (
        (
            "The bounds of a run's emissions add, in quadrature, the relative uncertainties of "
            "its energy "
            f"({by_meter}), of its PUE ({share(PUE_UNCERTAINTY)}) and of its intensity, by quality "
            f"({intensity})."
        ),
        (
            "The bounds of several runs add up: errors of one method point the same way, and do "
            "not cancel."
        ),
        (
            f"The bounds of energy are {share(MEASURED_ERROR)} of what was measured and "
            f"{share(MODELLED_ERROR)} of what was modelled, added up; energy of which it is not "
            "known counts as modelled."
        ),
        (
            "The 5 % of a GPU's sensor is from Yang, Adamek and Armour (SC'24, "
            "arXiv:2312.02741). The "
            "others are assumptions of the package, not confidence intervals."
        ),
        (
            "In no bound: energy that nobody measured, and the choice between average and marginal "
            "signals, which is a question of method."
        ),
    )
    return Section(title="Uncertainty", blocks=(Bullets(items=items),))


def across(report: Report, part: str) -> list[Summary]:
    """Return counts and energies of a part, whatever the signal; emissions have no place there."""
    found: dict[tuple[object, ...], Summary] = {}
    for one in report.basis[part]:
        key = tuple(one.of.values())
        found[key] = one if key not in found else found[key].joined(one)
    return sorted(found.values(), key=lambda one: -one.sums.energy_kwh)
