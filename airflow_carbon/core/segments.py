"""A training in segments: where it ran and when, why each ended, and what is left of the work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.costs import FREE
from airflow_carbon.core.flexibility import parse_instant
from airflow_carbon.core.remaining import Remaining

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from airflow_carbon.core.costs import Costs, Stopping
    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.plan import Place

NOTHING: Final = timedelta(0)


class Ended(StrEnum):
    """Why a segment ended."""

    PAUSED = "paused"
    """To go on in a cleaner window."""
    MOVED = "moved"
    """To go on in a cleaner region."""
    PREEMPTED = "preempted"
    """Its spot machine was taken away."""
    FAILED = "failed"
    """By its own fault."""
    CANCELLED = "cancelled"
    """By somebody in Azure."""
    SUCCEEDED = "succeeded"
    """With its work done."""

    @property
    def keeps_work(self) -> bool:
        """Whether the next segment goes on from this one's checkpoint."""
        return self in {Ended.PAUSED, Ended.MOVED, Ended.PREEMPTED}


@dataclass(frozen=True, kw_only=True, slots=True)
class Segment:
    """One run of a training's command, from its start to its end, and the id of its job.

    Raises:
        InvalidInstantError: an instant without a time zone.
    """

    region: str
    name: str
    attempt: int
    started_at: datetime
    ended_at: datetime
    ended: Ended
    resource: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "started_at", parse_instant("started_at", self.started_at))
        object.__setattr__(self, "ended_at", parse_instant("ended_at", self.ended_at))
        object.__setattr__(self, "ended", Ended(self.ended))

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> Self:
        """Read plain values, as :meth:`as_dict` returns them."""
        return cls(**value)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for XCom: strings in ISO 8601 (UTC) and numbers."""
        return {
            "region": self.region,
            "name": self.name,
            "attempt": self.attempt,
            "started_at": self.started_at.isoformat(),
            "ended_at": self.ended_at.isoformat(),
            "ended": self.ended.value,
            "resource": self.resource,
        }

    @property
    def ran(self) -> timedelta:
        """How long it ran."""
        return max(self.ended_at - self.started_at, NOTHING)


def work_done(segments: Sequence[Segment], region: str, costs: Costs) -> tuple[timedelta, Stopping]:
    """Return the work that is behind, and what it costs to go on from there in a region.

    A segment that begins from a checkpoint first runs for ``Stopping.time``: what was lost since
    that checkpoint, and the start. What ran without leaving a checkpoint behind, in a segment
    that failed, counts as lost: that errs towards an earlier start, never past the deadline.
    """
    done, cost, before = NOTHING, FREE, ""
    for segment in segments:
        if before:
            cost = costs.stopping if segment.region == before else costs.move
        if segment.ended.keeps_work:
            done += max(segment.ran - cost.time, NOTHING)
        before = segment.region
    if not before:
        return done, FREE
    return done, costs.stopping if before == region else costs.move


def remaining(  # noqa: PLR0913 - the facts of one job
    flex: Flexibility,
    place: Place,
    segments: Sequence[Segment],
    *,
    pue: float,
    costs: Costs,
    running_since: datetime | None = None,
    now: datetime | None = None,
) -> Remaining:
    """Return what is left of a training: paused after its segments, or running since an instant."""
    done, cost = work_done(segments, place.region or "", costs)
    if running_since is None or now is None:
        return Remaining(flex=flex, place=place, done=done, pue=pue, stops=len(segments))
    ran = max(now - running_since, NOTHING) - cost.time
    return Remaining(
        flex=flex,
        place=place,
        done=done + ran,
        pue=pue,
        stops=len(segments),
        ran=max(ran, NOTHING),
    )
