"""``auto`` in the place of a number: what the ledger's past runs of a task shall tell."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.estimate import (
    FEWEST,
    QUANTILE,
    Estimate,
    History,
    fallback,
    fewest,
)
from airflow_carbon.core.flexibility import parse_duration, parse_number

if TYPE_CHECKING:
    from datetime import timedelta

NEWEST: Final = 30
"""A month of nightly runs: older ones tell of another model and of other data."""

_AUTO: Final = re.compile(r"auto(?:(?:\s*,\s*|\s+)else\s+(\S.*))?", re.IGNORECASE | re.DOTALL)

_REMEDY: Final = (
    "write a task's id, 'dag/task', or a mapping with dag, task, size, quantile, newest"
)


def parse_energy(name: str, value: object) -> float:
    """Read an energy above 0 [kWh]: a number, or text such as ``3.5`` and ``3.5 kWh``.

    Raises:
        InvalidOptionError: anything else.

    >>> parse_energy("energy_kwh", "3.5 kWh")
    3.5
    """
    remedy = "write an energy above 0 in kWh, such as 3.5"
    text = re.sub(r"\s*kwh$", "", str(value).strip(), flags=re.IGNORECASE)
    number = parse_number(name, text, remedy)
    if number == 0:
        raise InvalidOptionError(name, value, remedy)
    return number


@dataclass(frozen=True, kw_only=True, slots=True)
class Auto:
    """A value that past runs shall tell, and the text of what to take where they can't."""

    name: str
    otherwise: str | None

    @classmethod
    def read(cls, name: str, value: object) -> Self | None:
        """Read ``auto``, or ``auto, else 2h``; None for all else.

        >>> Auto.read("duration", "auto, else 2h").otherwise
        '2h'
        """
        found = _AUTO.fullmatch(value.strip()) if isinstance(value, str) else None
        return cls(name=name, otherwise=found[1]) if found else None

    def duration(self, history: History, level: float) -> Estimate[timedelta]:
        """Return the length that past runs tell, or the fallback.

        Raises:
            InputError: no fallback where one is needed, or none that can be read.
        """
        told = history.duration(level)
        if isinstance(told, Estimate):
            return told
        return fallback(parse_duration(self.name, self._otherwise(told)), told)

    def energy_kwh(self, history: History) -> Estimate[float]:
        """Return the energy that past runs tell [kWh], or the fallback; raises the same."""
        told = history.energy_kwh()
        if isinstance(told, Estimate):
            return told
        return fallback(parse_energy(self.name, self._otherwise(told)), told)

    def check(self) -> None:
        """Check that there is a fallback: a task has no past runs at first.

        Raises:
            InputError: there is none, or none that can be read.
        """
        read = parse_duration if self.name == "duration" else parse_energy
        read(self.name, self._otherwise("a new task has no past runs, and a ledger may be away"))

    def _otherwise(self, why: str) -> str:
        if self.otherwise is None:
            example = "2h" if self.name == "duration" else "3.5"
            remedy = f"{why}; say what to take then: 'auto, else {example}'"
            raise InvalidOptionError(self.name, "auto", remedy)
        return self.otherwise


