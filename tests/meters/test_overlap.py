"""Several agents on one device: each millijoule once, each second known or missing."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.energy import EnergyQuality
from airflow_carbon.meters.overlap import Span, counted_once, once
from airflow_carbon.meters.reading import read_measurement

GPU = "GPU-00000000-0000-4000-8000-000000000000"

AGENT = st.lists(st.tuples(st.integers(1, 5), st.booleans()), max_size=8)


@st.composite
def agents(draw):
    """Spans of agents that read one counter, which draws a known energy in each second."""
    watts = draw(st.lists(st.integers(0, 900), min_size=60, max_size=60))
    shown = [0]
    for one in watts:
        shown.append(shown[-1] + one * 1000)
    spans = []
    for number in range(draw(st.integers(1, 3))):
        at = draw(st.integers(0, 10))
        for length, known in draw(AGENT):
            joules = (shown[at + length] - shown[at]) / 1000 if known else None
            spans.append(Span(at, at + length, joules, shown[at + length], number))
            at += length
    return watts, spans


@given(agents())
def test_what_is_known_of_each_second_is_counted_once_and_exactly(drawn) -> None:
    """Against a count second by second."""
    watts, spans = drawn
    known = {s for span in spans if span.joules is not None for s in range(span.begins, span.ends)}
    seen = {second for span in spans for second in range(span.begins, span.ends)}

    counted = once(spans)

    assert all(before.ends <= after.begins for before, after in pairwise(counted))
    assert sum(span.joules or 0 for span in counted) == sum(watts[second] for second in known)
    missing = sum(span.ends - span.begins for span in counted if span.joules is None)
    assert missing == len(seen - known)


def test_without_a_counter_an_overlap_is_shared_by_time() -> None:
    counted = once([Span(0, 10, 10.0, None, 1), Span(5, 15, 30.0, None, 2)])

    assert [span.joules for span in counted] == [10.0, pytest.approx(15.0)]


def test_counters_that_begin_with_each_segment_are_not_compared() -> None:
    """RAPL's: what one has counted so far says nothing of what another has."""
    rows = {
        1: (0.0, 10.0, 10.0, "cpu:package-0", EnergyQuality.COUNTER),
        2: (5.0, 15.0, 10.0, "cpu:package-0", EnergyQuality.COUNTER),
    }
    sources = {1: ("a", 10_000), 2: ("b", 11_000)}

    counted = dict(counted_once(rows, sources, {"a": "boot", "b": "boot"}))
    apart = dict(counted_once(rows, sources, {"a": "boot", "b": "another"}))

    assert counted[2] == (10.0, 15.0, 5.0, "cpu:package-0", EnergyQuality.COUNTER)
    assert apart == rows


def test_logs_of_several_ranks_are_one_run(gpus) -> None:
    """Each rank's agent sees all GPUs of the node; each rank has its own processors."""
    gpus.state(f"since {time.monotonic()}; power_mw 300000")
    logs = [gpus.folder / f"rank{rank}.jsonl" for rank in range(2)]
    ranks = [gpus.start("sleep 0.6", out=log) for log in logs]
    for rank in ranks:
        rank.communicate(timeout=60)

    alone = [read_measurement(log).profile for log in logs]
    both = read_measurement(*logs).profile

    whole = both.joules_of(lambda device: device == GPU)
    assert whole < 1.5 * max(one.joules_of(lambda device: device == GPU) for one in alone)
    assert whole == pytest.approx(300 * (both.ends.max() - both.begins.min()), rel=0.1)
    assert both.joules_of(lambda device: device.startswith("memory")) == pytest.approx(
        sum(one.joules_of(lambda device: device == "memory") for one in alone)
    )
