"""Logs of several machines in one file: each segment once, and where it was."""

from __future__ import annotations

import json

import pytest

from airflow_carbon.meters.joining import join
from airflow_carbon.meters.reading import read_measurement

T0 = 1_800_000_000.0


def log(file, seg, begin, joules, *, run_id="r1", torn=False):
    """Write what an agent leaves of two seconds."""
    run = {"dag_id": "d", "task_id": "train", "run_id": run_id}
    head = {"type": "segment", "v": 1, "seg": seg, "t": T0 + begin, "run": run}
    lines = [json.dumps(head)]
    for second in range(2):
        at = T0 + begin + second
        interval = {"t0": at, "t1": at + 1, "j": {"g": joules}, "q": {"g": "counter"}}
        lines.append(json.dumps({"type": "interval", "seg": seg, **interval}))
    lines.append('{"type":"interval","seg"' if torn else json.dumps(ended(seg, begin)))
    file.write_text("\n".join(lines) + ("" if torn else "\n"))
    return file


def ended(seg, begin):
    return {"type": "end", "seg": seg, "t": T0 + begin + 2, "rc": 0}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home.jsonl"


def test_segments_of_one_run_are_one_measurement_that_knows_its_places(home, tmp_path):
    join(home, log(tmp_path / "a", "s1", 0, 100.0, torn=True), "swedencentral")
    join(home, log(tmp_path / "b", "s2", 60, 7.0), "francecentral")

    measured = read_measurement(home)

    assert measured.segments == 2
    assert measured.ended
    assert measured.profile.total == pytest.approx(214)
    drawn = {place: one.total for place, one in measured.by_region.items()}
    assert drawn == {"swedencentral": 200.0, "francecentral": 14.0}


def test_a_log_that_is_fetched_twice_counts_once_and_stays_where_it_was(home, tmp_path):
    part = log(tmp_path / "a", "s1", 0, 100.0)
    join(home, part, "swedencentral")
    join(home, part, "francecentral")  # the next segment left no log: the blob is the old one

    measured = read_measurement(home)

    assert measured.segments == 1
    assert list(measured.by_region) == ["swedencentral"]


def test_the_log_of_another_run_leaves_the_file(home, tmp_path):
    join(home, log(tmp_path / "a", "s1", 0, 100.0, run_id="r1"), "swedencentral")
    join(home, log(tmp_path / "b", "s2", 60, 7.0, run_id="r2"), "swedencentral")

    assert read_measurement(home).profile.total == pytest.approx(14)


def test_a_log_that_was_never_joined_names_no_place(tmp_path):
    assert list(read_measurement(log(tmp_path / "a", "s1", 0, 1.0)).by_region) == [None]


def test_what_is_no_log_is_kept_as_it_is(home, tmp_path):
    (tmp_path / "odd").write_text("one\n")
    join(home, tmp_path / "odd", "swedencentral")

    assert home.read_text() == "one\n"
