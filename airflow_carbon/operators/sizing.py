"""How long a job takes on each machine that may be chosen, and when it may run there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

from airflow_carbon.core.auto import NOT_ASKED, Answer, Auto, Question, parse_energy
from airflow_carbon.core.errors import NoFeasibleWindowError
from airflow_carbon.core.estimate import STATED, Estimate
from airflow_carbon.core.sizing import taught
from airflow_carbon.hooks.past_runs import history
from airflow_carbon.triggers.request import Times, read_flexibility

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.objective import Machine, Objective
    from airflow_carbon.hooks.carbon import CarbonHook


class Sized(Times, Protocol):
    """Anything with the fields of a job whose machine is still to be chosen."""

    @property
    def energy_kwh(self) -> object:
        """What the job draws."""

    @property
    def learn_from(self) -> object:
        """Whose past runs tell what is ``auto``."""

    @property
    def log(self) -> Any:
        """Where it is said."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Fitted:
    """The objective with all that is known of its machines, and when the job may run.

    ``flex`` is that of machines without a duration of their own, ``own`` that of the others.
    """

    objective: Objective
    flex: Flexibility
    own: Mapping[str, Flexibility]
    answers: Mapping[str, Answer] = field(default_factory=dict)

    @property
    def longest(self) -> Flexibility:
        """That of the longest job: what a forecast should cover."""
        return max([self.flex, *self.own.values()], key=lambda flex: flex.duration)

    def origins(self, duration: timedelta, machine: str = "") -> dict[str, str]:
        """Return the duration, and where it and the energy are from, for XCom."""
        answer = self.answers.get(machine, NOT_ASKED)
        said = {
            "duration": str(duration),
            "duration_from": answer.duration.origin if answer.duration else STATED,
        }
        return said | ({"energy_from": answer.energy.origin} if answer.energy else {})


def fitted(source: Sized, objective: Objective, hook: CarbonHook) -> Fitted:
    """Ask the ledger for what is ``auto``, and return what is known of each machine.

    The ranking leaves out a machine on which the job is too long for its deadline. Where past runs
    tell that of every machine, the job starts at once.

    Raises:
        InputError: a field that can't be read; a stated job that does not fit; no fallback.
    """
    asked = Question.read(
        duration=source.duration, energy_kwh=source.energy_kwh, learn_from=source.learn_from
    )
    answers: dict[str, Answer] = {}
    machines = list(objective.machines)
    if asked is not None:
        taken = [_taught(machine, asked, hook) for machine in machines]
        machines = [machine for machine, _ in taken]
        answers = {machine.name: answer for machine, answer in taken}
        for name, answer in answers.items():
            source.log.info("%s%s", f"{name}: " if name else "", answer.sentence())
    if source.energy_kwh is not None and not Auto.read("", source.energy_kwh):
        energy = parse_energy("energy_kwh", source.energy_kwh)
        machines = [replace(one, energy_kwh=one.energy_kwh or energy) for one in machines]
    own = _own(source, machines, answers)
    return Fitted(
        objective=replace(objective, machines=tuple(machines)),
        flex=read_flexibility(source, _base(machines, answers, own)),
        own=own,
        answers=answers,
    )


def _base(
    machines: list[Machine], answers: Mapping[str, Answer], own: Mapping[str, Flexibility]
) -> Answer:
    """Return the shortest of the durations, where the job's own is for past runs to tell."""
    if not any(answer.duration for answer in answers.values()):
        return NOT_ASKED
    lengths = [flex.duration for flex in own.values()]
    lengths = lengths or [machine.duration for machine in machines if machine.duration]
    return Answer(duration=Estimate(min(lengths), "", is_learned=_any_learned(answers)))


def _taught(machine: Machine, asked: Question, hook: CarbonHook) -> tuple[Machine, Answer]:
    size = machine.name or asked.learn_from.size
    return taught(machine, asked, history(replace(asked.learn_from, size=size), hook))


def _own(
    source: Times, machines: list[Machine], answers: Mapping[str, Answer]
) -> dict[str, Flexibility]:
    """Return when the job may run on each machine that has a duration of its own, where it fits."""
    own: dict[str, Flexibility] = {}
    for machine in machines:
        if machine.duration is None:
            continue
        stated = Answer(duration=Estimate(machine.duration, STATED, is_learned=False))
        try:
            own[machine.name] = read_flexibility(source, stated)
        except NoFeasibleWindowError:
            continue
    if own or not _any_learned(answers):
        return own
    return {
        name: read_flexibility(source, answer)
        for name, answer in answers.items()
        if answer.duration and answer.duration.is_learned
    }


def _any_learned(answers: Mapping[str, Answer]) -> bool:
    return any(one.duration and one.duration.is_learned for one in answers.values())
