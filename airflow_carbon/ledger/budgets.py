"""What was emitted in a budget's scope and span, and what is still to come of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, case, delete, func, or_, select, text

from airflow_carbon.core.budget import WELL_COVERED, Emitted, PastRun, Spent
from airflow_carbon.core.units import to_kwh
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.grants import FORGOTTEN, with_pending
from airflow_carbon.ledger.migrate import IMMEDIATE
from airflow_carbon.ledger.schema import GRANT_KEY, carbon_grant, carbon_run
from airflow_carbon.ledger.spans import counted_once, share_within
from airflow_carbon.ledger.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from typing import TypeVar

    from sqlalchemy import ColumnElement, Connection, RowMapping, Select

    from airflow_carbon.core.flexibility import Span
    from airflow_carbon.ledger.store import Ledger

    T = TypeVar("T")

LOCK: Final = 0x6361_7267
"""The lock in PostgreSQL that one budget's decision at a time holds: "carg"."""

_RUN: Final = carbon_run.c
_GRANT: Final = carbon_grant.c
_BOUNDS: Final = ("emissions_g", "emissions_low_g", "emissions_high_g")


@dataclass(frozen=True, kw_only=True, slots=True)
class Scope:
    """Whose emissions count: of a model, a DAG, one of its runs, a map index; None for all."""

    model: str | None = None
    dag_id: str | None = None
    run_id: str | None = None
    map_index: int | None = None
    unit: str | None = None
    """Only work that was counted in this functional unit."""
    signal: str | None = None
    """Only what was priced by this signal, ``average`` or ``marginal``."""

    def of(self, columns: Any) -> list[ColumnElement[bool]]:
        """Return the conditions on a table's columns."""
        names = ("model", "dag_id", "run_id", "map_index")
        asked = [(name, getattr(self, name)) for name in names]
        return [columns[name] == value for name, value in asked if value is not None]

    def by_signal(self) -> list[ColumnElement[bool]]:
        """Return the condition on runs that is the signal's."""
        return [] if self.signal is None else [_RUN.intensity_signal == self.signal]


@dataclass(frozen=True, kw_only=True, slots=True)
class Asker:
    """The mapped part of a DAG run that asks; a model of its own, or None."""

    dag_id: str
    run_id: str
    map_index: int = -1
    model: str | None = None

    def key(self) -> dict[str, Any]:
        """Return the key of what it is granted."""
        return {
            "dag_id": self.dag_id,
            "run_id": self.run_id,
            "map_index": self.map_index,
            "model": self.model or "",
        }


@dataclass(frozen=True, slots=True)
class Budgets:
    """The sums of a ledger, and what was let through; every method raises ``LedgerError``."""

    ledger: Ledger

    def spent(self, scope: Scope, span: Span | None = None) -> Spent:
        """Return what is known of a scope in a span of time; without one, of all time."""
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return _spent(connection, scope, span)

    def past(self, asker: Asker, limit: int = 20, signal: str | None = None) -> list[PastRun]:
        """Return the earlier runs of the asker's DAG that were measured, newest first.

        All tries and tasks of a DAG run are one; of a mapped asker, those of its map index.
        """
        mapped = asker.map_index if asker.map_index >= 0 else None
        scope = Scope(model=asker.model, dag_id=asker.dag_id, map_index=mapped, signal=signal)
        among = [*scope.of(_RUN), *scope.by_signal()]
        sums = [func.sum(_RUN[name]).label(name) for name in (*_BOUNDS, "energy_j")]
        asked = (
            select(*sums)
            .where(*among, _RUN.run_id != asker.run_id, counted_once())
            .group_by(_RUN.run_id)
            .order_by(func.max(_RUN.ended_at).desc(), _RUN.run_id.desc())
            .limit(limit)
        )
        with reporting(self.ledger.engine.url), self.ledger.engine.connect() as connection:
            return [
                PastRun(energy_kwh=to_kwh(row["energy_j"]), emitted=_figure(row))
                for row in connection.execute(asked).mappings()
            ]

    def decide(  # noqa: PLR0913 - who asks, for what, when
        self,
        asker: Asker,
        scope: Scope,
        choice: Callable[[Spent], tuple[T, bool]],
        *,
        expected: Emitted | None,
        span: Span | None,
        now: datetime,
    ) -> T:
        """Let somebody decide on what is spent, and remember what was let through.

        ``choice`` returns its answer, and whether the run goes on. Nobody else decides
        meanwhile, so runs that ask at once see one another.
        """
        engine = self.ledger.engine
        with (
            reporting(engine.url),
            engine.execution_options(**{IMMEDIATE: True}).begin() as connection,
        ):
            if connection.dialect.name == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": LOCK})
            connection.execute(delete(carbon_grant).where(_GRANT.granted_at < now - FORGOTTEN))
            spent = _spent(connection, scope, span, asker=asker, now=now)
            answer, goes_on = choice(spent)
            key = asker.key()
            if goes_on:
                row = {**key, **_expected(expected), "granted_at": now}
                connection.execute(upsert(connection, carbon_grant, GRANT_KEY).values(row))
            else:
                mine = and_(*(_GRANT[name] == value for name, value in key.items()))
                connection.execute(delete(carbon_grant).where(mine))
        return answer


