"""The log stays small, and is read fast."""

from __future__ import annotations

import json
import os
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.meters.counting import Count, Tally, counters
from airflow_carbon.meters.journal import Journal
from airflow_carbon.meters.log import COUNTER, MODEL, Device, LogFile, Segment
from airflow_carbon.meters.reading import read_measurement

T0 = 1_800_000_000.0
GPU = "GPU-00000000-0000-4000-8000-000000000000"
DAY_S = 86_400


def journal(write, begins, readings) -> Journal:
    devices = tuple(Device(id_, "gpu", "NVIDIA H200", COUNTER) for id_ in readings)
    raw = counters(readings)
    segment = Segment("5f0c9a1e", begins, {}, "node", "boot", "0", 1.0, "sh", devices, raw)
    return Journal(segment, Tally.begin(begins, readings), write)


def test_a_day_at_one_a_second_is_under_5_mb_and_read_by_the_minute(tmp_path) -> None:
    log = tmp_path / "energy.jsonl"

    def at(second: int):
        """An H200 at 700 W, since weeks, with 64 busy vCPUs and 1 TB of memory."""
        model = {"cpu": Count(240_000 * second, MODEL), "memory": Count(392_000 * second, MODEL)}
        return {GPU: Count(10**12 + 700_123 * second), **model}

    with log.open("wb") as file:
        book = journal(lambda line: bool(file.write(line)), T0, at(0))
        for second in range(1, DAY_S + 1):
            book.advance(T0 + second + second * 37 % 1000 / 1000, at(second))
        book.end(T0 + DAY_S + 1, 0)

    profile = read_measurement(log).profile

    assert log.stat().st_size < 5_000_000
    assert round(profile.joules_of(lambda device: device == GPU) * 1000) == 700_123 * DAY_S
    assert profile.coverage == 1.0
    assert len(profile) < 3 * 1800


STEPS = st.lists(
    st.tuples(st.integers(1, 200_000), st.integers(0, 10**6), st.booleans(), st.booleans()),
    min_size=1,
    max_size=40,
)


@given(STEPS)
def test_short_lines_and_full_ones_say_the_same(tmp_path_factory, steps) -> None:
    """What is read is what was drawn, over any partition, whichever readings and writes fail."""
    log = tmp_path_factory.mktemp("law") / "energy.jsonl"
    times = list(accumulate(ms for ms, *_ in steps))
    counter = list(accumulate(mj for _, mj, *_ in steps))
    good = [(0, 0)]
    with log.open("wb") as file:
        fails = False
        book = journal(lambda line: not fails and bool(file.write(line)), T0, {"g": Count(0)})
        for ms, mj, (*_, answers, written) in zip(times, counter, steps, strict=True):
            fails = not written
            book.advance(T0 + ms / 1000, {"g": Count(mj) if answers else None})
            good += [(ms, mj)] * (answers and written)
        fails = False
        book.advance(T0 + times[-1] / 1000 + 1, {"g": Count(counter[-1])})

    profile = read_measurement(log).profile

    assert round(profile.total * 1000) == counter[-1]
    assert profile.coverage == pytest.approx(1.0)
    for ms, mj in good:
        until = profile.joules[profile.ends <= T0 + ms / 1000 + 1e-4].sum()
        assert round(until * 1000) <= mj


def test_only_the_last_byte_torn_off_is_a_line_that_was_written(tmp_path) -> None:
    """Written again, it would count twice."""
    room = [10**6]

    def put(file: int, line: bytes) -> int:
        return os.write(file, line[: room[0]])

    log = LogFile(tmp_path / "log", put)
    room[0] = len(b'{"a":1}')
    log.append(b'{"a":1}\n')
    room[0] = 3
    with pytest.raises(OSError, match="No space"):
        log.append(b'{"b":2}\n')
    room[0] = 100
    log.append(b'{"b":2}\n')
    log.close()

    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == ['{"a":1}', '{"', '{"b":2}']


def test_each_short_line_follows_a_full_one(tmp_path) -> None:
    written = []
    book = journal(lambda line: not written.append(json.loads(line)), T0, {"g": Count(0)})
    for second in range(1, 1000):
        book.advance(T0 + second, {"g": Count(second)})

    full = [line["raw_mj"]["g"] for line in written[1:] if isinstance(line, dict)]
    assert full == [1, 301, 601, 901]
