"""Jobs that are under way: what is left of them, and what stopping costs them."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import strategies as st
from strategies import MINUTE, T0, region_of

from airflow_carbon.core.costs import Costs, Stopping
from airflow_carbon.core.flexibility import Flexibility, Phase
from airflow_carbon.core.plan import Place
from airflow_carbon.core.remaining import Remaining

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
PLACE = Place(zone="NL", region="westeurope")


SWEDEN = region_of("swedencentral", "SE-SE3", pue=1.0)
FRANCE = region_of("francecentral", "FR", pue=1.5)


def left_of(hours, span, **fields):
    flex = Flexibility(duration=hours * HOUR, earliest=T0, deadline=T0 + span * HOUR)
    return Remaining(flex=flex, place=PLACE, pue=1.0, **fields)


levels = st.sampled_from([0, 70, 80, 84, 85, 100, 115, 120, 121, 133, 250])
stoppings = st.builds(
    Stopping,
    energy_h=st.sampled_from([0.0, 0.25, 2.0]),
    g_per_kw=st.sampled_from([0.0, 5.0, 200.0]),
    time=st.sampled_from([0, 1, 25, 90]).map(lambda n: n * MINUTE),
    shortest=st.sampled_from([0, 0, 40]).map(lambda n: n * MINUTE),
    most=st.sampled_from([None, None, 1, 2, 4]),
)
all_costs = st.builds(
    Costs,
    stopping=stoppings,
    moving=st.one_of(st.none(), stoppings),
    min_saving=st.sampled_from([0.0, 0.01, 0.2]),
    min_saving_g_per_kw=st.sampled_from([0.0, 0.0, 150.0]),
)
intensities = st.lists(st.one_of(st.integers(0, 900), levels), min_size=4, max_size=12)
steps = st.sampled_from([15, 30, 60])


@st.composite
def runs(draw):
    """A job under way somewhere between its earliest start and its deadline, and now."""
    span = draw(st.integers(30, 540))
    length = draw(st.integers(10, span))
    gone = draw(st.integers(0, span - length))
    phases = ()
    if draw(st.booleans()):
        cut = draw(st.integers(1, length - 1))
        powers = draw(st.sampled_from([(0.0, 1.0), (1.0, 0.0), (0.3, 1.0), (2.0, 1.0)]))
        phases = tuple(
            Phase(duration=n * MINUTE, power=power)
            for n, power in zip((cut, length - cut), powers, strict=True)
        )
    blackouts = []
    for _ in range(draw(st.integers(0, 2))):
        begin = draw(st.integers(0, span))
        blackouts.append((T0 + begin * MINUTE, T0 + (begin + draw(st.integers(1, 90))) * MINUTE))
    flex = Flexibility(
        duration=length * MINUTE,
        earliest=T0,
        deadline=T0 + span * MINUTE,
        phases=phases,
        blackouts=tuple(blackouts),
    )
    done = draw(st.integers(0, min(gone, length - 1)))
    pue = draw(st.sampled_from([1.0, 1.2]))
    stops = draw(st.integers(0, 2))
    left = Remaining(flex=flex, place=PLACE, pue=pue, done=done * MINUTE, stops=stops)
    return left, T0 + gone * MINUTE
