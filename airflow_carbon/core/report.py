"""What a report of a month is made of: sums, and what they rest on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.budget import Budget, Per, judge
from airflow_carbon.core.month import months_later, span_of, written
from airflow_carbon.core.summary import Facet, Sums, regroup

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date, datetime

    from airflow_carbon.core.budget import Spent, Verdict
    from airflow_carbon.core.reconcile import Reconciliation
    from airflow_carbon.core.summary import Summary

MONTHS: Final = 12
"""How many months a report looks back, its own among them."""

BASIS: Final = {
    "dags": (Facet.DAG,),
    "models": (Facet.MODEL, Facet.UNIT),
    "places": (Facet.REGION, Facet.ZONE),
    "meters": (Facet.METHOD,),
    "overheads": (Facet.REGION, Facet.ZONE, Facet.PUE, Facet.PUE_SOURCE),
    "intensities": (Facet.SOURCE, Facet.QUALITY),
    "baselines": (Facet.BASELINE_METHOD, Facet.BASELINE_REGION),
    "hardware": (Facet.EMBODIED_SOURCE,),
    "packages": (Facet.PACKAGE,),
}
"""By what the runs of the month are summed, part by part of a report."""

OF_MODEL: Final = "model:"
"""How the name of a budget begins that is of a model, not of a DAG."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """A limit for a month, and whose it is: a DAG's, or a model's."""

    name: str
    budget: Budget

    @classmethod
    def read(cls, name: str, limit: object) -> Allowance:
        """Read a budget; ``model:churn`` is a model's, any other name a DAG's.

        Raises:
            InvalidOptionError: the limit is no mass.
        """
        return cls(name=name, budget=Budget.read(limit=limit, per=Per.MONTH))

    @property
    def model(self) -> str | None:
        """The model that it is of."""
        return self.name.removeprefix(OF_MODEL) if self.name.startswith(OF_MODEL) else None

    @property
    def dag_id(self) -> str | None:
        """The DAG that it is of."""
        return None if self.name.startswith(OF_MODEL) else self.name

    def judged(self, spent: Spent) -> Judged:
        """Return how it stands."""
        return Judged(name=self.name, verdict=judge(self.budget, spent))


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """A budget beside what was spent of it."""

    name: str
    verdict: Verdict

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        found = self.verdict
        return {
            "name": self.name,
            "limit_g": found.budget.limit_g,
            "used_g": found.counted_g,
            "left_g": found.left_g,
            "reason": found.reason.value,
            "notes": found.notes(),
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Report:
    """The runs that began in a month (UTC), summed by what a reader asks and by what it rests on.

    ``basis`` has the sums by each part of :data:`BASIS`; ``months`` those of the months up to
    this one; ``beside`` the same runs by other signals. ``computed_at`` is when the newest
    figure was; ``pattern`` names the DAGs, None all of them. ``is_over`` tells whether the month
    had ended when the report was made.
    """

    month: date
    pattern: str | None = None
    is_over: bool = True
    computed_at: datetime | None = None
    basis: Mapping[str, tuple[Summary, ...]]
    beside: tuple[Summary, ...] = ()
    months: tuple[Summary, ...] = ()
    budgets: tuple[Judged, ...] = ()
    provider: tuple[Reconciliation, ...] = ()

    @property
    def totals(self) -> list[Summary]:
        """The sums by signal and kind of factors; they are never added up. Most energy first."""
        found = regroup(self.basis["dags"])
        return sorted(found, key=lambda one: -one.sums.energy_kwh)

    @property
    def runs(self) -> int:
        """How many runs there are."""
        return sum(one.sums.runs for one in self.totals)

    @property
    def energy(self) -> Sums:
        """The energy of all; emissions of different signals are in it, too, and mean nothing."""
        return sum((one.sums for one in self.totals), Sums())

    def as_dict(self) -> dict[str, Any]:
        """Return plain values: null is not known, never 0."""
        begin, end = span_of(self.month)
        return {
            "month": written(self.month),
            "begin": begin.isoformat(),
            "end": end.isoformat(),
            "is_over": self.is_over,
            "dags_like": self.pattern,
            "computed_at": self.computed_at.isoformat() if self.computed_at else None,
            "runs": self.runs,
            "totals": [one.as_dict() for one in self.totals],
            "beside": [one.as_dict() for one in self.beside],
            **{name: [one.as_dict() for one in found] for name, found in self.basis.items()},
            "months": [one.as_dict() for one in self.months],
            "budgets": [one.as_dict() for one in self.budgets],
            "azure": [one.as_dict() for one in self.provider],
        }


def first_month(month: date) -> date:
    """Return the first month that a report of a month looks back to."""
    return months_later(month, 1 - MONTHS)
