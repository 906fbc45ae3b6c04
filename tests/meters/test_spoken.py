"""A log that is printed is heard again, whatever else is printed, or it is not heard at all."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.meters.spoken import CHARS, MOST_LINES, heard, said

logs = st.binary(max_size=30_000)
noise = st.lists(st.text(), max_size=8)


@given(logs, noise, st.randoms())
def test_what_is_said_is_heard_among_whatever_is_printed(log, others, order) -> None:
    lines = [*said(log), *others]
    order.shuffle(lines)
    assert heard("\n".join(lines)) == log


@given(st.binary(min_size=1, max_size=30_000), st.data())
def test_a_log_of_which_a_part_is_lost_is_not_heard(log, data) -> None:
    lines = list(said(log))
    lost = data.draw(st.integers(0, len(lines) - 1))
    assert heard("\n".join(lines[:lost] + lines[lost + 1 :])) is None


def test_a_line_that_was_cut_is_not_heard() -> None:
    (line,) = said(b"some joules")
    assert heard(line[:-3]) is None


@given(logs, logs)
def test_the_last_of_several_counts(first, last) -> None:
    assert heard("\n".join([*said(first), *said(last)])) == last


def test_a_log_that_is_too_long_is_not_said() -> None:
    # What has no pattern can't be compressed.
    assert not list(said(os.urandom(CHARS * MOST_LINES)))
