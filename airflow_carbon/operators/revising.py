"""Accounts for a run of the ledger once more, from its intervals."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

from airflow_carbon import __version__, clock
from airflow_carbon.core.errors import CarbonError, InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration
from airflow_carbon.operators.booking import account_values, interval_rows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime, timedelta

    from airflow_carbon.core.accounting import Account
    from airflow_carbon.core.energy import EnergyProfile
    from airflow_carbon.core.intensity import Survey
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.hooks.carbon import CarbonHook
    from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
    from airflow_carbon.ledger.store import Ledger
    from airflow_carbon.ledger.versions import Version

    Ask = Callable[[ZoneKey, datetime, datetime], Survey | None]
    Place = tuple[str, float]

SHOWN: Final = 10
"""How many runs a report names."""

NO_ZONES: Final = "it was booked before the ledger kept where each interval was drawn"
OVERTAKEN: Final = "it was booked anew meanwhile"


class Outcome(StrEnum):
    """What came of a run's revision."""

    REVISED = "revised"
    """Its figures changed: a new version was written."""
    CONFIRMED = "confirmed"
    """Its figures are the same: nothing was written but, where they are final, that they are."""
    KEPT = "kept"
    """Nothing better is known, or not of the same method: it is as it was, until next time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Revision:
    """What came of a run: by how much its emissions changed [gCO2eq], and whether it is final."""

    key: RunKey
    outcome: Outcome
    why: str | None = None
    version: int
    settled: bool = False
    change_g: float = 0.0

    def sentence(self) -> str:
        """Say it."""
        key = self.key
        text = f"{key.dag_id}/{key.task_id} {key.run_id}, try {key.try_number}: {self.outcome}"
        if self.outcome is Outcome.REVISED:
            text += f" by {self.change_g:+.4g} g (version {self.version})"
        if self.why:
            text += f": {self.why}"
        return f"{text}; final" if self.settled else text


@dataclass
class Report:
    """What came of all."""

    counts: Counter[str] = field(default_factory=Counter)
    settled: int = 0
    change_g: float = 0.0
    kept_because: Counter[str] = field(default_factory=Counter)
    revised: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    first_error: CarbonError | None = None

    NAMES: ClassVar = (*Outcome, "failed")

    def add(self, one: Revision) -> None:
        """Count a run."""
        self.counts[one.outcome] += 1
        self.settled += one.settled
        self.change_g += one.change_g
        if one.why:
            self.kept_because[one.why] += 1
        if one.outcome is Outcome.REVISED:
            self.revised.append(one.sentence())

    def fail(self, key: RunKey, error: CarbonError) -> None:
        """Count a run that could not be revised."""
        self.counts["failed"] += 1
        self.first_error = self.first_error or error
        self.failed.append(f"{key.dag_id}/{key.task_id} {key.run_id}: {error}")

    def as_dict(self) -> dict[str, Any]:
        """Return it as XCom carries it: counts of all, and the first few by name."""
        return {
            **{name: self.counts[name] for name in self.NAMES},
            "settled": self.settled,
            "change_g": self.change_g,
            "kept_because": dict(self.kept_because.most_common(SHOWN)),
            "revisions": self.revised[:SHOWN],
            "failures": self.failed[:SHOWN],
        }


def reconcile(
    ledger: Ledger,
    hook: CarbonHook,
    span: tuple[timedelta, timedelta],
    *,
    say: Callable[[str], object],
) -> Report:
    """Account once more for the runs that ended so long ago, at least and at most.

    Raises:
        CarbonError: the ledger can't be read, or every run failed.
    """
    from airflow_carbon.ledger.versions import Versions

    now, (after, within) = clock.now(), span
    runs = Versions(ledger).unsettled(now - within, now - after)
    return revise_all(ledger, runs, partial(hook.survey, anew=True), now=now, say=say)


def read_span(after: object, within: object) -> tuple[timedelta, timedelta]:
    """Read how long ago a run must have ended, and may have at most.

    Raises:
        InputError: no lengths of time, or none between them.
    """
    least, most = parse_duration("after", after), parse_duration("within", within)
    if most <= least:
        raise InvalidOptionError("within", within, f"write a length of time over after={after}")
    return least, most


def revise_all(
    ledger: Ledger,
    runs: Iterable[Version],
    ask: Ask,
    *,
    now: datetime,
    say: Callable[[str], object],
) -> Report:
    """Account for runs once more; each is written as it comes, and one that fails stops none.

    Raises:
        CarbonError: that of the first, where every run failed.
    """
    report = Report()
    for run in runs:
        try:
            one = revise(ledger, run, ask, now=now)
        except CarbonError as exc:
            report.fail(run.entry.key, exc)
            say(report.failed[-1])
        else:
            report.add(one)
            say(one.sentence())
    if report.first_error is not None and report.counts["failed"] == report.counts.total():
        raise report.first_error
    return report


def revise(ledger: Ledger, run: Version, ask: Ask, *, now: datetime) -> Revision:
    """Account for a run once more, at the PUE that it was booked with; write what changed.

    Raises:
        CarbonError: the ledger or a source does not do as asked.
    """
    from airflow_carbon.core.revision import Booked, settled, unchanged, why_kept
    from airflow_carbon.core.sci import sci
    from airflow_carbon.ledger.versions import Versions

    entry = run.entry
    intervals = ledger.intervals(entry.key)
    kept = Revision(key=entry.key, outcome=Outcome.KEPT, version=run.number)
    if not intervals or any(one.zone is None or one.pue is None for one in intervals):
        return replace(kept, why=NO_ZONES)
    parts = _by_place(intervals)
    priced = _priced(entry, _profile(intervals), parts, ask)
    if isinstance(priced, str):
        return replace(kept, why=priced)
    whole, each, baseline = priced
    booked = Booked(
        emissions_g=entry.emissions_g,
        baseline_g=entry.baseline_g,
        source=entry.intensity_source,
        quality=entry.intensity_quality,
        signal=entry.intensity_signal,
        factor_type=entry.intensity_factor_type,
    )
    why = why_kept(booked, whole)
    if why is not None:
        return replace(kept, why=why)
    final = settled(whole, baseline)
    if unchanged(booked, whole):
        noted = final and Versions(ledger).settle(entry.key, run.number, now)
        return replace(kept, outcome=Outcome.CONFIRMED, settled=noted)
    later = replace(
        entry,
        **account_values(whole),
        sci_g=sci(whole.footprint.emissions_g, entry.embodied_g, entry.functional_units),
        computed_at=now,
        package_version=__version__,
        settled_at=now if final else None,
    )
    rows = [
        row
        for ((zone, _), profile), one in zip(parts.items(), each, strict=True)
        for row in interval_rows(profile, one, zone)
    ]
    number = ledger.write(later, rows, expected=run.number)
    if number is None:
        return replace(kept, why=OVERTAKEN)
    return Revision(
        key=entry.key,
        outcome=Outcome.REVISED,
        version=number,
        settled=final,
        change_g=later.emissions_g - entry.emissions_g,
    )


def _priced(
    entry: Entry, profile: EnergyProfile, parts: Mapping[Place, EnergyProfile], ask: Ask
) -> tuple[Account, list[Account], Survey | None] | str:
    """Return the account of the whole, those of its parts, and the baseline's intensity.

    A sentence where there is no intensity to be had.
    """
    from airflow_carbon.core.parts import Part, account_parts
    from airflow_carbon.core.units import ZoneKey

    priced = []
    for (zone, pue), of in parts.items():
        actual = ask(ZoneKey(zone), *of.span)
        if actual is None:
            return f"no source knows {zone} at present"
        priced.append(Part(profile=of, actual=actual, pue=pue))
    begin, end = profile.without_gaps().span
    submitted = entry.submitted_at
    baseline = None
    if entry.baseline_zone is not None:
        baseline = ask(ZoneKey(entry.baseline_zone), submitted, submitted + (end - begin))
    whole, each = account_parts(
        profile,
        priced,
        baseline=baseline,
        baseline_pue=entry.baseline_pue or entry.pue,
        submitted=submitted,
    )
    return whole, each, baseline


def _by_place(intervals: Iterable[IntervalRow]) -> dict[Place, EnergyProfile]:
    places: dict[Place, list[IntervalRow]] = {}
    for one in intervals:
        places.setdefault((str(one.zone), float(one.pue or 0.0)), []).append(one)
    return {place: _profile(rows) for place, rows in places.items()}


def _profile(intervals: Iterable[IntervalRow]) -> EnergyProfile:
    from airflow_carbon.core.energy import EnergyProfile, EnergyQuality

    return EnergyProfile.from_rows(
        (
            one.begins_at.timestamp(),
            one.ends_at.timestamp(),
            float("nan") if one.joules is None else one.joules,
            one.device,
            EnergyQuality(one.quality),
        )
        for one in intervals
    )