@dataclass(frozen=True, kw_only=True, slots=True)
class LearnFrom:
    """Whose past runs tell: those of a task, the ``newest`` so many, on a ``size`` of machine.

    ``tasks`` may be several ids, of which the ledger shall know one; none: any of the DAG's.
    ``quantile`` is that of durations.

    Raises:
        InvalidOptionError: a number that can't be; too few runs for the quantile.
    """

    dag: str
    tasks: tuple[str, ...] = ()
    size: str | None = None
    quantile: float = QUANTILE
    newest: int = NEWEST

    def __post_init__(self) -> None:
        between = "write a number between 0 and 1, such as 0.9"
        quantile = parse_number("quantile", self.quantile, between)
        if not 0 < quantile < 1:
            raise InvalidOptionError("quantile", self.quantile, between)
        newest = int(parse_number("newest", self.newest, f"write {FEWEST} or more"))
        if newest < fewest(quantile):
            remedy = f"the {quantile:g} quantile takes {fewest(quantile)} runs or more"
            raise InvalidOptionError("newest", self.newest, remedy)
        object.__setattr__(self, "quantile", quantile)
        object.__setattr__(self, "newest", newest)

    @classmethod
    def read(cls, value: object) -> Self:
        """Read what :func:`plain_source` made, rendered.

        Raises:
            InvalidOptionError: anything else; no DAG.
        """
        given = plain_source(value)
        if not given.get("dag"):
            raise InvalidOptionError("learn_from", value, "name the DAG, too: 'dag/task'")
        tasks = given.pop("task", None) or ""
        names = tasks.split(",") if isinstance(tasks, str) else tasks
        size = given.pop("size", None)
        return cls(
            tasks=tuple(str(name).strip() for name in names if str(name).strip()),
            size=None if size in {None, "", "None"} else str(size),
            **given,
        )

    def any_size(self) -> Self:
        """Return the same, of machines of all sizes."""
        return replace(self, size=None)

    def __str__(self) -> str:
        """Say whose runs, for logs."""
        whose = f"{self.dag}/{','.join(self.tasks) or '*'}"
        return f"{whose} on {self.size}" if self.size else whose


def plain_source(value: object, **usual: str) -> dict[str, Any]:
    """Return whose past runs tell as a mapping, with what is usual where it says nothing.

    Raises:
        InvalidOptionError: neither text nor a mapping of the names it may have.

    >>> plain_source("train", dag="nightly")
    {'dag': 'nightly', 'task': 'train'}
    >>> plain_source("nightly/train")
    {'dag': 'nightly', 'task': 'train'}
    """
    given: dict[str, Any]
    if value is None:
        given = {}
    elif isinstance(value, str) and value.strip():
        dag, _, task = value.strip().rpartition("/")
        given = {"dag": dag, "task": task} if dag else {"task": task}
    elif isinstance(value, Mapping):
        given = dict(value)
    else:
        raise InvalidOptionError("learn_from", value, _REMEDY)
    names = {one.name for one in fields(LearnFrom)} - {"tasks"} | {"task"}
    if unknown := set(given) - names:
        raise InvalidOptionError("learn_from", min(unknown), _REMEDY)
    return {**usual, **given}


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What is asked of past runs: a duration, an energy, or both."""

    duration: Auto | None
    energy: Auto | None
    learn_from: LearnFrom

    @classmethod
    def read(cls, *, duration: object, energy_kwh: object, learn_from: object) -> Self | None:
        """Read the rendered fields; None where nothing is asked, and no ledger is needed.

        Raises:
            InvalidOptionError: ``learn_from`` can't be read.
        """
        length = Auto.read("duration", duration)
        energy = Auto.read("energy_kwh", energy_kwh)
        if length is None and energy is None:
            return None
        return cls(duration=length, energy=energy, learn_from=LearnFrom.read(learn_from))

    def answer(self, history: History) -> Answer:
        """Return what past runs tell, and the fallbacks where they don't.

        Raises:
            InputError: no fallback where one is needed, or none that can be read.
        """
        level = self.learn_from.quantile
        return Answer(
            duration=self.duration.duration(history, level) if self.duration else None,
            energy=self.energy.energy_kwh(history) if self.energy else None,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What was learned, None where nothing was asked."""

    duration: Estimate[timedelta] | None = None
    energy: Estimate[float] | None = None

    def sentence(self) -> str:
        """Say both, and where they are from."""
        said = [f"takes {self.duration.value} ({self.duration.origin})"] if self.duration else []
        said += [f"draws {self.energy.value:.3g} kWh ({self.energy.origin})"] if self.energy else []
        return "the job " + ", ".join(said)


NOT_ASKED: Final = Answer()
