"""What the agent wrote is what Airflow's side reads, and nothing is counted twice."""

from __future__ import annotations

import json
import pickle
from itertools import accumulate, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.energy import EnergyQuality
from airflow_carbon.core.errors import MeasurementError
from airflow_carbon.meters.counting import Count, Power, Tally
from airflow_carbon.meters.log import End, Segment, encode_end, encode_interval, encode_segment
from airflow_carbon.meters.reading import read_measurement

T0 = 1_800_000_000.0


@pytest.fixture
def log(tmp_path):
    return tmp_path / "energy.jsonl"


def segment(seg: str = "5f0c9a1e", begins: float = T0, **run: str) -> bytes:
    return encode_segment(
        Segment(
            seg=seg,
            t=begins,
            run=run,
            host="node",
            boot_id="",
            agent="0.1.0",
            interval_s=1.0,
            command="python",
            devices=(),
            raw_mj={},
        )
    )


def intervals(readings, seg: str = "5f0c9a1e", begins: float = T0) -> list[bytes]:
    """The lines of one reading a second."""
    tally = Tally.begin(begins, {"g": readings[0]})
    lines = []
    for second, reading in enumerate(readings[1:], start=1):
        tally, interval = tally.advance(begins + second, {"g": reading})
        lines.append(encode_interval(seg, interval))
    return lines


def counts(*mj: int | None) -> list[Count | None]:
    return [None if reading is None else Count(reading) for reading in mj]


STEPS = st.lists(st.tuples(st.integers(0, 900_000), st.booleans()), min_size=2, max_size=30)


@given(STEPS)
def test_the_energy_between_the_first_and_the_last_reading_is_exact(tmp_path_factory, steps):
    """Whichever readings fail, the sum is the difference of the outermost good ones."""
    counter = list(accumulate(step for step, _ in steps))
    readings = [c if good else None for c, (_, good) in zip(counter, steps, strict=True)]
    log = tmp_path_factory.mktemp("law") / "energy.jsonl"
    log.write_bytes(segment() + b"".join(intervals(counts(*readings))))

    profile = read_measurement(log).profile

    good = [(second, mj) for second, mj in enumerate(readings) if mj is not None] or [(0, 0)]
    (first, least), (last, most) = good[0], good[-1]
    assert profile.total == pytest.approx((most - least) / 1000, abs=1e-6)
    known = ~np.isnan(profile.joules)
    assert (profile.ends - profile.begins)[known].sum() == last - first
    assert (profile.ends - profile.begins).sum() == len(steps) - 1


@given(st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=2, max_size=30))
def test_no_counter_however_odd_gives_negative_energy_or_overlaps(tmp_path_factory, readings):
    log = tmp_path_factory.mktemp("law") / "energy.jsonl"
    log.write_bytes(segment() + b"".join(intervals(counts(*readings))))

    profile = read_measurement(log).profile

    assert not (profile.joules < 0).any()
    spans = sorted(zip(profile.begins, profile.ends, strict=True))
    assert all(end <= begin for (_, end), (begin, _) in pairwise(spans))


def test_a_gap_that_a_counter_bridged_is_one_interval(log) -> None:
    log.write_bytes(segment() + b"".join(intervals(counts(1000, 2000, None, None, 5000, 6000))))

    profile = read_measurement(log).profile

    assert profile.begins.tolist() == [T0, T0 + 1, T0 + 4]
    assert profile.joules.tolist() == [1.0, 3.0, 1.0]
    assert profile.coverage == 1.0


def test_energy_before_a_reset_within_a_gap_stays_unknown(log) -> None:
    log.write_bytes(segment() + b"".join(intervals(counts(5000, None, 100, 200))))

    profile = read_measurement(log).profile

    assert profile.total == pytest.approx(0.1)
    assert profile.qualities.count(EnergyQuality.MISSING) == 2


