"""One flight for equal questions, and its answer for as long as it holds."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

from airflow_carbon import clock
from airflow_carbon.core.errors import (
    AccessRefusedError,
    CarbonError,
    RateLimitedError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.services.calls import adrive, drive

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Hashable
    from datetime import datetime

    from airflow_carbon.services.calls import Call

T = TypeVar("T")

log = logging.getLogger(__name__)

LATE: Final = timedelta(minutes=1)
"""How soon to ask again when an answer is due and not yet out; also after a failure."""

REFUSED: Final = timedelta(minutes=15)
"""How long a refusal (a wrong key, a plan, a zone) is taken for the answer."""

MEMORY: Final = timedelta(hours=1)
"""How long an answer that no longer holds is kept in mind."""


@dataclass(frozen=True, slots=True)
class Known(Generic[T]):
    """An answer, or the error that was one, and until when nothing newer is expected."""

    answer: T | CarbonError
    good_until: datetime

    def result(self) -> T:
        """Return the answer, or raise the error."""
        if isinstance(self.answer, CarbonError):
            # many waits raise the one error: without this its traceback would grow with each
            raise self.answer.with_traceback(None)
        return self.answer


@dataclass(frozen=True, slots=True)
class Answers:
    """What a process was told, by question; and the questions that are in flight."""

    known: dict[Hashable, Known[Any]] = field(default_factory=dict)
    locks: dict[Hashable, Lock] = field(default_factory=dict)
    flights: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, asyncio.Task[Any]]] = (
        field(default_factory=WeakKeyDictionary)
    )

    def fresh(self, key: Hashable) -> Known[Any] | None:
        """Return the answer to a question while it is good."""
        found = self.known.get(key)
        return found if found is not None and clock.now() < found.good_until else None

    def forget_old(self) -> None:
        """Drop what has long not been good."""
        since = clock.now() - MEMORY
        for key in [key for key, one in self.known.items() if one.good_until < since]:
            self.known.pop(key, None)
            self.locks.pop(key, None)


ANSWERS: Final = Answers()
"""This process's memory."""


@dataclass(frozen=True, slots=True)
class Flight(Generic[T]):
    """A question that may be on its way already; ``steps`` asks it and says how long it holds."""

    service: str
    key: Hashable
    steps: Callable[[], Generator[Call[Any], Any, tuple[T, datetime]]]
    answers: Answers

    def make(self) -> T:
        """Ask, or wait for the thread that does, or take the answer that still holds."""
        with self.answers.locks.setdefault(self.key, Lock()):
            known: Known[T] | None = self.answers.fresh(self.key)
            if known is None:
                known = self._learn(drive(self._caught()))
            return known.result()

    async def amake(self) -> T:
        """Ask, or join the flight, or take the answer that still holds."""
        known: Known[T] | None = self.answers.fresh(self.key)
        if known is not None:
            return known.result()
        flights = self.answers.flights.setdefault(asyncio.get_running_loop(), {})
        flight = flights.get(self.key)
        if flight is None:
            flight = flights[self.key] = asyncio.ensure_future(self._fly())
            flight.add_done_callback(lambda _: flights.pop(self.key, None))
        # shielded: the wait that asked first may be cancelled, and others still want to know
        landed: Known[T] = await asyncio.shield(flight)
        return landed.result()

    async def _fly(self) -> Known[T]:
        return self._learn(await adrive(self._caught()))

    def _caught(self) -> Generator[Call[Any], Any, tuple[T | CarbonError, datetime]]:
        try:
            return (yield from self.steps())
        except CarbonError as exc:
            return exc, clock.now() + pause_after(exc)
        except Exception as exc:
            # a source of another package may raise anything, and may not end the wait by it
            log.exception("%s has a fault", self.service)
            fault = ServiceUnavailableError(self.service, f"{type(exc).__name__}: {exc}")
            return fault, clock.now() + LATE

    def _learn(self, told: tuple[T | CarbonError, datetime]) -> Known[T]:
        known = Known(*told)
        self.answers.known[self.key] = known
        self.answers.forget_old()
        return known


def pause_after(error: CarbonError) -> timedelta:
    """Return for how long an error is taken for the answer."""
    if isinstance(error, AccessRefusedError | UnknownZoneError):
        return REFUSED
    if isinstance(error, RateLimitedError):
        return max(error.retry_after, LATE)
    return LATE
