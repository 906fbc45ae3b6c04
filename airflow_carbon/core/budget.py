"""Carbon budgets: what may be emitted, what was, and whether the next run still fits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from statistics import median
from typing import TYPE_CHECKING, Final, Self, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import month_of, months_later
from airflow_carbon.core.quantities import mass_text, parse_mass, parse_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_carbon.core.flexibility import Span

Word = TypeVar("Word", bound=StrEnum)

PENDING: Final = timedelta(days=7)
"""How long a run that was let through counts with what is expected of it. After that no
figure will come: it failed before it was measured, or nobody accounted for it."""

WELL_COVERED: Final = 0.9
"""Share of the device-time whose energy is known, below which a run is only partly measured."""

ROUNDING: Final = 1e-9
"""Relative; a sum depends on its order."""


class Per(StrEnum):
    """What a budget is for."""

    RUN = "run"
    """One run of the DAG."""
    MODEL = "model"
    """All that a model has emitted so far."""
    MONTH = "month"
    """All that was emitted in a month."""
    UNITS = "units"
    """An amount of work."""


class Bound(StrEnum):
    """Which of a figure's values is held against the limit."""

    LOW = "low"
    CENTRAL = "central"
    HIGH = "high"


class Reason(StrEnum):
    """Why a budget answers as it does."""

    WITHIN = "within"
    """What was emitted, and what is expected to be, is within the limit."""
    OVER_BUDGET = "over_budget"
    """It is not."""
    NO_FIGURE = "no_figure"
    """Nothing is known of what it would have to be held against."""
    MIXED_SIGNALS = "mixed_signals"
    """The sum would add average and marginal emissions."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Emitted:
    """Emissions with their bounds [gCO2eq]; bounds add up, as the errors of one method do."""

    g: float = 0.0
    low_g: float = 0.0
    high_g: float = 0.0

    def __add__(self, other: Emitted) -> Emitted:
        return Emitted(
            g=self.g + other.g, low_g=self.low_g + other.low_g, high_g=self.high_g + other.high_g
        )

    def __mul__(self, factor: float) -> Emitted:
        return Emitted(g=self.g * factor, low_g=self.low_g * factor, high_g=self.high_g * factor)

    def at(self, bound: Bound) -> float:
        """Return the value at a bound [gCO2eq]."""
        return {Bound.LOW: self.low_g, Bound.CENTRAL: self.g, Bound.HIGH: self.high_g}[bound]


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """A limit [gCO2eq], what it is for, and which bound of a figure counts.

    ``units`` of ``unit`` are what a limit per functional unit is for. Months are those of
    ``time_zone``.
    """

    limit_g: float
    per: Per = Per.MONTH
    units: float = 1.0
    unit: str | None = None
    bound: Bound = Bound.CENTRAL
    time_zone: str = "UTC"

    @classmethod
    def read(
        cls,
        *,
        limit: object,
        per: object = Per.MONTH,
        bound: object = Bound.CENTRAL,
        time_zone: object = "UTC",
    ) -> Self:
        """Read a budget from what a DAG author wrote.

        Raises:
            InvalidOptionError: a value that can't be.

        >>> Budget.read(limit="5 g", per="thousand inferences").unit
        'inference'
        """
        which, units, unit = _per(per)
        _zone(str(time_zone))
        return cls(
            limit_g=parse_mass("limit", limit),
            per=which,
            units=units,
            unit=unit,
            bound=read_word("bound", bound, Bound),
            time_zone=str(time_zone),
        )

    def span(self, now: datetime) -> Span | None:
        """Return the month that ``now`` lies in, UTC; None where no time limits what counts."""
        if self.per is not Per.MONTH:
            return None
        zone = _zone(self.time_zone)
        month = month_of(now.astimezone(zone))
        begin, end = (
            datetime(m.year, m.month, 1, tzinfo=zone) for m in (month, months_later(month))
        )
        return begin.astimezone(UTC), end.astimezone(UTC)

    def text(self) -> str:
        """Write the limit and what it is for."""
        if self.per is Per.UNITS:
            return f"{mass_text(self.limit_g)} per {self.units:g} {self.unit}"
        return f"{mass_text(self.limit_g)} per {self.per}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spent:
    """What the ledger knows of a budget.

    ``emitted`` by ``runs`` tries, of which ``partly_measured`` have a part of their energy.
    ``pending`` is expected of ``pending_runs`` that were let through and have no figure yet;
    of ``pending_unknown`` of them nothing is known. ``without_figure`` were let through so long
    ago that none will come: the true sum is higher. ``units`` is the work done. ``kinds`` are
    the signals and factor types in the sum; ``other_signal`` tries are left out for theirs.
    """

    emitted: Emitted = Emitted()
    runs: int = 0
    partly_measured: int = 0
    pending: Emitted = Emitted()
    pending_runs: int = 0
    pending_unknown: int = 0
    without_figure: int = 0
    units: float | None = None
    kinds: tuple[str, ...] = ()
    other_signal: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class PastRun:
    """What an earlier DAG run used [kWh], overhead excluded, and emitted."""

    energy_kwh: float
    emitted: Emitted


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """Whether a budget holds: ``used`` and ``expected`` against its limit [gCO2eq]."""

    budget: Budget
    reason: Reason
    used: Emitted
    expected: Emitted | None
    spent: Spent

    @property
    def counted_g(self) -> float:
        """What is held against the limit [gCO2eq]."""
        return _counted(self.used, self.expected).at(self.budget.bound)

    @property
    def left_g(self) -> float:
        """What the limit leaves [gCO2eq]; negative where it is exceeded."""
        return self.budget.limit_g - self.counted_g

    def sentence(self) -> str:
        """Say what is used, what is expected, and what is not known."""
        bound = self.budget.bound
        parts = [f"{mass_text(self.used.at(bound))} used of {self.budget.text()}"]
        if self.expected is not None:
            parts.append(f"{mass_text(self.expected.at(bound))} expected of the next run")
        if bound is not Bound.CENTRAL:
            parts.append(f"{bound} bounds")
        return ", ".join(parts) + "".join(f"; {note}" for note in self.notes())

    def notes(self) -> list[str]:
        """Say what the sum does not hold."""
        spent = self.spent
        said = [
            (spent.pending_runs, "{} still running, counted with what is expected of them"),
            (spent.pending_unknown, "{} still running, of which nothing is known: not counted"),
            (spent.without_figure, "{} without a figure: the true sum is higher"),
            (spent.partly_measured, "{} only partly measured: the true sum is higher"),
            (spent.other_signal, "{} priced by another signal: not counted"),
        ]
        notes = [text.format(_runs(count)) for count, text in said if count]
        if len(spent.kinds) > 1:
            notes.append(f"{' and '.join(spent.kinds)} intensities are added up")
        return notes


def judge(budget: Budget, spent: Spent, expected: Emitted | None = None) -> Verdict:
    """Return whether what was emitted, is pending and is expected stays within a budget.

    A limit that is just reached is kept. Of a limit per functional unit, and of a run that has
    ended, there is no verdict without a figure; nor of average and marginal in one sum.
    """
    used = spent.emitted + spent.pending
    known = expected is not None or budget.per not in {Per.RUN, Per.UNITS} or spent.runs > 0
    if budget.per is Per.UNITS:
        known = bool(spent.units)
        used = spent.emitted * (budget.units / spent.units) if spent.units else Emitted()
    counted = _counted(used, expected).at(budget.bound)
    if len({kind.split()[0] for kind in spent.kinds}) > 1:
        reason = Reason.MIXED_SIGNALS
    elif not known:
        reason = Reason.NO_FIGURE
    elif counted <= budget.limit_g * (1 + ROUNDING):
        reason = Reason.WITHIN
    else:
        reason = Reason.OVER_BUDGET
    return Verdict(budget=budget, reason=reason, used=used, expected=expected, spent=spent)


def expectation(past: Sequence[PastRun], g_per_it_kwh: float | None = None) -> Emitted | None:
    """Return what the next run is expected to emit; None where no run is known.

    The median of the past runs; with the plan's intensity, overhead included [gCO2eq/kWh], the
    median of their energy at that intensity, with bounds as far off as theirs.
    """
    if not past:
        return None
    usual = Emitted(
        g=median(run.emitted.g for run in past),
        low_g=median(run.emitted.low_g for run in past),
        high_g=median(run.emitted.high_g for run in past),
    )
    if g_per_it_kwh is None:
        return usual
    planned = median(run.energy_kwh for run in past) * g_per_it_kwh
    if usual.g > 0:
        return usual * (planned / usual.g)
    return Emitted(g=planned, low_g=planned, high_g=planned)


def read_word(name: str, value: object, words: type[Word]) -> Word:
    """Read one of a few words.

    Raises:
        InvalidOptionError: another one.
    """
    try:
        return words(str(value))
    except ValueError as exc:
        raise InvalidOptionError(name, value, f"write {' or '.join(words)}") from exc


def _counted(used: Emitted, expected: Emitted | None) -> Emitted:
    return used if expected is None else used + expected


def _per(value: object) -> tuple[Per, float, str | None]:
    text = str(value).strip()
    if text in {Per.RUN, Per.MODEL, Per.MONTH}:
        return Per(text), 1.0, None
    if len(text.split()) > 1:
        units, unit = parse_unit("per", text)
        return Per.UNITS, units, unit
    remedy = "write run, model, month, or an amount of work such as 'thousand inferences'"
    raise InvalidOptionError("per", value, remedy)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as exc:
        remedy = "write a name of the IANA time zone database, such as Europe/Berlin"
        raise InvalidOptionError("time_zone", name, remedy) from exc


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
