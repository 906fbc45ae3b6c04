"""What a wait was asked for, read from text that a DAG author wrote and Airflow rendered."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Protocol

from airflow_carbon.azure.regions import region
from airflow_carbon.core.auto import NOT_ASKED, Auto, Question
from airflow_carbon.core.errors import InvalidOptionError, NoFeasibleWindowError
from airflow_carbon.core.estimate import STATED
from airflow_carbon.core.flexibility import (
    Flexibility,
    parse_duration,
    parse_flag,
    parse_instant,
    parse_phases,
    parse_share,
)
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.units import ZoneKey

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.auto import Answer
    from airflow_carbon.core.decision import Rules
    from airflow_carbon.core.intensity import Survey
    from airflow_carbon.core.plan import Place

SUBMITTED: Final = "{{ dag_run.run_after.isoformat() }}"
"""The one instant from which a delay is counted: it stays with the DAG run through retries,
clearing and restarts."""

WEEK: Final = timedelta(days=7)
"""Of what a percentile is taken."""

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
    def policy(self) -> object:
        """How else it may wait."""

    @property
    def submitted(self) -> object:
        """When the DAG run was due."""


class Fields(Times, Protocol):
    """Anything with the fields of a wait: the sensor, the trigger."""

    @property
    def learn_from(self) -> object:
        """Whose past runs tell what is ``auto``."""

    @property
    def region(self) -> object:
        """The Azure region."""

    @property
    def zone(self) -> object:
        """The grid zone."""

    @property
    def min_saving(self) -> object:
        """The share that a wait has to save."""

    @property
    def is_dry_run(self) -> object:
        """Whether to say what would be waited for, and go on."""

    @property
    def carbon_aware(self) -> object:
        """Whether this run waits at all."""


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitRequest:
    """Where and how freely a job waits."""

    zone: ZoneKey
    region: str | None
    flex: Flexibility
    policy: Policy
    is_dry_run: bool
    carbon_aware: bool
    duration_from: str

    @classmethod
    def read(cls, source: Fields, learned: Answer = NOT_ASKED) -> WaitRequest:
        """Read the rendered fields, with what past runs tell in the place of ``auto``.

        Raises:
            InputError: a field that can't be; it names the field and the remedy.
        """
        name, zone = _given(source.region), _given(source.zone)
        check_place(name, zone)
        found = region(str(name)) if name is not None else None
        min_saving = parse_share("min_saving", source.min_saving)
        flex = read_flexibility(source, learned)
        policy = _policy(source) & Policy(min_saving=min_saving)
        if learned.energy:
            policy = replace(policy, energy_kwh=learned.energy.value)
        return cls(
            zone=found.zone if found else ZoneKey(str(zone)),
            region=found.name if found else None,
            flex=flex,
            duration_from=_origin(learned, flex),
            policy=policy,
            is_dry_run=parse_flag("dry_run", source.is_dry_run),
            carbon_aware=parse_flag("carbon_aware", source.carbon_aware),
        )

    @property
    def place(self) -> Place:
        """The place, for plans and logs."""
        from airflow_carbon.core.plan import Place

        return Place(zone=self.zone, region=self.region)

    def week_before(self, now: datetime) -> tuple[ZoneKey, datetime, datetime] | None:
        """Return of what the policy needs a percentile: the zone, from when, to when."""
        if self.policy.below_percentile is None:
            return None
        return self.zone, now - WEEK, now

    def rules(self, week: Survey | None = None) -> Rules:
        """Return what a start has to meet; without the last week no percentile limits it."""
        from airflow_carbon.core.decision import rules_of

        return rules_of(
            self.policy,
            self.flex.duration,
            week=None if week is None else week.series,
            opted_out=not self.carbon_aware,
        )


def question(source: Fields) -> Question | None:
    """Return what the rendered fields leave to past runs; None where they leave nothing.

    Raises:
        InputError: a field that can't be.
    """
    energy = Policy.read(_given(source.policy)).energy_kwh
    return Question.read(duration=source.duration, energy_kwh=energy, learn_from=source.learn_from)


def read_flexibility(source: Times, learned: Answer = NOT_ASKED) -> Flexibility:
    """Read the rendered fields that say how freely a job may move in time.

    A job that past runs tell to be too long for its deadline starts at once: nobody stated that
    length, so nobody can be asked to mend it.

    Raises:
        InputError: a field that can't be, or a job that does not fit.
    """

    def lasting(duration: object) -> Flexibility:
        return _policy(source).flexibility(
            submitted=source.submitted,
            duration=duration,
            earliest=_given(source.earliest),
            deadline=_given(source.deadline),
        )

    if learned.duration is None:
        return lasting(source.duration)
    try:
        return lasting(learned.duration.value)
    except NoFeasibleWindowError as exc:
        room = exc.deadline - exc.earliest
        if not learned.duration.is_learned or room <= timedelta(0):
            raise
        return lasting(room)


def _origin(learned: Answer, flex: Flexibility) -> str:
    """Return where the duration is from."""
    if learned.duration is None:
        return STATED
    cut = flex.duration < learned.duration.value
    return learned.duration.origin + (", more than the deadline leaves" if cut else "")


def _policy(source: Times) -> Policy:
    """Return the policy, the plain ``max_delay`` with it."""
    delay = _given(source.max_delay)
    plain = Policy(max_delay=None if delay is None else parse_duration("max_delay", delay))
    return Policy.read(_given(source.policy)) & plain


def check_place(name: object, zone: object) -> None:
    """Check that exactly one of region and zone is given."""
    if (name is None) == (zone is None):
        remedy = "give exactly one of region= (an Azure region) and zone= (a grid zone)"
        raise InvalidOptionError("region", name, remedy)


def check_times(source: Times, *, has_fallback: bool = False) -> None:
    """Check at DAG parse what is already known, templates excepted.

    ``has_fallback``: what a duration is while past runs don't tell it is declared elsewhere.

    Raises:
        InputError: a value that no rendering will mend.
    """
    if unknown := Auto.read("duration", source.duration):
        if unknown.otherwise or not has_fallback:
            check_auto(unknown)
    elif not is_template(source.duration):
        parse_phases("duration", source.duration)
    if source.max_delay is not None and not is_template(source.max_delay):
        parse_duration("max_delay", source.max_delay)
    for name in ("earliest", "deadline"):
        value = getattr(source, name)
        if value is not None and not is_template(value):
            parse_instant(name, value)
    bounded = source.deadline is not None or source.max_delay is not None
    if not (bounded or is_template(source.policy) or Policy.read(source.policy).is_bounded):
        remedy = "give deadline= (when the work must have ended), max_delay= or policy="
        raise InvalidOptionError("deadline", source.deadline, remedy)


def check_auto(unknown: Auto) -> None:
    """Check at DAG parse that there is a fallback, unless a template will fill it in."""
    if not is_template(unknown.otherwise):
        unknown.check()


def plain_policy(value: object) -> object:
    """Return a policy as plain values, checked; one with templates in it as it is.

    Raises:
        InputError: a policy that no rendering will mend.
    """
    if value is None or is_template(value):
        return value
    return Policy.read(value).as_dict()


def check_share(name: str, value: object) -> None:
    """Check at DAG parse a share that no template will fill in."""
    if not is_template(value):
        parse_share(name, value)


def check_flag(name: str, value: object) -> None:
    """Check at DAG parse a yes or no that no template will fill in."""
    if not is_template(value):
        parse_flag(name, value)


def is_template(value: object) -> bool:
    """Tell whether a value is known only when the task runs: Jinja, or another task's XCom."""
    if isinstance(value, str):
        return "{{" in value or "{%" in value
    if isinstance(value, dict):
        return any(map(is_template, value.values()))
    if isinstance(value, (list, tuple)):
        return any(map(is_template, value))
    return hasattr(value, "resolve")


def _given(value: object) -> object:
    return None if isinstance(value, str) and value.strip() in _ABSENT else value
