"""Sums over the ledger's runs, by whatever they are grouped by, computed by the database.

Of each try the newest version, and each joule once: a try whose energy a later one holds as well
is left out, as in :mod:`airflow_carbon.ledger.export`. A run counts whole in the month it began in.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import String, and_, case, func, literal, select, type_coerce

from airflow_carbon.core.budget import WELL_COVERED
from airflow_carbon.core.month import parse_month
from airflow_carbon.core.summary import Facet, Summary, Sums, regroup
from airflow_carbon.core.units import JOULES_PER_KWH
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.schema import KEY, carbon_run, carbon_run_signal
from airflow_carbon.ledger.spans import counted_once

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from sqlalchemy import ColumnElement, FromClause, RowMapping, Select

    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.ledger.store import Ledger

_RUN: Final = carbon_run.c
_BESIDE: Final = carbon_run_signal.c


@dataclass(frozen=True, kw_only=True, slots=True)
class Among:
    """Which runs count: those that began in ``[begin, end)`` and have each name that is given.

    ``dag_ids`` are the DAGs that the reader may see; None is all, and an empty one is none.
    """

    dag_ids: Collection[str] | None = None
    span: Span | None = None
    task_id: str | None = None
    model: str | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        """Return the conditions on ``carbon_run``, that of counting each joule once among them."""
        asked = [counted_once()]
        if self.dag_ids is not None:
            asked.append(_RUN.dag_id.in_(sorted(self.dag_ids)))
        if self.span is not None:
            asked += [_RUN.started_at >= self.span[0], _RUN.started_at < self.span[1]]
        if self.task_id is not None:
            asked.append(_RUN.task_id == self.task_id)
        if self.model is not None:
            asked.append(_RUN.model == self.model)
        return asked


EVERYTHING: Final = Among()

INDEXED: Final = (Facet.DAG, Facet.TASK, Facet.MODEL)
"""The order of SQLite's index ``ix_carbon_run_summed``: by these it sums without a sort."""


@dataclass(frozen=True, slots=True)
class Summaries:
    """The sums of a ledger; every method raises ``LedgerError``."""

    ledger: Ledger

    def by(self, *facets: Facet, among: Among = EVERYTHING) -> list[Summary]:
        """Return the sums for each combination of the facets that there is, in their order.

        Always by signal and kind of factors as well. Without a facet it is the total.
        """
        finer = facets if set(facets) - set(INDEXED) else INDEXED
        asked = by_statement(*finer, among=among, dialect=self.ledger.engine.dialect.name)
        return regroup(self._read(asked, finer), *facets)

    def beside(self, *facets: Facet, among: Among = EVERYTHING) -> list[Summary]:
        """Return the same of what stands beside the accounts: other signals, other factors.

        The newest version of each. Plans and hardware belong to the account: there is nothing
        of them here.
        """
        asked = beside_statement(*facets, among=among, dialect=self.ledger.engine.dialect.name)
        return regroup(self._read(asked, facets), *facets)

    def dags(self) -> list[str]:
        """Return the DAGs that have a run in the ledger."""
        asked = select(_RUN.dag_id).distinct().order_by(_RUN.dag_id)
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return list(connection.scalars(asked))

    def computed_at(self, among: Among = EVERYTHING) -> datetime | None:
        """Return when the newest account was computed; None where there is no run."""
        asked = select(func.max(_RUN.computed_at)).where(*among.conditions())
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            newest: datetime | None = connection.scalar(asked)
        return newest

    def _read(self, asked: Select[Any], facets: tuple[Facet, ...]) -> list[Summary]:
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [_summary(row, facets) for row in connection.execute(asked).mappings()]


def by_statement(*facets: Facet, among: Among, dialect: str) -> Select[Any]:
    """Return the SELECT of :meth:`Summaries.by`."""
    kept = {
        "modelled_j": func.sum(_RUN.energy_modelled_j),
        "unsplit_j": _sum_where(_RUN.energy_modelled_j.is_(None), _RUN.energy_j),
        "embodied_g": func.sum(_RUN.embodied_g),
        "embodied_runs": func.count(_RUN.embodied_g),
        "promised_g": func.sum(_RUN.planned_emissions_g),
        "promised_actual_g": _sum_where(_RUN.planned_emissions_g.is_not(None), _RUN.emissions_g),
        "promised_runs": func.count(_RUN.planned_emissions_g),
        "units": func.sum(_RUN.functional_units),
        "units_g": _sum_where(_RUN.functional_units.is_not(None), _RUN.emissions_g),
        "settled_runs": func.count(_RUN.settled_at),
    }
    return _grouped(carbon_run, carbon_run, kept, facets, among=among, dialect=dialect)


