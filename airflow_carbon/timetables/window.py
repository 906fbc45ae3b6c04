"""``CarbonAwareTimetable``: a cron schedule whose runs begin in the cleanest window of a slack."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Self

import pendulum
from airflow.timetables.base import DagRunInfo, DataInterval
from airflow.timetables.trigger import CronTriggerTimetable
from airflow.utils.types import DagRunType
from pendulum import DateTime

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration, parse_phases
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.quantities import length_text
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.hooks.offline import FORECASTS, Forecasts
from airflow_carbon.triggers.request import check_place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.timetables.base import TimeRestriction
    from pendulum.tz.timezone import FixedTimezone, Timezone

    from airflow_carbon.core.flexibility import Flexibility

log = logging.getLogger(__name__)

ELSEWHERE: Final = ("below_percentile", "capacity", "not_before")
"""What of a policy a schedule can't keep to: it has a forecast alone, and its own clock times."""


class CarbonAwareTimetable(CronTriggerTimetable):
    """Runs at cron times, or up to ``slack`` later: in the cleanest window of that.

    The data interval, the logical date and the id of a run are those of its cron time; only
    ``run_after`` moves, so the run waits as a row in Airflow's database. Airflow asks when a run
    is due once when the one before it is created, and again whenever it reads the DAG's file: so
    a run that has not begun follows newer forecasts. No service is asked here. What is known is
    what waits and other tasks left in the ledger's archive, else typical days of the zone, else
    nothing: then a run begins at its cron time.

    With ``catchup`` and after a standstill, runs whose slack is over begin at once. Manual runs
    begin when somebody starts them.

    :param cron: as in ``CronTriggerTimetable``; so are ``timezone``, ``interval`` (the length of
        the data interval) and ``run_immediately``.
    :param slack: how long after its cron time a run may begin: a timedelta, or ``8h``.
    :param duration: how long a run takes, or its phases, as for ``CarbonAwareSensor``.
    :param region: the Azure region that its work runs in; or
    :param zone: the grid zone, by its Electricity Maps key.
    :param policy: how else it may wait (``done_by``, ``blackouts``, ``min_saving``, ...): a
        ``Policy``, a mapping or a workload class, but not ``not_before``,
        ``below_percentile`` and ``capacity``.
    :param carbon_conn_id: a connection of type ``carbon``; none is needed for the default.

    Raises:
        InputError: a value that can't be; it names the option and the remedy.
    """

    forecasts: Forecasts = FORECASTS

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        cron: str,
        *,
        timezone: str | Timezone | FixedTimezone = "UTC",
        slack: timedelta | str,
        duration: timedelta | str | Sequence[tuple[timedelta | str, float]],
        region: str | None = None,
        zone: str | None = None,
        policy: Policy | Mapping[str, Any] | str | None = None,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        interval: timedelta = timedelta(),
        run_immediately: bool | timedelta = False,
    ) -> None:
        super().__init__(
            cron, timezone=timezone, interval=interval, run_immediately=run_immediately
        )
        check_place(region, zone)
        self.slack = parse_duration("slack", slack)
        length, phases = parse_phases("duration", duration)
        self.phases = [[one.duration.total_seconds(), one.power] for one in phases]
        self.length = length
        self.region = None if region is None else str(region_by_name(region).name)
        self.zone = ZoneKey(str(zone)) if region is None else region_by_name(region).zone
        self.policy = Policy.read(policy)
        self.carbon_conn_id = carbon_conn_id
        if unfit := [name for name in ELSEWHERE if getattr(self.policy, name)]:
            remedy = "a schedule can't keep to it: give it to a CarbonAwareSensor in the DAG"
            raise InvalidOptionError(unfit[0], getattr(self.policy, unfit[0]), remedy)
        where = self.region or self.zone
        self.description = (
            f"{self.description or self._expression}, or up to {length_text(self.slack)} later: "
            f"when the grid of {where} is cleanest"
        )

    def serialize(self) -> dict[str, Any]:
        """Return plain values, from which :meth:`deserialize` makes it again."""
        return super().serialize() | {
            "slack_s": self.slack.total_seconds(),
            "duration": self.phases or self.length.total_seconds(),
            "region": self.region,
            "zone": None if self.region else str(self.zone),
            "policy": self.policy.as_dict(),
            "carbon_conn_id": self.carbon_conn_id,
        }

    @classmethod
    def deserialize(cls, data: dict[str, Any]) -> Self:
        """Make it again."""
        from airflow.serialization.decoders import decode_interval, decode_run_immediately

        long = data["duration"]
        phased = isinstance(long, list)
        return cls(
            data["expression"],
            timezone=pendulum.timezone(data["timezone"]),
            interval=decode_interval(data["interval"]),
            run_immediately=decode_run_immediately(data["run_immediately"]),
            slack=timedelta(seconds=data["slack_s"]),
            duration=[(timedelta(seconds=s), power) for s, power in long]
            if phased
            else timedelta(seconds=long),
            region=data["region"],
            zone=data["zone"],
            policy=data["policy"],
            carbon_conn_id=data["carbon_conn_id"],
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CarbonAwareTimetable) and self.serialize() == other.serialize()

    def __hash__(self) -> int:
        return hash((self._expression, self._timezone, self.slack, self.zone))

    @property
    def summary(self) -> str:
        """The cron expression and the slack, for Airflow's lists."""
        return f"{self._expression} + {length_text(self.slack)}"

    def next_dagrun_info(
        self,
        *,
        last_automated_data_interval: DataInterval | None,
        restriction: TimeRestriction,
    ) -> DagRunInfo | None:
        """Return the next run of the cron schedule, to be created when its window begins."""
        info = super().next_dagrun_info(
            last_automated_data_interval=last_automated_data_interval,
            restriction=restriction._replace(latest=None),
        )
        if info is None or info.data_interval is None:
            return info
        now, end = clock.now(), info.data_interval.end
        if not restriction.catchup and last_automated_data_interval is not None:
            first = self._get_next(last_automated_data_interval.end)
            end = self._not_skipped(first, end, restriction.earliest, now)
        if restriction.latest is not None and restriction.latest < end:
            return None
        start = _aligned(end - self._interval)
        return DagRunInfo(
            run_after=self.starts_at(end, now), data_interval=DataInterval(start=start, end=end)
        )

    def generate_run_id(
        self,
        *,
        run_type: DagRunType,
        run_after: DateTime,
        data_interval: DataInterval | None,
        **extra: Any,
    ) -> str:
        """Name a scheduled run by its cron time: two may begin at the same instant."""
        if run_type is not DagRunType.MANUAL and data_interval is not None:
            run_after = data_interval.end
        return super().generate_run_id(
            run_type=run_type, run_after=run_after, data_interval=data_interval, **extra
        )

    def starts_at(self, tick: DateTime, now: datetime) -> DateTime:
        """Return when the run of a cron time begins: never before it, nor after its slack."""
        try:
            return _aligned(self._chosen(tick, now))
        except Exception:
            log.exception("the run of %s begins at that time", tick)
            return tick

    def flexibility(self, tick: datetime) -> Flexibility:
        """Return how freely the run of a cron time may move.

        Raises:
            NoFeasibleWindowError: the policy leaves it no time at all.
        """
        long = [(timedelta(seconds=s), power) for s, power in self.phases] or self.length
        begin = datetime.fromisoformat(tick.isoformat())  # pendulum's own type loses its time zone
        return self.policy.flexibility(
            submitted=begin, duration=long, deadline=begin + self.slack + self.length
        )

    def _chosen(self, tick: DateTime, now: datetime) -> datetime:
        from airflow_carbon.core.decision import rules_of
        from airflow_carbon.core.slack import start_within

        flex = self.flexibility(tick)
        known = now <= flex.latest_start
        forecast = self.forecasts.forecast(self.carbon_conn_id, self.zone, flex) if known else None
        rules = rules_of(self.policy, flex.duration)
        start = start_within(forecast, flex, now=now, rules=rules)
        log.info(
            "the run of %s begins at %s, by %s",
            tick,
            start,
            f"{forecast.source} ({forecast.quality})" if forecast else "nothing that is known",
        )
        return start

    def _not_skipped(
        self, first: DateTime, newest: DateTime, earliest: DateTime | None, now: datetime
    ) -> DateTime:
        """Return the first run from ``first`` on whose slack is not over, else the newest.

        Without ``catchup`` Airflow leaves out all but the newest run that is due. A run that
        waits for its window is not late, though the next cron time has passed.
        """
        if earliest is not None:
            first = max(first, self._align_to_next(earliest))
        waiting = self._align_to_next(_aligned(now - self.slack))
        return min(max(first, waiting), newest)


def _aligned(at: datetime) -> DateTime:
    """Return an instant in the type that Airflow's timetables give."""
    return DateTime.instance(at, tz="UTC").in_timezone("UTC")
