"""The figures of a report, as sections of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_carbon.core.document import (
    UNKNOWN,
    Bar,
    Chart,
    Fact,
    Facts,
    Paragraph,
    Section,
    Table,
    counted,
    number,
    share,
    signed,
)
from airflow_carbon.core.month import written
from airflow_carbon.core.report_units import NO_BREAK, Units, kind
from airflow_carbon.core.summary import Facet, Sums

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from airflow_carbon.core.document import Block
    from airflow_carbon.core.report import Report
    from airflow_carbon.core.summary import Summary

SHOWN: Final = 40
"""How many rows a table has; the others are one row, so that its sum is the total."""

BARS: Final = 10
"""How many bars a chart has; all are in the table."""

PERCENTAGES: Final = (
    "A percentage behind a difference is the share of the energy of which the baseline is known."
)

UNNAMED: Final = "not named"


def at_a_glance(report: Report, units: Units) -> Section:
    """Return the figures that one looks for first."""
    blocks: list[Block] = []
    for one in report.totals:
        sums = one.sums
        percent = sums.difference_percent
        against = "no run has a known baseline"
        if sums.difference_g is not None:
            change = "" if percent is None else f"{signed(percent)} %, "
            against = f"{change}known of {share(sums.compared_share)} of the energy"
        facts = (
            Fact(
                label="Emissions",
                value=f"{units.m(sums.emissions_g)}{NO_BREAK}{units.co2}",
                detail=f"{units.bounds(sums)}, overhead included",
            ),
            Fact(
                label="Energy",
                value=f"{units.e(sums.energy_kwh)} {units.energy}",
                detail=f"{units.energy_bounds(sums)}, overhead excluded",
            ),
            Fact(
                label="Difference against baseline",
                value=UNKNOWN
                if sums.difference_g is None
                else f"{units.d(sums.difference_g)}{NO_BREAK}{units.co2}",
                detail=against,
            ),
            Fact(
                label="Measured",
                value=share(sums.measured_share),
                detail=f"of the energy; {share(sums.coverage)} of the time is covered",
            ),
        )
        blocks.append(Facts(name=f"{_named(one)}: {counted(sums.runs, 'run')}", facts=facts))
    if len(report.totals) > 1:
        apart = "They are different quantities, and are not added up anywhere in this report."
        text = f"Runs were priced by {len(report.totals)} signals or kinds of factors. {apart}"
        blocks.append(Paragraph(text=text, notice=True))
    return Section(title="At a glance", blocks=tuple(blocks))


def _named(one: Summary) -> str:
    return f"{one.signal.capitalize()} signal, {one.factor_type} factors"


def totals(report: Report, units: Units) -> Section:
    """Return energy and emissions by signal and factors, and what stands beside them."""
    columns = (
        "Signal and factors",
        "Runs",
        f"Energy [{units.energy}]",
        "low to high",
        f"Emissions [{units.co2}]",
        "low to high",
    )
    blocks: list[Block] = [
        Table(
            caption="Energy and emissions by signal and kind of emission factors",
            columns=columns,
            rows=tuple(_total(one, units) for one in report.totals),
        )
    ]
    if report.beside:
        blocks += [
            Table(
                caption="The same runs by other signals or factors, where they were priced twice",
                columns=columns,
                rows=tuple(_total(one, units) for one in report.beside),
            ),
            Paragraph(
                text="The second table holds no other energy than the first: never add them."
            ),
        ]
    blocks.append(Paragraph(text=_embodied(report, units)))
    return Section(title="Energy and emissions", blocks=tuple(blocks))


def _total(one: Summary, units: Units) -> tuple[str, ...]:
    sums = one.sums
    return (
        kind(one),
        f"{sums.runs:,}",
        units.e(sums.energy_kwh),
        units.energy_bounds(sums),
        units.m(sums.emissions_g),
        units.bounds(sums),
    )


def _embodied(report: Report, units: Units) -> str:
    sums = report.energy
    if not sums.embodied_runs:
        return (
            "Embodied emissions of the hardware are not in these figures: no run declared its "
            "share of them."
        )
    declared = [one for one in report.basis["hardware"] if one.sums.embodied_runs]
    sources = dict.fromkeys(str(one.of[Facet.EMBODIED_SOURCE] or UNNAMED) for one in declared)
    return (
        f"Embodied emissions of the hardware stand apart, and are in no figure above: "
        f"{units.m(sums.embodied_g)} {units.co2}, declared for "
        f"{counted(sums.embodied_runs, 'run')} "
        f"of {sums.runs:,}; of the others nothing is known. By whose figures: {'; '.join(sources)}."
    )


def by_month(report: Report, units: Units) -> Section:
    """Return the months up to this one."""
    blocks: list[Block] = []
    for one in report.totals:
        found = [m for m in report.months if m.kind == one.kind]
        bars = tuple(_bar(written(m.of[Facet.MONTH]), m.sums, units) for m in found)  # type: ignore[arg-type]
        says = f"{counted(len(bars), 'month')} up to {written(report.month)}; values in the table."
        title = f"Emissions by month ({kind(one)})"
        blocks.append(Chart(title=title, says=says, unit=units.co2, bars=bars, upright=True))
    rows = tuple(
        (written(m.of[Facet.MONTH]), kind(m), *_row(m.sums, units))  # type: ignore[arg-type]
        for m in report.months
    )
    blocks.append(
        Table(
            caption="Month by month",
            columns=("Month", "Signal and factors", *_columns(units)),
            rows=rows,
            text_columns=2,
        )
    )
    return Section(title="Month by month", blocks=tuple(blocks))


def by_dag(report: Report, units: Units) -> Section:
    """Return the DAGs, those that emitted most first."""
    blocks: list[Block] = []
    for one in report.totals:
        found = _most([d for d in report.basis["dags"] if d.kind == one.kind])
        bars = tuple(_bar(str(d.of[Facet.DAG]), d.sums, units) for d in found[:BARS])
        more = f" The first {BARS} of {len(found)}." if len(found) > BARS else ""
        says = f"{bars[0].name} emitted most.{more} The table has the values." if bars else ""
        blocks += [
            Chart(title=f"Emissions by DAG ({kind(one)})", says=says, unit=units.co2, bars=bars),
            Table(
                caption=f"DAGs ({kind(one)})",
                columns=("DAG", *_columns(units)),
                rows=_rows(found, units),
                has_sum=len(found) > 1,
            ),
        ]
    blocks.append(Paragraph(text=PERCENTAGES))
    return Section(title="By DAG", blocks=tuple(blocks))


def by_model(report: Report, units: Units) -> Section:
    """Return the models, with what a unit of their work emitted."""
    named = [one for one in report.basis["models"] if one.of[Facet.MODEL] is not None]
    if not named:
        text = "No run names its model: EmissionsOperator(model=...) does."
        return Section(title="By model", blocks=(Paragraph(text=text),))
    rows = []
    for one in _most(list(report.basis["models"]))[:SHOWN]:
        each = one.sums.g_per_unit
        unit = one.of[Facet.UNIT]
        work = UNKNOWN if each is None else f"{number(each)} g per {unit}"
        names = str(one.of[Facet.MODEL] or UNNAMED), kind(one)
        rows.append((*names, *_row(one.sums, units), work))
    left = len(report.basis["models"]) - len(rows)
    blocks: list[Block] = [
        Table(
            caption="Models",
            columns=("Model", "Signal and factors", *_columns(units), "Per unit of work"),
            rows=tuple(rows),
            text_columns=2,
        )
    ]
    if left > 0:
        blocks.append(Paragraph(text=f"And {left} more, which emitted less."))
    return Section(title="By model", blocks=tuple(blocks))


def by_place(report: Report, units: Units) -> Section:
    """Return the regions and grid zones."""
    rows = tuple(
        (
            str(one.of[Facet.REGION] or UNNAMED),
            str(one.of[Facet.ZONE]),
            kind(one),
            *_row(one.sums, units),
        )
        for one in _most(list(report.basis["places"]))
    )
    columns = ("Region", "Grid zone", "Signal and factors", *_columns(units))
    table = Table(caption="Regions", columns=columns, rows=rows, text_columns=3)
    return Section(title="By place", blocks=(table,))


def _columns(units: Units) -> tuple[str, ...]:
    return (
        "Runs",
        f"Energy [{units.energy}]",
        f"Emissions [{units.co2}]",
        "low to high",
        f"Difference [{units.co2}]",
    )


def _row(sums: Sums, units: Units) -> tuple[str, ...]:
    difference = units.d(sums.difference_g)
    if sums.compared_runs and sums.uncompared_runs:
        difference += f" ({share(sums.compared_share)})"
    return (
        f"{sums.runs:,}",
        units.e(sums.energy_kwh),
        units.m(sums.emissions_g),
        units.bounds(sums),
        difference,
    )


def _rows(found: Sequence[Summary], units: Units) -> tuple[tuple[str, ...], ...]:
    rows = [(str(one.of[Facet.DAG]), *_row(one.sums, units)) for one in found[:SHOWN]]
    if others := found[SHOWN:]:
        left = sum((one.sums for one in others), Sums())
        rows.append((f"{len(others)} others", *_row(left, units)))
    if len(found) > 1:
        rows.append(("All", *_row(sum((one.sums for one in found), Sums()), units)))
    return tuple(rows)


def _most(found: Iterable[Summary]) -> list[Summary]:
    """Sort by emissions, the most first; in the order of names where they are equal."""
    return sorted(found, key=lambda one: -one.sums.emissions_g)


def _bar(name: str, sums: Sums, units: Units) -> Bar:
    return Bar(
        name=name,
        value=sums.emissions_g / units.grams,
        low=sums.low_g / units.grams,
        high=sums.high_g / units.grams,
    )
