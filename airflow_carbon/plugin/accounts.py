"""Sums of the ledger as the page shows them, of one kind of intensity at a time."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.budget import judge
from airflow_carbon.core.month import month_of, months_later, span_of
from airflow_carbon.core.summary import NUMBERS, Facet, Sums
from airflow_carbon.ledger.budgets import Budgets
from airflow_carbon.ledger.standing import StandingBudgets
from airflow_carbon.ledger.summary import Among, Summaries

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import date

    from airflow_carbon.core.budget import Verdict
    from airflow_carbon.core.summary import Summary, Value
    from airflow_carbon.ledger.standing import Standing
    from airflow_carbon.ledger.store import Ledger

MONTHS: Final = 12
"""How many months are shown."""

MOST: Final = 100
"""How many rows a table has; the rest is in one sum."""

ASKED_WITHIN: Final = timedelta(days=62)
"""A budget that nobody asked for that long stands no more."""

GROUPS: Final[Mapping[str, tuple[Facet, ...]]] = {
    "task": (Facet.DAG, Facet.TASK),
    "dag": (Facet.DAG,),
    "model": (Facet.MODEL,),
    "region": (Facet.REGION, Facet.ZONE),
}
"""What the runs of a month may be grouped by."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """A row of a table: whose sums, and by which methods they are compared with a baseline."""

    of: tuple[Value, ...]
    sums: Sums
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """The lines that were priced by one signal and kind of factors; those are never added up."""

    kind: str
    lines: tuple[Line, ...]
    total: Sums
    others: int = 0
    """How many lines are in the total alone."""


def totals(ledger: Ledger, dag_ids: Collection[str] | None, month: date) -> dict[str, Sums]:
    """Return a month's sums by kind."""
    among = Among(dag_ids=dag_ids, span=span_of(month))
    found = Summaries(ledger).by(Facet.BASELINE_METHOD, among=among)
    return {kind: _added(one.sums for one in ours) for kind, ours in _by_kind(found).items()}


def by_month(ledger: Ledger, dag_ids: Collection[str] | None, last: date) -> list[Table]:
    """Return the sums of the months up to one, newest first."""
    first = months_later(last, 1 - MONTHS)
    among = Among(dag_ids=dag_ids, span=(span_of(first)[0], span_of(last)[1]))
    found = Summaries(ledger).by(Facet.MONTH, among=among)
    return [
        Table(
            kind=kind,
            lines=tuple(
                Line(of=(one.of[Facet.MONTH],), sums=one.sums) for one in reversed(summaries)
            ),
            total=_added(one.sums for one in summaries),
        )
        for kind, summaries in _by_kind(found).items()
    ]


def by_group(
    ledger: Ledger, dag_ids: Collection[str] | None, month: date, group: str
) -> list[Table]:
    """Return a month's sums by what a group names, the greatest emitter first."""
    facets = GROUPS[group]
    among = Among(dag_ids=dag_ids, span=span_of(month))
    found = Summaries(ledger).by(*facets, Facet.BASELINE_METHOD, among=among)
    return [_table(kind, summaries, facets) for kind, summaries in _by_kind(found).items()]


def budgets(
    ledger: Ledger, dag_ids: Collection[str], now: datetime
) -> list[tuple[Standing, Verdict]]:
    """Return the budgets that stand and what was used of each, the fullest first."""
    sums = Budgets(ledger)
    found = StandingBudgets(ledger).all(since=now - ASKED_WITHIN, dag_ids=dag_ids)
    known: dict[object, Verdict] = {}
    for one in found:
        same = (one.budget, one.scope)
        if same not in known:
            known[same] = judge(one.budget, sums.spent(one.scope, one.budget.span(now)))
    judged = [(one, known[one.budget, one.scope]) for one in found]
    return sorted(judged, key=lambda pair: pair[1].left_g / max(pair[0].budget.limit_g, 1e-9))


def this_month(now: datetime) -> date:
    """Return the month that an instant lies in, UTC."""
    return month_of(now.astimezone(UTC).date())


def _table(kind: str, summaries: Iterable[Summary], facets: tuple[Facet, ...]) -> Table:
    known = list(summaries)
    sums: dict[tuple[Value, ...], Sums] = {}
    methods: dict[tuple[Value, ...], set[str]] = defaultdict(set)
    for one in known:
        of = tuple(one.of[facet] for facet in facets)
        sums[of] = sums[of] + one.sums if of in sums else one.sums
        if one.sums.compared_runs:
            methods[of].add(str(one.of[Facet.BASELINE_METHOD]))
    ranked = sorted(sums, key=lambda of: (-sums[of].emissions_g, str(of)))
    return Table(
        kind=kind,
        lines=tuple(
            Line(of=of, sums=sums[of], methods=tuple(sorted(methods[of]))) for of in ranked[:MOST]
        ),
        total=_added(one.sums for one in known),
        others=max(0, len(ranked) - MOST),
    )


def _added(sums: Iterable[Sums]) -> Sums:
    """Return many sums added up, a number at a time: ten times as fast as one by one."""
    known = list(sums)
    return Sums(**{name: sum(getattr(one, name) for one in known) for name in NUMBERS})


def _by_kind(summaries: Iterable[Summary]) -> dict[str, list[Summary]]:
    kinds: dict[str, list[Summary]] = defaultdict(list)
    for one in summaries:
        kinds[one.kind].append(one)
    return dict(sorted(kinds.items()))
