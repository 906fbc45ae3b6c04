"""When a shared capacity is full."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from strategies import MINUTE, T0

from airflow_carbon.core.capacity import Capacity

taken = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 30)).map(
        lambda span: (T0 + span[0] * MINUTE, T0 + (span[0] + span[1]) * MINUTE)
    ),
    max_size=12,
)


@given(taken, st.integers(1, 4))
def test_a_minute_is_full_where_as_many_run_as_may(spans, slots):
    full = Capacity(name="gpu", slots=slots).full(spans)

    for i in range(95):
        minute = T0 + i * MINUTE
        running = sum(begin <= minute < end for begin, end in spans)
        assert any(begin <= minute < end for begin, end in full) == (running >= slots)
    assert list(full) == sorted(full)
    assert all(one[1] < other[0] for one, other in pairwise(full))


def test_what_ends_when_another_begins_leaves_no_gap_of_nothing():
    hour = timedelta(hours=1)

    assert Capacity(name="gpu", slots=1).full([(T0, T0 + hour), (T0 + hour, T0 + 2 * hour)]) == (
        (T0, T0 + 2 * hour),
    )
