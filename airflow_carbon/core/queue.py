"""A queue of DAG runs to be planned together, as people write it."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.auto import Auto, LearnFrom, Question, parse_energy, plain_source
from airflow_carbon.core.errors import InvalidOptionError, NoFeasibleWindowError
from airflow_carbon.core.flexibility import (
    Flexibility,
    parse_number,
    parse_phases,
)
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.units import HOUR

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_carbon.core.auto import Answer

_NAME: Final = re.compile(r"[A-Za-z0-9_.~:+-]+")
"""What Airflow allows in a run's id."""

REMEDY: Final = "write mappings such as {'dag_id': 'train', 'duration': '4h', 'max_delay': '24h'}"


@dataclass(frozen=True, kw_only=True, slots=True)
class QueuedRun:
    """A DAG run that shall start when it emits least.

    ``name`` tells runs of one DAG apart. ``regions`` are those it may run in, all of the queue's
    without them. ``pool`` groups runs that share slots. ``power_kw`` is its mean power, or
    ``energy_kwh`` what it draws; ``conf`` goes with the run. ``duration`` and ``energy_kwh`` may be
    ``auto, else 2h``: what past runs of the DAG's measured task tell, of several that which
    ``learn_from`` names.

    Raises:
        InputError: a field that can't be read.
    """

    dag_id: str
    duration: Any
    name: str = ""
    max_delay: Any = None
    deadline: Any = None
    earliest: Any = None
    policy: Policy = field(default_factory=Policy)
    power_kw: float = 1.0
    energy_kwh: Any = None
    learn_from: Any = None
    regions: Any = None
    pool: str | None = None
    conf: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.dag_id)
        if not _NAME.fullmatch(str(self.name)):
            remedy = "it becomes a part of the run's id: write letters, digits and any of _.~:+-"
            raise InvalidOptionError("name", self.name, remedy)
        object.__setattr__(self, "policy", Policy.read(self.policy))
        object.__setattr__(self, "power_kw", parse_number("power_kw", self.power_kw))
        for name in ("duration", "energy_kwh"):
            if unknown := Auto.read(name, getattr(self, name)):
                unknown.check()
        if not (self.energy_kwh is None or Auto.read("", self.energy_kwh)):
            energy = parse_energy("energy_kwh", self.energy_kwh)
            object.__setattr__(self, "energy_kwh", energy)
        source = plain_source(self.learn_from, dag=self.dag_id)
        object.__setattr__(self, "learn_from", source)
        LearnFrom.read(source)
        if self.regions is not None:
            names = self.regions.split(",") if isinstance(self.regions, str) else self.regions
            object.__setattr__(self, "regions", tuple(str(name).strip() for name in names))

    @classmethod
    def read(cls, value: Any, default: Policy) -> Self:
        """Read a mapping by the fields' names; a run with no policy takes the queue's.

        Raises:
            InputError: anything else.
        """
        if not hasattr(value, "items"):
            raise InvalidOptionError("runs", value, REMEDY)
        names = {one.name for one in fields(cls)}
        if unknown := set(value) - names:
            known = ", ".join(sorted(names))
            raise InvalidOptionError("runs", min(unknown), f"a run has {known}")
        if lacking := {"dag_id", "duration"} - set(value):
            raise InvalidOptionError("runs", value, f"a run needs {min(lacking)}")
        given: dict[str, Any] = {"policy": default} | dict(value)
        return cls(**given)

    @property
    def question(self) -> Question | None:
        """What is for past runs to tell."""
        return Question.read(
            duration=self.duration, energy_kwh=self.energy_kwh, learn_from=self.learn_from
        )

    def taught(self, answer: Answer) -> QueuedRun:
        """Return the run with what past runs told; its energy becomes its mean power."""
        length = answer.duration.value if answer.duration else self.duration
        energy = answer.energy.value if answer.energy else self.energy_kwh
        power = self.power_kw
        if energy is not None:
            power = energy / (parse_phases("duration", length)[0] / HOUR)
        return replace(self, duration=length, energy_kwh=energy, power_kw=power)

    def flexibility(self, submitted: object) -> Flexibility:
        """Return when it may run.

        Raises:
            InputError: a field that can't be read, a run that does not fit, no bound.
        """
        return (self.policy & Policy(max_delay=self.max_delay)).flexibility(
            submitted=submitted,
            duration=self.duration,
            earliest=self.earliest,
            deadline=self.deadline,
        )

    def at_once(self, now: datetime) -> Flexibility:
        """Return the flexibility of a run that starts now, whatever it was asked."""
        length, phases = parse_phases("duration", self.duration)
        return Flexibility(duration=length, phases=phases, earliest=now, deadline=now + length)


def span_of(queue: Sequence[QueuedRun], submitted: datetime, now: datetime) -> Flexibility:
    """Return what a forecast for a queue is asked for: a job as long as its longest run.

    It may run until the last deadline of all. So a forecast that covers the longest run at once is
    good enough, and one that reaches further is asked for.

    Raises:
        InputError: a run's times can't be read.
    """
    longest = max(run.at_once(now).duration for run in queue)
    end = now + longest
    for run in queue:
        with suppress(NoFeasibleWindowError):
            end = max(end, run.flexibility(submitted).deadline)
    return Flexibility(duration=longest, earliest=now, deadline=end)


def read_queue(value: Any, default: Policy) -> list[QueuedRun]:
    """Read a queue: a list of mappings, no two of one name.

    Raises:
        InputError: it can't be read.
    """
    if not isinstance(value, (list, tuple)):
        raise InvalidOptionError("runs", value, REMEDY)
    queue = [QueuedRun.read(one, default) for one in value]
    names: Sequence[str] = [one.name for one in queue]
    if twice := {name for name in names if names.count(name) > 1}:
        remedy = "two runs of one DAG need different names: name="
        raise InvalidOptionError("runs", min(twice), remedy)
    return queue
