"""What a wait was asked for, read from text that a DAG author wrote and Airflow rendered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from airflow_carbon.azure.regions import region
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import (
    Flexibility,
    flexibility,
    parse_duration,
    parse_instant,
    parse_share,
)
from airflow_carbon.core.units import ZoneKey

if TYPE_CHECKING:
    from airflow_carbon.core.plan import Place

_ABSENT: Final = {"", "None"}
"""What Jinja makes of a value that is not there."""


class Times(Protocol):
    """Anything with the fields that say how freely a job may move in time."""

    @property
    def duration(self) -> object:
        """How long the job takes."""

    @property
    def deadline(self) -> object:
        """When the work must have ended."""

    @property
    def max_delay(self) -> object:
        """How much later it may start."""

    @property
    def earliest(self) -> object:
        """When it may start."""

    @property
    def submitted(self) -> object:
        """When the DAG run was due."""


class Fields(Times, Protocol):
    """Anything with the fields of a wait: the sensor, the trigger."""

    @property
    def region(self) -> object:
        """The Azure region."""

    @property
    def zone(self) -> object:
        """The grid zone."""

    @property
    def min_saving(self) -> object:
        """The share that a wait has to save."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitRequest:
    """Where and how freely a job waits."""

    zone: ZoneKey
    region: str | None
    flex: Flexibility
    min_saving: float

    @classmethod
    def read(cls, source: Fields) -> WaitRequest:
        """Read the rendered fields.

        Raises:
            InputError: a field that can't be; it names the field and the remedy.
        """
        name, zone = _given(source.region), _given(source.zone)
        check_place(name, zone)
        found = region(str(name)) if name is not None else None
        return cls(
            zone=found.zone if found else ZoneKey(str(zone)),
            region=found.name if found else None,
            flex=read_flexibility(source),
            min_saving=parse_share("min_saving", source.min_saving),
        )

    @property
    def place(self) -> Place:
        """The place, for plans and logs."""
        from airflow_carbon.core.plan import Place

        return Place(zone=self.zone, region=self.region)


def read_flexibility(source: Times) -> Flexibility:
    """Read the rendered fields that say how freely a job may move in time.

    Raises:
        InputError: a field that can't be, or a job that does not fit.
    """
    return flexibility(
        submitted=source.submitted,
        duration=source.duration,
        earliest=_given(source.earliest),
        deadline=_given(source.deadline),
        max_delay=_given(source.max_delay),
    )


def check_place(name: object, zone: object) -> None:
    """Check that exactly one of region and zone is given."""
    if (name is None) == (zone is None):
        remedy = "give exactly one of region= (an Azure region) and zone= (a grid zone)"
        raise InvalidOptionError("region", name, remedy)


def check_times(source: Times) -> None:
    """Check at DAG parse what is already known, templates excepted.

    Raises:
        InputError: a value that no rendering will mend.
    """
    if not is_template(source.duration):
        parse_duration("duration", source.duration)
    if source.max_delay is not None and not is_template(source.max_delay):
        parse_duration("max_delay", source.max_delay)
    for name in ("earliest", "deadline"):
        value = getattr(source, name)
        if value is not None and not is_template(value):
            parse_instant(name, value)
    if (source.deadline is None) == (source.max_delay is None):
        remedy = "give exactly one of deadline= (when the work must have ended) and max_delay="
        raise InvalidOptionError("deadline", source.deadline, remedy)


def check_share(name: str, value: object) -> None:
    """Check at DAG parse a share that no template will fill in."""
    if not is_template(value):
        parse_share(name, value)


def is_template(value: object) -> bool:
    """Tell whether a value is known only when the task runs: Jinja, or another task's XCom."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    return hasattr(value, "resolve")


def _given(value: object) -> object:
    return None if isinstance(value, str) and value.strip() in _ABSENT else value
