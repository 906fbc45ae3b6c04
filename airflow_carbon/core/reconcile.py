"""What the ledger measured in a month, beside what Microsoft reports for the same month."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.month import nth_day_after, written
from airflow_carbon.core.provider_report import Level, Scopes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import date

    from airflow_carbon.core.provider_report import Figure


REPORT_DAY: Final = 19
"""By which day of the next month a month is there (Microsoft Learn, "Use the API to export Carbon
optimization in Azure emissions data", 2025)."""

FAR: Final = 10.0
"""From this factor on a line is pointed out: no difference in method explains it."""

SHOWN: Final = 50
"""How many lines an XCom carries."""

REASONS: Final = tuple(
    " ".join(reason.split())
    for reason in (
        """Microsoft reports whole months, each about day 19 of the next: no figure of it belongs to
        a single run.""",
        """Microsoft's Scope 2 is market-based: its purchases of renewable electricity are set off,
        and mostly nothing is left. The ledger is location-based: what the grid emitted in those
        hours. So the report can neither confirm nor refute a saving by region or by hour.""",
        """Microsoft's Scope 3 (making, moving and scrapping hardware and buildings) is shared out
        by usage. The ledger counts electricity alone, with no share of the hardware's making.""",
        """Microsoft counts all that the resource group or subscription holds: disks, networks,
        machines that idle, start or build images. The ledger counts the measured runs, while
        they ran.""",
    )
)
"""Why the two differ even where both are right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunShare:
    """What a try of a task emitted within a month [gCO2eq]; ``region`` None outside of Azure."""

    dag_id: str
    region: str | None
    emissions_g: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """The two sides of one subscription, location or resource group; None is not known."""

    level: Level
    item: str
    measured_g: float | None
    runs: int
    reported_g: float | None
    scope3_g: float | None

    @property
    def ratio(self) -> float | None:
        """Reported over measured; None where one is missing, or nothing was measured."""
        if self.reported_g is None or not self.measured_g:
            return None
        return self.reported_g / self.measured_g

    @property
    def difference_g(self) -> float | None:
        """Reported less measured [gCO2eq]; None where one is missing."""
        if self.reported_g is None or self.measured_g is None:
            return None
        return self.reported_g - self.measured_g

    @property
    def scope12_g(self) -> float | None:
        """What Microsoft reports of Scope 1 and 2 [gCO2eq]."""
        if self.reported_g is None or self.scope3_g is None:
            return None
        return max(0.0, self.reported_g - self.scope3_g)

    @property
    def note(self) -> str | None:
        """What is missing, or an order of magnitude; None where there is nothing to say."""
        if self.measured_g is None:
            return "the ledger has no run there"
        if self.reported_g is None:
            return "Microsoft reports nothing there"
        ratio = self.ratio
        if ratio is not None and not 1 / FAR < ratio < FAR:
            return "an order of magnitude apart: what ran unmeasured, or was measured elsewhere?"
        return None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "level": self.level.value,
            "item": self.item,
            "measured_g": self.measured_g,
            "runs": self.runs,
            "reported_g": self.reported_g,
            "scope12_g": self.scope12_g,
            "scope3_g": self.scope3_g,
            "ratio": self.ratio,
            "difference_g": self.difference_g,
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Reconciliation:
    """A month of a subscription, both sides, with the reasons why they differ.

    ``is_reported`` is False where Microsoft's figures are not in the ledger;
    ``unassigned_runs`` ran in Azure, in no resource group that was named.
    """

    month: date
    subscription_id: str
    lines: tuple[Line, ...]
    is_reported: bool
    unassigned_runs: int

    @property
    def due(self) -> date:
        """By about when Microsoft's figures are there."""
        return nth_day_after(self.month, REPORT_DAY)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why the two sides differ, or why one is missing."""
        said = [] if self.is_reported else [self._not_there]
        if left := self.unassigned_runs:
            said.append(f"{left} measured runs belong to no resource group that was named.")
        return (*said, *REASONS)

    @property
    def _not_there(self) -> str:
        month = written(self.month)
        return (
            f"Microsoft's figures of {month} are not in the ledger; they come by about {self.due}."
        )

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, of the first lines where they are many."""
        return {
            "month": written(self.month),
            "subscription_id": self.subscription_id,
            "is_reported": self.is_reported,
            "due": self.due.isoformat(),
            "lines": [line.as_dict() for line in self.lines[:SHOWN]],
            "lines_left_out": max(0, len(self.lines) - SHOWN),
            "unassigned_runs": self.unassigned_runs,
            "reasons": list(self.reasons),
        }

    def text(self) -> str:
        """Say it, a line a line, then the reasons."""
        shown = [f"{written(self.month)}, subscription {self.subscription_id}"]
        shown += [f"  {sentence(line)}" for line in self.lines[:SHOWN]]
        if len(self.lines) > SHOWN:
            shown.append(f"  and {len(self.lines) - SHOWN} more")
        return "\n".join([*shown, *(f"- {reason}" for reason in self.reasons)])


def sentence(line: Line) -> str:
    """Say one line."""
    ratio = f", {line.ratio:.2g} times as much" if line.ratio is not None else ""
    scope3 = f" ({_kg(line.scope3_g)} of it Scope 3)" if line.scope3_g is not None else ""
    runs = "1 run" if line.runs == 1 else f"{line.runs} runs"
    text = (
        f"{line.level.value.replace('_', ' ')} {line.item}: measured {_kg(line.measured_g)} in "
        f"{runs}, reported {_kg(line.reported_g)}{scope3}{ratio}"
    )
    return f"{text}; {line.note}" if line.note else text


def _kg(grams: float | None) -> str:
    return "nothing" if grams is None else f"{grams / 1e3:.3g} kg"


def reconcile(
    month: date,
    subscription_id: str,
    *,
    runs: Sequence[RunShare],
    figures: Iterable[Figure],
    groups: Mapping[str, Sequence[str]] | None = None,
) -> Reconciliation:
    """Set the runs of a month beside Microsoft's figures of it.

    ``groups`` says which DAGs, by patterns such as ``nightly_*``, run in which resource group of
    the subscription. With it only their runs count; without it all that ran in an Azure region.
    """
    in_azure = [run for run in runs if run.region is not None]
    assigned = [(run, _group_of(run.dag_id, groups or {})) for run in in_azure]
    counted = [(run, group) for run, group in assigned if group is not None or not groups]
    measured = _measured(counted, subscription_id)
    reported: dict[tuple[Level, str], dict[Scopes, float]] = {}
    for figure in figures:
        if figure.level is not Level.RESOURCE:
            key = (figure.level, _name(figure))
            sums = reported.setdefault(key, {})
            sums[figure.scopes] = sums.get(figure.scopes, 0.0) + figure.emissions_g
    lines = [
        _line(key, measured.get(key), reported.get(key, {}))
        for key in measured.keys() | reported.keys()
        if key in reported or key[0] is not Level.RESOURCE_GROUP or groups
    ]
    return Reconciliation(
        month=month,
        subscription_id=subscription_id.lower(),
        lines=tuple(sorted(lines, key=_order)),
        is_reported=bool(reported),
        unassigned_runs=len(assigned) - len(counted),
    )


def _group_of(dag_id: str, groups: Mapping[str, Sequence[str]]) -> str | None:
    """Return the first resource group that a DAG runs in."""
    for group, patterns in groups.items():
        if any(fnmatchcase(dag_id, pattern) for pattern in patterns):
            return group.lower()
    return None


def _measured(
    counted: Iterable[tuple[RunShare, str | None]], subscription_id: str
) -> dict[tuple[Level, str], list[float]]:
    found: dict[tuple[Level, str], list[float]] = {}
    for run, group in counted:
        found.setdefault((Level.SUBSCRIPTION, subscription_id.lower()), []).append(run.emissions_g)
        found.setdefault((Level.LOCATION, str(run.region).lower()), []).append(run.emissions_g)
        if group is not None:
            found.setdefault((Level.RESOURCE_GROUP, group), []).append(run.emissions_g)
    return found


def _name(figure: Figure) -> str:
    """Return how the ledger's side calls it: a resource group by its name, not its path."""
    item = figure.item.lower()
    return item.rsplit("/", 1)[-1] if figure.level is Level.RESOURCE_GROUP else item


def _line(
    key: tuple[Level, str], grams: Sequence[float] | None, reported: Mapping[Scopes, float]
) -> Line:
    return Line(
        level=key[0],
        item=key[1],
        measured_g=None if grams is None else float(sum(grams)),
        runs=len(grams or ()),
        reported_g=reported.get(Scopes.ALL),
        scope3_g=reported.get(Scopes.SUPPLY_CHAIN),
    )


def _order(line: Line) -> tuple[int, bool, float, str]:
    """Sort by level, what was measured first, then the most first."""
    most = line.reported_g if line.measured_g is None else line.measured_g
    return list(Level).index(line.level), line.measured_g is None, -(most or 0.0), line.item
