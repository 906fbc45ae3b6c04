"""Software carbon intensity, by hand and by its laws."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.errors import InputError
from airflow_carbon.core.sci import Embodied, sci

CARD = {"kg": 1460, "lifespan": "1460d", "source": "by hand"}


def test_a_case_by_hand():
    # TE 1460 kg over 4 x 365 days: 1 kg a day. 6 h of a quarter of it: 1000 / 4 / 4 = 62.5 g.
    # With O = 750 g over 250 epochs: (750 + 62.5) / 250 = 3.25 g an epoch.
    built = Embodied.read({**CARD, "share": 0.25}).of(timedelta(hours=6))

    assert built == pytest.approx(62.5)
    assert sci(750, built, 250) == pytest.approx(3.25)
    assert sci(750, None, 250) == pytest.approx(3)
    assert sci(750, built, None) is None


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=20))
def test_who_uses_it_up_in_parts_is_charged_with_the_whole(parts):
    lifespan = timedelta(seconds=sum(parts))
    card = Embodied.read({**CARD, "lifespan": lifespan})

    assert sum(card.of(timedelta(seconds=part)) for part in parts) == pytest.approx(1460e3)


@pytest.mark.parametrize(
    "change",
    [
        {"source": ""},
        {"source": None},
        {"kg": "much"},
        {"kg": -1},
        {"kg": None},
        {"lifespan": "0h"},
        {"lifespan": None},
        {"share": 1.5},
        {"colour": "green"},
    ],
)
def test_what_can_not_be_is_refused(change):
    with pytest.raises(InputError):
        Embodied.read({**CARD, **change})
