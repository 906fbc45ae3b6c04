"""How a job may wait, as data: written once, checked when the DAG is read, kept as plain values."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.auto import Auto, parse_energy
from airflow_carbon.core.calendar import Blackout, ClockTime, DoneBy
from airflow_carbon.core.capacity import Capacity
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import (
    Flexibility,
    parse_duration,
    parse_flag,
    parse_instant,
    parse_number,
    parse_phases,
    parse_share,
)
from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class WorkloadClass(StrEnum):
    """How much a job minds waiting, the least patient first."""

    REAL_TIME = "real_time"
    """Somebody waits for it: it never waits itself."""
    WINDOW_FLEXIBLE = "window_flexible"
    """It may move within its window."""
    DELAY_TOLERANT = "delay_tolerant"
    """It may be late by hours."""


USUAL_DELAY: Final = {
    WorkloadClass.REAL_TIME: timedelta(0),
    WorkloadClass.WINDOW_FLEXIBLE: timedelta(hours=8),
    WorkloadClass.DELAY_TOLERANT: timedelta(hours=24),
}
"""How long a job of each class waits at most where nothing else bounds it: not at all; a night,
as in Wiesner et al., "Let's Wait Awhile" (Middleware 2021), section 5.1; a day."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """How a job may wait; what is left out asks nothing.

    ``workload``: its class. ``max_delay``: it starts at most so long after it could.
    ``not_before``: it starts at such a clock time or later. ``done_by``: the work has ended by
    such a clock time. ``blackouts``: hours in which it does not run. ``below_g_per_kwh``: it
    runs only in a window at or below this intensity [gCO2eq/kWh], else at its latest start;
    ``below_percentile``: the same for a percentile of the zone's last seven days. ``soonest``:
    in the first such window, not in the cleanest. ``min_saving``: what a wait has to save, as a
    share of running at once; ``min_saving_g``: as a mass [gCO2eq], for which ``energy_kwh``, what
    the job draws (or ``auto, else 3.5``: what it drew before), or ``power_kw``, its mean power,
    has to be known. ``caution``: by how many of the forecast's standard errors, at its lead
    time, a promised window is taken to be worse than it says. ``capacity``: how many jobs of
    those that name it may run at once; they reserve their windows in the ledger. It yields to
    the deadline.

    ``a & b`` keeps to both: the shorter delay, every deadline, every blackout, the lower limit.

    Raises:
        InputError: a value that can't be read; a mass without energy or power.
    """

    workload: WorkloadClass | None = None
    max_delay: timedelta | None = None
    not_before: tuple[ClockTime, ...] = ()
    done_by: tuple[DoneBy, ...] = ()
    blackouts: tuple[Blackout, ...] = ()
    below_g_per_kwh: float | None = None
    below_percentile: float | None = None
    soonest: bool = False
    min_saving: float = 0.0
    min_saving_g: float = 0.0
    energy_kwh: float | str | None = None
    power_kw: float | None = None
    caution: float = 0.0
    capacity: Capacity | None = None

    def __post_init__(self) -> None:
        for name, read in _READERS.items():
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, read(name, value))
        if self.min_saving_g and not (self.power_kw or self.energy_kwh):
            remedy = "a mass can be compared only if the job's energy_kwh or power_kw is given"
            raise InvalidOptionError("min_saving_g", self.min_saving_g, remedy)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a policy, a mapping of plain values, or the name of a workload class.

        Raises:
            InputError: anything else.

        >>> Policy.read({"workload": "delay_tolerant", "max_delay": "6h"}).max_delay
        datetime.timedelta(seconds=21600)
        """
        if isinstance(value, cls):
            return value
        if value is None:
            return cls()
        if isinstance(value, str):
            return cls(workload=_workload("policy", value))
        names = [field.name for field in fields(cls)]
        remedy = f"write {', '.join(WorkloadClass)}, or a mapping with {', '.join(names)}"
        if not hasattr(value, "items"):
            raise InvalidOptionError("policy", value, remedy)
        given: Mapping[str, Any] = value  # type: ignore[assignment] # it has items
        if unknown := set(given) - set(names):
            raise InvalidOptionError("policy", min(unknown), remedy)
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them; :meth:`read` reads them back."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        usual = {field.name: field.default for field in fields(self)}
        return {name: _plain(value) for name, value in given.items() if value != usual[name]}

    def __and__(self, other: Policy) -> Policy:
        order = list(WorkloadClass)
        return Policy(
            workload=_least(self.workload, other.workload, order.index),
            max_delay=_least(self.max_delay, other.max_delay),
            not_before=(*self.not_before, *other.not_before),
            done_by=(*self.done_by, *other.done_by),
            blackouts=(*self.blackouts, *other.blackouts),
            below_g_per_kwh=_least(self.below_g_per_kwh, other.below_g_per_kwh),
            below_percentile=_least(self.below_percentile, other.below_percentile),
            soonest=self.soonest or other.soonest,
            min_saving=max(self.min_saving, other.min_saving),
            min_saving_g=max(self.min_saving_g, other.min_saving_g),
            energy_kwh=other.energy_kwh if self.energy_kwh is None else self.energy_kwh,
            power_kw=_least(self.power_kw, other.power_kw),
            caution=max(self.caution, other.caution),
            capacity=_least(self.capacity, other.capacity, lambda capacity: capacity.slots),
        )

    @property
    def is_bounded(self) -> bool:
        """Whether it says by itself how long a job may wait."""
        return bool(self.workload or self.done_by) or self.max_delay is not None

    def flexibility(
        self,
        *,
        submitted: object,
        duration: object,
        earliest: object = None,
        deadline: object = None,
    ) -> Flexibility:
        """Return the flexibility of a job that was submitted at an instant.

        Nothing here depends on the present, so a retry, a cleared task and a restarted
        triggerer come to the same instants. A job that would miss a clock time of ``done_by``
        even if it ran at once has the next one as its deadline.

        Raises:
            InputError: a length or an instant that can't be read; a job that does not fit
                before its ``deadline``; nothing that bounds the wait.
        """
        length, phases = parse_phases("duration", duration)
        begin = parse_instant("submitted", submitted)
        if earliest is not None:
            begin = max(begin, parse_instant("earliest", earliest))
        for clock in self.not_before:
            begin = max(begin, clock.next(begin))
        ends = [clock.deadline(begin + length) for clock in self.done_by]
        if deadline is not None:
            ends.append(parse_instant("deadline", deadline))
        if (delay := self._delay(bounded=bool(ends))) is not None:
            ends.append(begin + delay + length)
        if not ends:
            remedy = "give deadline= (when the work must have ended), max_delay= or policy="
            raise InvalidOptionError("deadline", deadline, remedy)
        end = min(ends)
        return Flexibility(
            duration=length,
            phases=phases,
            earliest=begin,
            deadline=end,
            blackouts=tuple(span for one in self.blackouts for span in one.between(begin, end)),
        )

    def min_saving_g_per_kwh(self, duration: timedelta) -> float:
        """Return the mass that a wait has to save, per kWh of the job [g/kWh]."""
        energy = self._energy_kwh(duration)
        return self.min_saving_g / energy if energy else 0.0

    def _energy_kwh(self, duration: timedelta) -> float:
        """Return what the job draws [kWh]; 0 is not known. What nobody learned is the fallback."""
        if isinstance(self.energy_kwh, str):
            unknown = Auto.read("energy_kwh", self.energy_kwh)
            return parse_energy("energy_kwh", unknown and unknown.otherwise)
        if self.energy_kwh is not None:
            return self.energy_kwh
        return (self.power_kw or 0.0) * (duration / HOUR)

    def _delay(self, *, bounded: bool) -> timedelta | None:
        if self.workload is WorkloadClass.REAL_TIME:
            return timedelta(0)
        if self.max_delay is None and self.workload and not bounded:
            return USUAL_DELAY[self.workload]
        return self.max_delay


