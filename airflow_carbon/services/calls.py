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
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.units import ZoneKey

T = TypeVar("T")

PATIENCE_S: Final = 20
"""How long a waiting task lets one source think [s] before it asks the next."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Generic[T]):
    """One question to one source; ``answer`` reads this machine's files and computes."""

    service: str
    answer: Callable[[], T]


class Source(Protocol):
    """Where carbon intensity comes from."""

    @property
    def name(self) -> str:
        """How plans, logs and the ledger call the source."""

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Ask for the intensity from the step running ``now`` to ``until``, or as far as known.

        The answer raises :class:`UnknownZoneError` for a zone that is not the source's,
        :class:`ServiceUnavailableError` where it has none this time.
        """

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Ask for the actual intensity over ``[begin, end)``; raises as ``forecast`` does."""

    def check(self) -> Call[str]:
        """Ask for one sentence on what works; raises where nothing does."""


def send(call: Call[T]) -> T:
    """Make the call from ordinary code.

    Raises:
        ServiceUnavailableError: the source's files can't be read.
    """
    try:
        return call.answer()
    except OSError as exc:
        raise ServiceUnavailableError(call.service, f"{type(exc).__name__}: {exc}") from exc


async def asend(call: Call[T]) -> T:
    """Make the call from an event loop, which goes on meanwhile.

    Raises:
        ServiceUnavailableError: also where the answer takes longer than :data:`PATIENCE_S`.
    """
    try:
        async with asyncio.timeout(PATIENCE_S):
            return await asyncio.to_thread(send, call)
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