def beside_statement(*facets: Facet, among: Among, dialect: str) -> Select[Any]:
    """Return the SELECT of :meth:`Summaries.beside`."""
    newer = carbon_run_signal.alias("newer")
    same = (*KEY, "intensity_signal", "intensity_factor_type")
    is_newest = ~(
        select(literal(1))
        .where(*(newer.c[name] == _BESIDE[name] for name in same))
        .where(newer.c.version > _BESIDE.version)
        .exists()
    )
    joined = carbon_run_signal.join(
        carbon_run, and_(*(_BESIDE[name] == _RUN[name] for name in KEY))
    )
    kept = {
        "modelled_j": func.sum(_RUN.energy_modelled_j),
        "unsplit_j": _sum_where(_RUN.energy_modelled_j.is_(None), _RUN.energy_j),
    }
    asked = _grouped(joined, carbon_run_signal, kept, facets, among=among, dialect=dialect)
    return asked.where(is_newest)


def _grouped(  # noqa: PLR0913 - where from, what, by what, of which
    source: FromClause,
    priced: Any,
    kept: dict[str, ColumnElement[Any]],
    facets: tuple[Facet, ...],
    *,
    among: Among,
    dialect: str,
) -> Select[Any]:
    """Return the sums of runs as a table priced them."""
    grams = priced.c
    kind = [grams.intensity_signal, grams.intensity_factor_type]
    groups = [_column(facet, priced, dialect).label(facet.value) for facet in facets]
    sums = {
        "runs": func.count(),
        "energy_j": func.sum(_RUN.energy_j),
        "emissions_g": func.sum(grams.emissions_g),
        "low_g": func.sum(grams.emissions_low_g),
        "high_g": func.sum(grams.emissions_high_g),
        "baseline_g": _sum_where(grams.delta_g.is_not(None), grams.baseline_g),
        "delta_g": func.sum(grams.delta_g),
        "compared_runs": func.count(grams.delta_g),
        "compared_j": _sum_where(grams.delta_g.is_not(None), _RUN.energy_j),
        "covered_runs": func.sum(_RUN.coverage),
        "partly_measured": func.sum(case((_RUN.coverage < WELL_COVERED, 1), else_=0)),
        "first": func.min(_RUN.started_at),
        "last": func.max(_RUN.ended_at),
        **kept,
    }
    return (
        select(*kind, *groups, *(value.label(name) for name, value in sums.items()))
        .select_from(source)
        .where(*among.conditions())
        .group_by(*kind, *groups)
    )


def _column(facet: Facet, priced: Any, dialect: str) -> ColumnElement[Any]:
    if facet is not Facet.MONTH:
        name = facet.value
        return priced.c[name] if name in priced.c and name not in KEY else _RUN[name]
    if dialect == "postgresql":
        return func.to_char(func.timezone("UTC", _RUN.started_at), "YYYY-MM")
    return func.substr(type_coerce(_RUN.started_at, String), 1, 7)


def _sum_where(condition: ColumnElement[bool], value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.sum(case((condition, value)))


def _summary(row: RowMapping, facets: tuple[Facet, ...]) -> Summary:
    known = {name: value for name, value in row.items() if value is not None}
    joules = {
        f"{name}_kwh": known.pop(f"{name}_j", 0.0) / JOULES_PER_KWH
        for name in ("energy", "modelled", "unsplit", "compared")
    }
    summed = {name: known[name] for name in known if name in Sums.__dataclass_fields__}
    return Summary(
        signal=row["intensity_signal"],
        factor_type=row["intensity_factor_type"],
        of={
            facet: parse_month("month", row[facet.value])
            if facet is Facet.MONTH
            else row[facet.value]
            for facet in facets
        },
        sums=Sums(**{**summed, **joules}),
    )
