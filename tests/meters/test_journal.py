"""The log stays small, and is read fast."""

from __future__ import annotations

import json
import os
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import unpacked

from airflow_carbon.meters.counting import Count, Tally, counters
from airflow_carbon.meters.journal import Journal
from airflow_carbon.meters.log import COUNTER, MODEL, Device, LogFile, Segment
from airflow_carbon.meters.reading import read_measurement

T0 = 1_800_000_000.0
HOUR_S = 3600


def journal(write, begins, readings, seg="5f0c9a1e") -> Journal:
    devices = tuple(Device(id_, "gpu", "NVIDIA H200", COUNTER) for id_ in readings)
    raw = counters(readings)
    segment = Segment(seg, begins, {}, "node", "boot", "0", 1.0, "sh", devices, raw)
    return Journal(segment, Tally.begin(begins, readings), write)


def eight_gpus(second: int):
    """H200s at 700 W, since weeks, with 64 busy vCPUs and 1 TB of memory."""
    boards = {f"GPU-{i:08d}-0000-4000-8000-000000000000": 700_123 + i for i in range(8)}
    model = {"cpu": Count(240_000 * second, MODEL), "memory": Count(392_000 * second, MODEL)}
    return {id_: Count(10**12 + mw * second) for id_, mw in boards.items()} | model


def test_a_day_of_eight_gpus_at_one_a_second_is_under_5_mb_and_read_by_the_minute(tmp_path) -> None:
    """Lines have one length whatever is drawn, so an hour tells of the day."""
    log = tmp_path / "energy.jsonl"
    with log.open("wb") as file:
        book = journal(lambda line: bool(file.write(line)), T0, eight_gpus(0))
        for second in range(1, HOUR_S + 1):
            book.advance(T0 + second + second * 37 % 1000 / 1000, eight_gpus(second))
        book.end(T0 + HOUR_S + 1, 0)

    profile = read_measurement(log).profile

    assert log.stat().st_size * 24 < 5_000_000
    for index in range(8):
        id_ = f"GPU-{index:08d}-0000-4000-8000-000000000000"
        mj = profile.joules_of(lambda device, id_=id_: device == id_) * 1000
        assert round(mj) == (700_123 + index) * HOUR_S
    assert profile.coverage == 1.0
    assert len(profile) < 10 * 75


STEPS = st.lists(
    st.tuples(
        st.integers(1, 200_000),
        st.integers(0, 10**6) | st.integers(0, 2**26),
        st.booleans(),
        st.booleans(),
    ),
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


def test_short_lines_of_format_2_are_read_as_those_of_format_3(tmp_path) -> None:
    new, old = tmp_path / "new.jsonl", tmp_path / "old.jsonl"
    written = []
    book = journal(lambda line: not written.append(line), T0, {"g": Count(0), "h": Count(0)})
    for second in range(1, 100):
        drawn = {"g": Count(300_000 * second), "h": None if second > 50 else Count(second)}
        book.advance(T0 + second, drawn)
    packed = [line for line in written if line.startswith(b'"')]
    assert len(packed) > 90
    new.write_bytes(b"".join(written))
    old.write_bytes(b"".join(map(in_format_2, written)))

    ours, theirs = read_measurement(new).profile, read_measurement(old).profile

    assert new.stat().st_size < old.stat().st_size
    for one, other in ((ours.begins, theirs.begins), (ours.ends, theirs.ends)):
        assert one.tolist() == other.tolist()
    np.testing.assert_array_equal(ours.joules, theirs.joules)
    assert (ours.devices, ours.qualities) == (theirs.devices, theirs.qualities)


def in_format_2(line: bytes) -> bytes:
    if not line.startswith(b'"'):
        return line.replace(b'"v":3', b'"v":2')
    _, *numbers = unpacked(json.loads(line))
    return json.dumps(["5f0c9a1e", *numbers]).encode() + b"\n"


def test_two_agents_that_write_into_one_file_by_turns_are_told_apart(tmp_path) -> None:
    """Each of its own processor, so that both count."""
    log = tmp_path / "energy.jsonl"
    with log.open("wb") as file:
        books = [
            journal(lambda line: bool(file.write(line)), T0, {"cpu": Count(0, MODEL)}, seg)
            for seg in ("aaaaaaaa", "bbbbbbbb")
        ]
        for second in range(1, 400):
            for mw, book in zip((3, 50_000), books, strict=True):
                book.advance(T0 + second, {"cpu": Count(mw * second, MODEL)})

    assert round(read_measurement(log).profile.total * 1000) == 399 * 50_003


def test_a_counter_that_begins_anew_again_and_again_can_still_be_read(tmp_path) -> None:
    log = tmp_path / "energy.jsonl"
    with log.open("wb") as file:
        book = journal(lambda line: bool(file.write(line)), T0, {"g": Count(5)})
        for epoch in range(1, 5):
            book.advance(T0 + epoch, {"g": Count(5, epoch=epoch)})
        book.advance(T0 + 5, {"g": Count(8, epoch=4)})

    profile = read_measurement(log).profile

    assert (profile.total, profile.coverage) == (0.003, 0.2)


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
