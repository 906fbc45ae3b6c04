"""Calls as values: a source says what to do, a sender does it in either colour.

A source's method returns a :class:`Call` and touches nothing. What needs several calls is
a generator that yields them (:mod:`airflow_carbon.services.ladder`); :func:`drive` and
:func:`adrive` run it from ordinary code and from an event loop.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Generic, Protocol, TypeVar

from airflow_carbon.core.errors import ServiceUnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from datetime import datetime, timedelta

    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.units import ZoneKey

T = TypeVar("T")
Answer_co = TypeVar("Answer_co", covariant=True)

PATIENCE_S: Final = 20
"""How long a waiting task lets one source think [s] before it asks the next."""


class Call(Protocol[Answer_co]):
    """One question to one source, not yet asked."""

    @property
    def service(self) -> str:
        """The source that is asked, as errors name it."""

    def make(self) -> Answer_co:
        """Ask from ordinary code.

        Raises:
            CarbonError: whatever the source's answer is, in this package's words.
        """

    async def amake(self) -> Answer_co:
        """Ask from an event loop, which goes on meanwhile; raises as ``make`` does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Local(Generic[T]):
    """A question that this machine's files and processor answer."""

    service: str
    answer: Callable[[], T]

    def make(self) -> T:
        """Compute the answer.

        Raises:
            ServiceUnavailableError: files that can't be read.
        """
        try:
            return self.answer()
        except OSError as exc:
            raise ServiceUnavailableError(self.service, f"{type(exc).__name__}: {exc}") from exc

    async def amake(self) -> T:
        """Compute the answer in a thread."""
        return await asyncio.to_thread(self.make)


@dataclass(frozen=True, kw_only=True, slots=True)
class Steps(Generic[T]):
    """A question that takes several calls: ``steps`` yields each and is sent its answer."""

    service: str
    steps: Callable[[], Generator[Call[Any], Any, T]]

    def make(self) -> T:
        """Make the calls one after the other."""
        return drive(self.steps())

    async def amake(self) -> T:
        """Make the calls one after the other, from an event loop."""
        return await adrive(self.steps())


class Source(Protocol):
    """Where carbon intensity comes from: a frozen, hashable value, its key not in its ``repr``."""

    @property
    def name(self) -> str:
        """How plans, logs and the ledger call the source."""

    @property
    def cadence(self) -> timedelta | None:
        """How often a new forecast is issued; None for a source that costs nothing to ask."""

    @property
    def reach(self) -> timedelta:
        """How far ahead it is worth asking."""

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask for the intensity from the step running ``now`` to ``until``, or as far as known.

        The answer raises :class:`UnknownZoneError` for a zone that is not the source's,
        :class:`ServiceUnavailableError` where it has none this time.
        """

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask for the actual intensity over ``[begin, end)``, or what is known of it.

        Raises as ``forecast`` does.
        """

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Ask for the newest actual intensity; raises as ``forecast`` does."""

    def check(self) -> Call[str]:
        """Ask for one sentence on what works; raises where nothing does."""


def send(call: Call[T]) -> T:
    """Make the call from ordinary code."""
    return call.make()


async def asend(call: Call[T]) -> T:
    """Make the call from an event loop, which goes on meanwhile.

    Raises:
        ServiceUnavailableError: also where the answer takes longer than :data:`PATIENCE_S`.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await call.amake()
    except TimeoutError as exc:
        raise ServiceUnavailableError(call.service, f"no answer in {PATIENCE_S} s") from exc


def drive(steps: Generator[Call[Any], Any, T]) -> T:
    """Run a generator of calls from ordinary code."""
    try:
        call = next(steps)
        while True:
            try:
                answer = send(call)
            except Exception as exc:  # noqa: BLE001 - thrown on into the generator, which decides
                call = steps.throw(exc)
            else:
                call = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def adrive(steps: Generator[Call[Any], Any, T]) -> T:
    """Run a generator of calls from an event loop."""
    try:
        call = next(steps)
        while True:
            try:
                answer = await asend(call)
            except Exception as exc:  # noqa: BLE001 - thrown on into the generator, which decides
                call = steps.throw(exc)
            else:
                call = steps.send(answer)
    except StopIteration as stop:
        result: T = stop.value
        return result
