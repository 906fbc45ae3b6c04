"""What past runs tell of machine sizes: each size by its own runs, else as it was declared."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from airflow_carbon.core.auto import Answer, parse_energy
from airflow_carbon.core.estimate import Estimate, fallback

if TYPE_CHECKING:
    from datetime import timedelta

    from airflow_carbon.core.auto import Question
    from airflow_carbon.core.estimate import History
    from airflow_carbon.core.objective import Machine


def taught(machine: Machine, asked: Question, history: History) -> tuple[Machine, Answer]:
    """Return the machine with what runs on its size tell, and where that is from.

    What they don't tell is what the machine declares; without that the fallback that was asked
    for stands, of durations divided by the machine's speed.
    """
    length, energy = _duration(machine, asked, history), _energy(machine, asked, history)
    machine = replace(
        machine,
        duration=length.value if length else machine.duration,
        energy_kwh=energy.value if energy else machine.energy_kwh,
    )
    return machine, Answer(duration=length, energy=energy)


def _duration(machine: Machine, asked: Question, history: History) -> Estimate[timedelta] | None:
    if asked.duration is None:
        return None
    level = asked.learn_from.quantile
    told = history.duration(level)
    if isinstance(told, str) and machine.duration is not None:
        return fallback(machine.duration, told)
    found = asked.duration.duration(history, level)
    return found if found.is_learned else replace(found, value=found.value / machine.speed)


def _energy(machine: Machine, asked: Question, history: History) -> Estimate[float] | None:
    if asked.energy is None:
        return None
    told = history.energy_kwh()
    if not isinstance(told, str):
        return told
    if machine.energy_kwh is not None:
        return fallback(machine.energy_kwh, told)
    if asked.energy.otherwise is not None:
        return fallback(parse_energy(asked.energy.name, asked.energy.otherwise), told)
    return None
