"""What leaving a course costs, as a DAG author writes it; read when the DAG is, so light."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration, parse_flag, parse_number, parse_share

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ROUNDING: Final = 1e-9
"""Emissions this close, relative to each other, are equal: the rounding of float64."""

MARGIN: Final = 0.01
"""A plan is given up for one that is cleaner by this share, not for less.

Of many noisy windows the lowest looks cleaner than it is: a small gain is as likely noise.
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopping:
    """What it costs to stop and go on.

    ``energy_h``: energy of a stop and resume, in hours of the job's own power, spent when it
    resumes: saving and loading the checkpoint, the machine's start. ``g_per_kw``: emissions of
    a stop and resume that do not depend on the grid [g per kW of the job's power]. ``time``:
    how long a resumed slice runs before it gets on with the work. ``shortest``: the least work
    in a slice. ``most``: the largest number of slices.

    Raises:
        InvalidOptionError: a negative cost or length, or fewer than one slice.
    """

    energy_h: float = 0.0
    g_per_kw: float = 0.0
    time: timedelta = timedelta(0)
    shortest: timedelta = timedelta(0)
    most: int | None = None

    def __post_init__(self) -> None:
        for name in ("energy_h", "g_per_kw"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise InvalidOptionError(name, getattr(self, name), "write a number, 0 or more")
        for name in ("time", "shortest"):
            if getattr(self, name) < timedelta(0):
                raise InvalidOptionError(name, getattr(self, name), "write a length of time")
        if self.most is not None and self.most < 1:
            raise InvalidOptionError("most", self.most, "write 1 or more")

    @classmethod
    def read(cls, name: str, value: object) -> Self:
        """Read a mapping of plain values, as a DAG author writes them.

        Raises:
            InputError: anything else.

        >>> Stopping.read("stopping", {"time": "10m", "most": 3}).time
        datetime.timedelta(seconds=600)
        """
        if isinstance(value, cls):
            return value
        names = [field.name for field in fields(cls)]
        remedy = f"write a mapping with some of {', '.join(names)}"
        if not hasattr(value, "items"):
            raise InvalidOptionError(name, value, remedy)
        given: Mapping[str, Any] = value  # type: ignore[assignment] # it has items
        if unknown := set(given) - set(names):
            raise InvalidOptionError(name, min(unknown, key=str), remedy)
        return cls(**{key: _READERS[key](f"{name}.{key}", one) for key, one in given.items()})

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them; :meth:`read` reads them back."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: f"{value.total_seconds():.6f}s" if isinstance(value, timedelta) else value
            for name, value in given.items()
        }

    @property
    def is_free(self) -> bool:
        """Whether nothing speaks against stopping."""
        return self == FREE


def _length(name: str, value: object) -> timedelta:
    nothing = value == timedelta(0) or str(value).strip() in {"0", "0s", "0.000000s"}
    return timedelta(0) if nothing else parse_duration(name, value)


def _count(name: str, value: object) -> int | None:
    return None if value is None else int(parse_number(name, value, "write 1 or more"))


_READERS: Final[dict[str, Callable[[str, object], Any]]] = {
    "energy_h": parse_number,
    "g_per_kw": parse_number,
    "time": _length,
    "shortest": _length,
    "most": _count,
}


FREE: Final = Stopping()


@dataclass(frozen=True, kw_only=True, slots=True)
class Costs:
    """What leaving the course costs, and what it has to save.

    ``stopping``: a pause; its energies are of the mean power of the work left. ``moving``: a
    move to another region; None is as a pause. ``min_saving``: the least saving as a share of
    going on; ``min_saving_g_per_kw``: as a mass [gCO2eq per kW of that power].

    Raises:
        InvalidOptionError: a least saving that can't be read.
    """

    stopping: Stopping = FREE
    moving: Stopping | None = None
    min_saving: float = MARGIN
    min_saving_g_per_kw: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "min_saving", parse_share("min_saving", self.min_saving))
        mass = parse_number("min_saving_g_per_kw", self.min_saving_g_per_kw)
        object.__setattr__(self, "min_saving_g_per_kw", mass)

    @property
    def move(self) -> Stopping:
        """What a move costs."""
        return self.stopping if self.moving is None else self.moving

    def are_met_by(self, expects: float, going_on: float) -> bool:
        """Tell whether emissions [g/kW] are enough below those of going on."""
        least = max(self.min_saving * going_on, self.min_saving_g_per_kw)
        return going_on - expects > least + _ROUNDING * going_on


USUAL: Final = Costs()


@dataclass(frozen=True, kw_only=True, slots=True)
class Drift:
    """How far, and for how long, reality may be over the forecast before that counts.

    ``share``: by so much of what was promised; ``lasting``: all of this time.

    Raises:
        InvalidOptionError, InvalidDurationError: a value that can't be read.

    >>> Drift(share="50 %", lasting="1h").as_dict()
    {'share': 0.5, 'lasting': '3600s'}
    """

    share: float = 0.20
    lasting: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        object.__setattr__(self, "share", _share("share", self.share))
        object.__setattr__(self, "lasting", parse_duration("lasting", self.lasting))

    @classmethod
    def read(cls, value: object) -> Self:
        """Read a drift, or a mapping of plain values; None is the default.

        Raises:
            InputError: anything else.
        """
        if isinstance(value, cls):
            return value
        if value is None:
            return cls()
        names = [field.name for field in fields(cls)]
        remedy = f"write a mapping with {' and '.join(names)}"
        if not hasattr(value, "items"):
            raise InvalidOptionError("drift", value, remedy)
        given: Mapping[str, Any] = value  # type: ignore[assignment] # it has items
        if unknown := set(given) - set(names):
            raise InvalidOptionError("drift", min(unknown, key=str), remedy)
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values, as JSON has them; :meth:`read` reads them back."""
        seconds = f"{self.lasting.total_seconds():.6f}".rstrip("0").rstrip(".")
        return {"share": self.share, "lasting": f"{seconds}s"}


def _share(name: str, value: object) -> float:
    """Read a share, 0 or more: a number, or text such as ``0.2`` or ``150%``."""
    remedy = "write a share, 0 or more, such as 0.2 or '20%'"
    text = str(value).strip()
    number = parse_number(name, text.removesuffix("%").strip(), remedy)
    return number / 100 if text.endswith("%") else number


@dataclass(frozen=True, kw_only=True, slots=True)
class Pausing:
    """When a training that checkpoints is paused, and what that costs.

    ``drift``: how far and for how long reality has to be over the forecast. ``costs``: what a
    stop costs and has to save. ``may_move``: whether it may go on in another region.
    """

    drift: Drift
    costs: Costs = USUAL
    may_move: bool = False

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """Read a mapping with some of ``drift``, ``stopping``, ``moving``, ``min_saving``.

        ``moving`` is what a move to another region costs, or true: as much as a stop. Without
        it the training stays in its region.

        Raises:
            InputError: a value that can't be read.
        """
        stopping = value.get("stopping")
        moving = value.get("moving")
        if hasattr(moving, "items") or isinstance(moving, Stopping):
            may_move, dear = True, Stopping.read("moving", moving)
        else:
            may_move, dear = moving is not None and parse_flag("moving", moving), None
        costs = Costs(
            stopping=FREE if stopping is None else Stopping.read("stopping", stopping),
            moving=dear,
            **{key: value[key] for key in ("min_saving",) if value.get(key) is not None},
        )
        return cls(drift=Drift.read(value.get("drift")), costs=costs, may_move=may_move)

    def cost(self, *, moved: bool) -> Stopping:
        """Return what a stop has cost, or a move."""
        return self.costs.move if moved else self.costs.stopping