def flexibility(
    *,
    submitted: object,
    duration: object,
    earliest: object = None,
    deadline: object = None,
    max_delay: object = None,
) -> Flexibility:
    """Return the flexibility of a job that must end by a deadline, or start within a delay.

    Raises:
        InputError: as :meth:`Policy.flexibility`.
    """
    delay = None if max_delay is None else parse_duration("max_delay", max_delay)
    return Policy(max_delay=delay).flexibility(
        submitted=submitted, duration=duration, earliest=earliest, deadline=deadline
    )


def _least(one: Any, other: Any, key: Callable[[Any], Any] = lambda value: value) -> Any:
    given = [value for value in (one, other) if value is not None]
    return min(given, key=key) if given else None


def _plain(value: object) -> object:
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
    if isinstance(value, tuple):
        return [one.as_dict() for one in value]
    if isinstance(value, Capacity):
        return value.as_dict()
    return value.value if isinstance(value, StrEnum) else value


def _workload(name: str, value: object) -> WorkloadClass:
    try:
        return WorkloadClass(str(value).strip().lower().replace("-", "_").replace(" ", "_"))
    except ValueError as exc:
        raise InvalidOptionError(name, value, f"write {', '.join(WorkloadClass)}") from exc


def _delay(name: str, value: object) -> timedelta:
    nothing = value == timedelta(0) or str(value).strip() in {"0", "0s"}
    return timedelta(0) if nothing else parse_duration(name, value)


def _percentile(name: str, value: object) -> float:
    percentile = parse_number(name, value, "write a percentile from 0 to 100")
    if percentile > 100:  # noqa: PLR2004 - per cent
        raise InvalidOptionError(name, value, "write a percentile from 0 to 100")
    return percentile


def _energy(name: str, value: object) -> float | str:
    unknown = Auto.read(name, value)
    if unknown is None:
        return parse_energy(name, value)
    unknown.check()
    return str(value)


def _many(kind: type[ClockTime | Blackout]) -> Callable[[str, object], tuple[Any, ...]]:
    def read(name: str, value: object) -> tuple[Any, ...]:
        values = value if isinstance(value, (list, tuple)) else (value,)
        return tuple(kind.read(name, one) for one in values)

    return read


_READERS: Final[dict[str, Callable[[str, object], object]]] = {
    "workload": _workload,
    "max_delay": _delay,
    "not_before": _many(ClockTime),
    "done_by": _many(DoneBy),
    "blackouts": _many(Blackout),
    "below_g_per_kwh": parse_number,
    "below_percentile": _percentile,
    "soonest": parse_flag,
    "min_saving": parse_share,
    "min_saving_g": parse_number,
    "energy_kwh": _energy,
    "power_kw": parse_number,
    "caution": parse_number,
    "capacity": Capacity.read,
}
