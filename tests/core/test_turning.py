"""When a grid turns clean."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import MINUTE, T0

from airflow_carbon.core.errors import InputError
from airflow_carbon.core.turning import Spell, Turning, turned

looks = st.lists(
    st.tuples(st.integers(1, 90), st.one_of(st.floats(0, 400), st.sampled_from([100.0, 105.0]))),
    max_size=60,
)
rules = st.builds(
    Turning,
    below=st.just(100.0),
    dirty_above=st.sampled_from([None, 100.0, 150.0, 300.0]),
    min_between=st.sampled_from([None, 30 * MINUTE, 5 * 60 * MINUTE]),
)


def watch(rule, seen, forget=()):
    """Return the looks (instant, intensity) and of which of them there was an event."""
    spell, now, all_looks, events = Spell(), T0, [], []
    for i, (minutes, g) in enumerate(seen):
        now += minutes * MINUTE
        if i in forget:
            spell = Spell.read(spell.as_dict())  # a restart: what was kept is read again
        spell, fired = turned(spell, g, rule.limits(None), rule, now=now)
        all_looks.append((now, g))
        if fired:
            events.append(i)
    return all_looks, events


@given(rule=rules, seen=looks)
def test_there_is_an_event_only_while_the_grid_is_clean(rule, seen):
    all_looks, events = watch(rule, seen)

    assert all(all_looks[i][1] <= 100 for i in events)


@given(rule=rules, seen=looks)
def test_between_two_events_the_grid_was_dirty_and_the_least_time_passed(rule, seen):
    all_looks, events = watch(rule, seen)
    _, dirty = rule.limits(None)
    for one, two in pairwise(events):
        assert any(g > dirty for _, g in all_looks[one:two])
        assert all_looks[two][0] - all_looks[one][0] >= (rule.min_between or timedelta(0))


@given(rule=rules, seen=looks)
def test_the_first_clean_look_is_an_event_and_no_later_spell_is_lost(rule, seen):
    all_looks, events = watch(rule, seen)
    _, dirty = rule.limits(None)
    armed, last = True, None
    for i, (now, g) in enumerate(all_looks):
        armed = armed or g > dirty
        free = last is None or rule.min_between is None or now - last >= rule.min_between
        if armed and g <= 100 and free:
            assert i in events
            armed, last = False, now
        else:
            assert i not in events


@given(rule=rules, seen=looks, forget=st.sets(st.integers(0, 60)))
def test_a_restart_that_kept_its_notes_changes_nothing(rule, seen, forget):
    assert watch(rule, seen, forget) == watch(rule, seen)


@pytest.mark.parametrize("notes", [None, {}, {"armed": 1}, "x", {"armed": False, "fired_at": "?"}])
def test_notes_that_can_not_be_read_are_no_notes(notes):
    assert Spell.read(notes) == Spell()


def test_a_percentile_is_of_the_week_and_without_one_there_is_no_limit():
    rule = Turning(below_percentile=25)

    assert rule.limits(None) is None
    assert rule.limits(np.array([])) is None
    assert rule.limits(np.array([100.0, 200.0, 300.0, 400.0, 500.0])) == pytest.approx((200, 210))
    assert Turning(below_percentile=90, dirty_above=50).limits(np.array([100.0])) is None


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"below": 100, "below_percentile": 10},
        {"below": -1},
        {"below": "low"},
        {"below_percentile": 101},
        {"below": 100, "dirty_above": 90},
        {"below": 100, "min_between": "0h"},
    ],
)
def test_what_can_not_be_is_refused(fields):
    with pytest.raises(InputError):
        Turning(**fields)
