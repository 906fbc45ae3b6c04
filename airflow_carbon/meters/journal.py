"""The intervals of a segment in its log: none twice, and none lost to a disk that was full."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_carbon.meters.log import (
    End,
    encode_end,
    encode_interval,
    encode_segment,
    encode_short,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_carbon.meters.counting import Reading, Tally
    from airflow_carbon.meters.log import Interval, Segment

FULL_EVERY = 300
"""At least each so many lines one is in full, with what the counters show."""


class Journal:
    """A segment being written; ``write`` says whether a line is in the log."""

    def __init__(self, segment: Segment, tally: Tally, write: Callable[[bytes], bool]) -> None:
        self._seg = segment.seg
        self._header = encode_segment(segment)
        self._tally = tally
        self._write = write
        self._headed = write(self._header)
        self._last: Interval | None = None
        self._short = 0

    def advance(self, at: float, readings: Mapping[str, Reading]) -> None:
        """Write the interval up to an instant [Unix s].

        If that fails, the next interval begins where this one did.
        """
        later, interval = self._tally.advance(at, readings)
        self._headed = self._headed or self._write(self._header)
        follows = self._last is not None and self._follows(self._last, interval)
        line = _short(self._seg, interval) if follows else encode_interval(self._seg, interval)
        if self._headed and self._write(line):
            self._short = self._short + 1 if follows else 0
            self._last, self._tally = interval, later

    def end(self, at: float, rc: int) -> None:
        """Write that the command has ended, and with which code."""
        if self._headed:
            self._write(encode_end(self._seg, End(at, rc)))

    def _follows(self, last: Interval, interval: Interval) -> bool:
        """Say whether a short line tells all of an interval."""
        return (
            self._short + 1 < FULL_EVERY
            and interval.t0 == last.t1
            and not interval.since
            and list(interval.q.items()) == list(last.q.items())
            and interval.raw_mj.keys() == last.raw_mj.keys()
            and all(
                joules is not None and mj == last.raw_mj[device] + _thousandths(joules)
                for device, mj in interval.raw_mj.items()
                for joules in (interval.j[device],)
            )
        )


def _short(seg: str, interval: Interval) -> bytes:
    mj = [None if joules is None else _thousandths(joules) for joules in interval.j.values()]
    return encode_short(seg, _thousandths(interval.t1 - interval.t0), mj)


def _thousandths(value: float) -> int:
    return round(value * 1000)