def _expected(expected: Emitted | None) -> dict[str, float | None]:
    return {
        "expected_g": None if expected is None else expected.g,
        "expected_low_g": None if expected is None else expected.low_g,
        "expected_high_g": None if expected is None else expected.high_g,
    }


def _spent(
    connection: Connection,
    scope: Scope,
    span: Span | None,
    *,
    asker: Asker | None = None,
    now: datetime | None = None,
) -> Spent:
    conditions = [*scope.of(_RUN), *scope.by_signal(), counted_once()]
    if scope.unit is not None:
        conditions += [_RUN.functional_unit == scope.unit, _RUN.functional_units > 0]
    emitted, runs, partly, units = Emitted(), 0, 0, 0.0
    kinds: set[str] = set()
    for row in connection.execute(_sums(conditions, span)).mappings():
        emitted += _figure(row)
        runs += row["runs"]
        partly += row["partly"]
        units += row["units"] or 0.0
        kinds.add(_kind(row))
    for row, share in _torn(connection, conditions, span):
        emitted += _figure(row) * share
        runs += 1
        partly += row["coverage"] < WELL_COVERED
        units += (row["functional_units"] or 0.0) * share
        kinds.add(_kind(row))
    known = Spent(
        emitted=emitted,
        runs=runs,
        partly_measured=partly,
        units=units if scope.unit is not None and units > 0 else None,
        kinds=tuple(sorted(kinds)),
        other_signal=_by_another_signal(connection, scope, span),
    )
    if asker is None or now is None or scope.run_id is not None:
        return known
    return with_pending(connection, known, scope, span, asker=asker, now=now)


def _sums(conditions: list[ColumnElement[bool]], span: Span | None) -> Select[Any]:
    """Return the sums over the tries that lie in a span whole, by kind of intensity."""
    poor = case((_RUN.coverage < WELL_COVERED, 1), else_=0)
    kind = (_RUN.intensity_signal, _RUN.intensity_factor_type)
    asked = select(
        *kind,
        func.count().label("runs"),
        func.sum(poor).label("partly"),
        func.sum(_RUN.functional_units).label("units"),
        *(func.sum(_RUN[name]).label(name) for name in _BOUNDS),
    ).where(*conditions)
    if span is not None:
        begin, end = span
        asked = asked.where(
            _RUN.ended_at >= begin,  # by this the index finds them
            _RUN.ended_at <= end,
            _RUN.started_at >= begin,
            _RUN.started_at < end,
        )
    return asked.group_by(*kind)


def _by_another_signal(connection: Connection, scope: Scope, span: Span | None) -> int:
    """Return how many tries of a scope are left out because of their signal."""
    if scope.signal is None:
        return 0
    others = [*scope.of(_RUN), counted_once(), _RUN.intensity_signal != scope.signal]
    if span is not None:
        others += [_RUN.ended_at >= span[0], _RUN.started_at < span[1]]
    return connection.scalar(select(func.count()).where(*others)) or 0


def _torn(
    connection: Connection, conditions: list[ColumnElement[bool]], span: Span | None
) -> list[tuple[RowMapping, float]]:
    """Return the tries that reach over an edge of the span, and their share within."""
    if span is None:
        return []
    begin, end = span
    asked = select(carbon_run).where(
        *conditions,
        _RUN.ended_at > begin,
        _RUN.started_at < end,
        or_(_RUN.started_at < begin, _RUN.ended_at > end),
    )
    rows = connection.execute(asked).mappings().all()
    return [(row, share_within(connection, row, begin, end)) for row in rows]


def _figure(row: RowMapping) -> Emitted:
    g, low, high = (row[name] or 0.0 for name in _BOUNDS)
    return Emitted(g=g, low_g=low, high_g=high)


def _kind(row: RowMapping) -> str:
    return f"{row['intensity_signal']} {row['intensity_factor_type']}"
