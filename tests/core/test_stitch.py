"""One series from several that each know a part."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0

from airflow_carbon.core.errors import InvalidSeriesError
from airflow_carbon.core.intensity import IntensitySeries, Quality, Signal
from airflow_carbon.core.stitch import stitch

HOUR = timedelta(hours=1)


def part(begin, values, step=HOUR, **fields):
    return IntensitySeries(
        zone="DE", begins=T0 + begin * HOUR, step=step, g_per_kwh=np.array(values), **fields
    )


@given(cut=st.integers(1, 23), begin=st.floats(0, 11), length=st.floats(0.1, 12))
def test_what_was_cut_is_whole_again(cut, begin, length):
    whole = np.arange(24.0)
    parts = [
        (part(0, whole[:cut]), Quality.ACTUAL),
        (part(cut, whole[cut:]), Quality.ISSUED),
    ]
    span = T0 + begin * HOUR, T0 + (begin + length) * HOUR

    found = stitch(parts, "x", *span)

    assert found.series.mean(*span) == pytest.approx(part(0, whole).mean(*span), abs=1e-6)
    used_both = begin < cut < begin + length
    late = begin >= cut
    assert found.quality is (Quality.ISSUED if used_both or late else Quality.ACTUAL)


def test_the_first_that_knows_a_step_is_believed():
    parts = [
        (part(0, [1.0, 1]), Quality.ACTUAL),
        (part(1, [2.0, 2]), Quality.ISSUED),
        (part(0, [3.0] * 6), Quality.STALE),
    ]

    found = stitch(parts, "x", T0, T0 + 4 * HOUR)

    np.testing.assert_array_equal(found.series.g_per_kwh, [1, 1, 2, 3])
    assert found.quality is Quality.STALE


def test_the_finest_grid_is_kept():
    parts = [
        (part(0, [1.0, 2]), Quality.ACTUAL),
        (part(2, [4.0, 5, 6, 7], step=HOUR / 4), Quality.ISSUED),
    ]

    found = stitch(parts, "x", T0 + HOUR, T0 + 3 * HOUR)

    np.testing.assert_allclose(found.series.g_per_kwh, [2, 2, 2, 2, 4, 5, 6, 7])


def test_a_step_that_nobody_knows_leaves_nothing():
    parts = [(part(0, [1.0]), Quality.ACTUAL), (part(2, [1.0]), Quality.ISSUED)]

    assert stitch(parts, "x", T0, T0 + 3 * HOUR) is None
    assert stitch([], "x", T0, T0 + HOUR) is None


def test_signals_never_meet():
    parts = [
        (part(0, [1.0]), Quality.ACTUAL),
        (part(1, [1.0], signal=Signal.MARGINAL), Quality.ISSUED),
    ]

    with pytest.raises(InvalidSeriesError, match="signals"):
        stitch(parts, "x", T0, T0 + 2 * HOUR)