def test_power_over_a_gap_is_unknown(log) -> None:
    watts = [Power(100.0), Power(300.0), None, Power(100.0), Power(100.0)]
    log.write_bytes(segment() + b"".join(intervals(watts)))

    measured = read_measurement(log)

    assert measured.method == "power"
    assert np.nan_to_num(measured.profile.joules, nan=-1).tolist() == [200.0, -1, -1, 100.0]


def test_an_energy_that_was_read_and_one_that_was_modelled_are_told_apart(gpus) -> None:
    gpus.state("power_mw 300000")
    names = {"DAG_ID": "nightly", "TASK_ID": "train", "DAG_RUN_ID": "r1", "TRY_NUMBER": "2"}
    busy = 'i=0; while [ "$i" -lt 100000 ]; do i=$((i+1)); done; exit 3'

    gpus.run(busy, **{f"AIRFLOW_CTX_{name}": value for name, value in names.items()})
    measured = read_measurement(gpus.out)

    assert measured.method == "counter+model"
    assert (measured.ended, measured.return_code, measured.segments) == (True, 3, 1)
    assert dict(measured.run)["try_number"] == 2
    assert measured.profile.coverage == 1.0
    gpu = measured.profile.joules_by(EnergyQuality.COUNTER)
    assert gpu == pytest.approx(gpus.joules(f"GPU-{0:08d}-0000-4000-8000-000000000000"))


def test_the_try_that_was_killed_and_the_next_are_both_counted(log) -> None:
    first = intervals(counts(0, 1000), "aaaaaaaa")
    second = intervals(counts(5000, 5500), "bbbbbbbb", T0 + 60)
    end = encode_end("bbbbbbbb", End(T0 + 61, 0))
    killed = segment("aaaaaaaa", run_id="r1") + first[0] + first[0][:20]
    log.write_bytes(killed)

    alone = read_measurement(log)
    log.write_bytes(killed + b"\n" + segment("bbbbbbbb", T0 + 60, run_id="r2") + second[0] + end)
    both = read_measurement(log)

    assert (alone.ended, alone.return_code, alone.profile.total) == (False, None, 1.0)
    assert (both.ended, both.return_code, both.segments) == (True, 0, 2)
    assert both.profile.total == 1.5
    assert both.run == {"run_id": "r2"}


def test_kinds_of_lines_that_are_not_known_are_passed_over(log) -> None:
    more = b'{"type":"gap","seg":"5f0c9a1e","j":3.0}\n[1]\n17\n'
    log.write_bytes(segment() + more + intervals(counts(0, 1000))[0])

    assert read_measurement(log).profile.total == 1.0


@pytest.mark.parametrize(
    ("content", "remedy"),
    [
        (None, "--out"),
        (b"", "stderr"),
        (b"date,kwh\n2026-11-21,3\n", "--out"),
        (b'{"a": 1}\n', "--out"),
        (segment().replace(b'"v":3', b'"v":4'), "upgrade"),
        (segment(), "run it again"),
        (segment() + b'{"type":"interval","seg":"5f0c9a1e"}\n', "as it was"),
        (segment() + intervals(counts(0, 1))[0].replace(b"0.001", b"-1"), "as it was"),
        (b"\xff\xfe\x00", "--out"),
    ],
)
def test_what_is_no_measurement_is_refused_with_what_to_do(log, content, remedy) -> None:
    if content is not None:
        log.write_bytes(content)

    with pytest.raises(MeasurementError, match=remedy) as refused:
        read_measurement(log)

    assert refused.value.path == str(log)
    assert str(pickle.loads(pickle.dumps(refused.value))) == str(refused.value)  # noqa: S301 - our own


def test_a_folder_is_no_measurement(tmp_path) -> None:
    with pytest.raises(MeasurementError, match="directory"):
        read_measurement(tmp_path)


def test_each_line_is_one_object_without_spare_blanks() -> None:
    line = segment(dag_id="nightly \u2028 train")

    assert line.count(b"\n") == 1
    assert json.dumps(json.loads(line), separators=(",", ":")).encode() + b"\n" == line
