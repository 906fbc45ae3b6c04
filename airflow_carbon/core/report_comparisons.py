"""What the figures of a report are compared with, as sections of a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from airflow_carbon.core.budget import Reason
from airflow_carbon.core.document import (
    UNKNOWN,
    Bullets,
    Paragraph,
    Section,
    Table,
    counted,
    number,
    share,
    signed,
)
from airflow_carbon.core.provider_report import Level
from airflow_carbon.core.quantities import mass_text
from airflow_carbon.core.report_basis import across
from airflow_carbon.core.report_units import kind
from airflow_carbon.core.summary import Facet

if TYPE_CHECKING:
    from airflow_carbon.core.document import Block
    from airflow_carbon.core.reconcile import Line, Reconciliation
    from airflow_carbon.core.report import Judged, Report
    from airflow_carbon.core.report_units import Units

SUPPOSITIONS: Final = (
    (
        "The baseline is a supposition: the same energy, begun when the job first could, without "
        "its pauses, in the default region. Nobody saw it happen."
    ),
    (
        "Run and baseline are priced by the same source, signal and factors; where that is not "
        "possible the difference is not known, which is not 0."
    ),
    (
        "The difference is signed: negative is less than the baseline, positive is more. Runs "
        "that did worse are in the sum."
    ),
    (
        "Where the signal is an average one, the difference says how emissions are attributed. "
        "It does not say by how much those of the whole grid changed, and it is no offset and no "
        "credit."
    ),
)


def difference(report: Report, units: Units) -> Section:
    """Return the difference against baseline, its assumptions, and what it lacks."""
    rows = []
    for one in report.totals:
        sums = one.sums
        known = sums.compared_runs > 0
        percent = sums.difference_percent
        rows.append(
            (
                kind(one),
                units.m(sums.baseline_g + sums.delta_g if known else None),
                units.m(sums.baseline_g if known else None),
                units.d(sums.difference_g),
                UNKNOWN if percent is None else f"{signed(percent)} %",
                f"{sums.compared_runs:,} of {sums.runs:,}",
                share(sums.compared_share),
            )
        )
    blocks: list[Block] = [
        Table(
            caption="Emissions of the runs that can be compared, less their baseline",
            columns=(
                "Signal and factors",
                f"Emissions [{units.co2}]",
                f"Baseline [{units.co2}]",
                f"Difference [{units.co2}]",
                "Relative",
                "Runs",
                "Share of energy",
            ),
            rows=tuple(rows),
        )
    ]
    if lacking := sum(one.sums.uncompared_runs for one in report.totals):
        text = (
            f"Of {counted(lacking, 'run')} the difference is not known: in no sum of differences."
        )
        blocks.append(Paragraph(text=text, notice=True))
    blocks.append(
        Table(
            caption="Of which baselines",
            columns=("Method, or why there is none", "Default region", "Runs", "Compared"),
            rows=tuple(
                (
                    str(one.of[Facet.BASELINE_METHOD]),
                    str(one.of[Facet.BASELINE_REGION] or "none"),
                    f"{one.sums.runs:,}",
                    f"{one.sums.compared_runs:,}",
                )
                for one in across(report, "baselines")
            ),
            text_columns=2,
        )
    )
    blocks.append(Bullets(items=SUPPOSITIONS))
    return Section(title="Difference against baseline", blocks=tuple(blocks))


def promised(report: Report, units: Units) -> Section:
    """Return what the plans promised beside what was emitted."""
    title = "Promised and actual"
    planned = [one for one in report.totals if one.sums.promised_runs]
    if not planned:
        text = "No run of this month had a plan with a forecast: nothing was promised."
        return Section(title=title, blocks=(Paragraph(text=text),))
    rows = tuple(
        (
            kind(one),
            units.m(one.sums.promised_g),
            units.m(one.sums.promised_actual_g),
            units.d(one.sums.broken_promise_g),
            f"{one.sums.promised_runs:,} of {one.sums.runs:,}",
        )
        for one in planned
    )
    columns = (
        "Signal and factors",
        f"Promised [{units.co2}]",
        f"Actual [{units.co2}]",
        "Actual less promised",
        "Runs with a plan",
    )
    text = (
        "Promised is the energy that was drawn, at the intensity that the forecast had when the "
        "run was planned; actual is the same energy at the intensity of its hours. So the two "
        "differ by the forecast alone."
    )
    table = Table(caption="What forecasts promised, and what came", columns=columns, rows=rows)
    return Section(title=title, blocks=(table, Paragraph(text=text)))


def budgets(report: Report) -> Section:
    """Return the budgets that were named."""
    if not report.budgets:
        text = (
            "None was named. Limits are written in DAGs (CarbonBudgetOperator), not in the ledger: "
            "name them with --budget 'nightly=20 kg', or budgets= of ReportOperator."
        )
        return Section(title="Budgets", blocks=(Paragraph(text=text),))
    rows = tuple(_budget(one) for one in report.budgets)
    columns = ("Budget", "Verdict", "Limit", "Used", "Left", "Share used")
    notes = [f"{one.name}: {note}" for one in report.budgets for note in one.verdict.notes()]
    turn = "A run over the turn of the month counts with its share of the month's hours here."
    table = Table(caption="Limits of the month", columns=columns, rows=rows, text_columns=2)
    return Section(title="Budgets", blocks=(table, Bullets(items=(turn, *notes))))


def _budget(one: Judged) -> tuple[str, ...]:
    found = one.verdict
    said = one.name, found.reason.value.replace("_", " "), mass_text(found.budget.limit_g)
    if found.reason is Reason.MIXED_SIGNALS:
        return (*said, UNKNOWN, UNKNOWN, UNKNOWN)
    limit = found.budget.limit_g
    return (
        *said,
        mass_text(found.counted_g),
        mass_text(found.left_g, signed=True),
        share(found.counted_g / limit if limit else None),
    )


def azure(report: Report) -> Section:
    """Return Microsoft's own figures of the month beside the measured ones."""
    title = "What Microsoft reports"
    if report.provider:
        blocks = [block for one in report.provider for block in _reconciled(one)]
        return Section(title=title, blocks=tuple(blocks))
    if report.pattern is not None:
        text = (
            "Left out: Microsoft's figures are of whole subscriptions, and this report is of some "
            "DAGs alone."
        )
    else:
        text = (
            "The ledger holds no figures of Azure Carbon Optimization for this month. They come by "
            "about day 19 of the next: AzureCarbonReportOperator fetches them, or "
            f"airflow-carbon azure-carbon --month {report.month.isoformat()[:7]}."
        )
    return Section(title=title, blocks=(Paragraph(text=text),))


def _reconciled(one: Reconciliation) -> list[Block]:
    lines = [line for line in one.lines if line.level is not Level.RESOURCE]
    table = Table(
        caption=f"Subscription {one.subscription_id} [kg CO2eq]",
        columns=(
            "Of what",
            "Name",
            "Measured",
            "Runs",
            "Reported",
            "Scope 1+2",
            "Scope 3",
            "Ratio",
        ),
        rows=tuple(_line(line) for line in lines),
        text_columns=2,
    )
    items = (
        (
            "Measured are the runs in an Azure region that were priced by an average signal. "
            "One over the turn of the month counts with its share of the month's hours here."
        ),
        *one.reasons,
    )
    return [table, Bullets(items=items)]


def _line(line: Line) -> tuple[str, ...]:
    grams = (line.reported_g, line.scope12_g, line.scope3_g)
    reported = [UNKNOWN if g is None else number(g / 1e3) for g in grams]
    return (
        line.level.value.replace("_", " "),
        line.item,
        UNKNOWN if line.measured_g is None else number(line.measured_g / 1e3),
        f"{line.runs:,}",
        *reported,
        UNKNOWN if line.ratio is None else number(line.ratio),
    )
