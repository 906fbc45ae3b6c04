"""The quantile that past runs tell: its laws, against an oracle that shares no code."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.core.auto import Auto, LearnFrom, Question, parse_energy, plain_source
from airflow_carbon.core.errors import InputError, InvalidDurationError, InvalidOptionError
from airflow_carbon.core.estimate import History, PastRun, fewest, upper
from airflow_carbon.core.objective import Machine
from airflow_carbon.core.sizing import taught

HOUR = timedelta(hours=1)

values = st.one_of(st.sampled_from([1.0, 2.0, 2.0, 3.0]), st.floats(0, 1e6, allow_nan=False))
levels = st.integers(1, 19).map(lambda twentieths: twentieths / 20)


def samples(least=1):
    return st.lists(values, min_size=least, max_size=60)


@given(samples(20), levels)
def test_of_any_values_left_out_in_turn_enough_are_not_above_what_the_others_tell(xs, level):
    """The promise itself: as often as not more than 1 - level is the next above the bound."""
    others = [(one, xs[:i] + xs[i + 1 :]) for i, one in enumerate(xs)]
    if len(xs) - 1 < fewest(level):
        return
    covered = sum(one <= upper(rest, level) for one, rest in others)

    assert covered * 20 >= round(level * 20) * len(xs)


@given(samples(), levels)
def test_it_is_one_of_the_values_or_nothing_and_never_looser_than_needed(xs, level):
    told = upper(xs, level)

    if told is None:
        assert len(xs) < 5 or len(xs) * 20 < round(level * 20) * (len(xs) + 1)
        return
    assert told in xs
    below = sum(x < told for x in xs)
    assert below * 20 < round(level * 20) * (len(xs) + 1) <= 20 * sum(x <= told for x in xs)


@given(samples(), levels, levels)
def test_a_higher_quantile_is_never_lower(xs, one, other):
    low, high = upper(xs, min(one, other)), upper(xs, max(one, other))

    assert high is None or low <= high


@given(samples(), levels, st.randoms())
def test_the_order_of_runs_says_nothing(xs, level, random):
    mixed = random.sample(xs, len(xs))

    assert upper(mixed, level) == upper(xs, level)


@given(values, st.integers(0, 60), levels)
def test_runs_that_are_all_alike_tell_just_that(value, n, level):
    assert upper([value] * n, level) in {None, value}


@given(samples(20), levels, st.floats(0.1, 100))
def test_another_unit_changes_nothing(xs, level, factor):
    told = upper([x * factor for x in xs], level)

    assert told == (None if upper(xs, level) is None else upper(xs, level) * factor)


@pytest.mark.parametrize(("level", "least"), [(0.5, 5), (0.8, 5), (0.9, 9), (0.95, 19), (0.7, 5)])
def test_so_few_runs_are_too_few(level, least):
    assert fewest(level) == least
    assert upper([1.0] * (least - 1), level) is None
    assert upper([1.0] * least, level) == 1.0


def test_a_rank_is_counted_exactly_where_floating_point_would_go_one_too_far():
    assert 25 * 0.56 > 14
    assert upper(range(1, 25), 0.56) == 14


def runs(*hours, kwh=1.0):
    return tuple(PastRun(duration=h * HOUR, energy_kwh=kwh and kwh * h) for h in hours)


def test_nine_runs_tell_the_longest_and_the_median_energy():
    history = History(runs=runs(*range(1, 10)))

    assert history.duration().value == 9 * HOUR
    assert history.duration().origin == "0.9 quantile of 9 past runs"
    assert history.energy_kwh().value == 5.0
    assert history.energy_kwh().origin == "median of 9 past runs"


def test_a_run_whose_energy_is_not_all_known_still_tells_how_long():
    history = History(runs=(*runs(1, 2, 3, 4), *runs(*[5] * 5, kwh=None)))

    assert history.duration().value == 5 * HOUR
    assert history.energy_kwh() == "4 past runs of the 5 that it takes"


def test_too_few_runs_give_way_to_the_fallback_and_it_says_so():
    found = Auto.read("duration", "Auto, else 2h").duration(History(runs=runs(5)), 0.9)

    assert found.value == 2 * HOUR
    assert found.origin == "fallback: 1 past run of the 9 that it takes"
    assert not found.is_learned


def test_a_ledger_that_is_away_is_named_in_the_fallback():
    found = Auto.read("energy_kwh", "auto else 3.5 kWh").energy_kwh(History(fault="it is down"))

    assert (found.value, found.origin) == (3.5, "fallback: it is down")


def test_without_a_fallback_the_error_says_to_give_one():
    with pytest.raises(InvalidOptionError, match=r"0 past runs of the 9.*'auto, else 2h'"):
        Auto.read("duration", "auto").duration(History(), 0.9)
    with pytest.raises(InvalidOptionError, match=r"a new task has no past runs.*'auto, else 3.5'"):
        Auto.read("energy_kwh", "auto").check()
    with pytest.raises(InvalidDurationError, match="duration='soon'"):
        Auto.read("duration", "auto, else soon").check()


@pytest.mark.parametrize("value", ["2h", "automatic", "autoelse 2h", 4, None, timedelta(hours=1)])
def test_what_is_not_auto_is_left_alone(value):
    assert Auto.read("duration", value) is None


@pytest.mark.parametrize("value", ["", "0", "-1", "much", "kWh", None, float("nan")])
def test_what_is_no_energy_is_refused(value):
    with pytest.raises(InvalidOptionError, match=r"in kWh, such as 3\.5"):
        parse_energy("energy_kwh", value)


@pytest.mark.parametrize(
    ("text", "dag", "tasks"),
    [
        ("nightly/train", "nightly", ("train",)),
        ("my.dag/group.train", "my.dag", ("group.train",)),
        ({"dag": "d", "task": "a, b"}, "d", ("a", "b")),
        ({"dag": "d"}, "d", ()),
    ],
)
def test_whose_runs_is_read_from_text_or_a_mapping(text, dag, tasks):
    source = LearnFrom.read(text)

    assert (source.dag, source.tasks, source.size) == (dag, tasks, None)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("train", "name the DAG"),
        ({"dag": "d", "tsak": "t"}, "learn_from='tsak'"),
        (5, "a task's id"),
        ({"dag": "d", "quantile": 1}, "between 0 and 1"),
        ({"dag": "d", "quantile": 0.99}, "the 0.99 quantile takes 99 runs"),
        ({"dag": "d", "newest": 3}, "takes 9 runs or more"),
    ],
)
def test_a_source_that_can_not_be_says_what_to_write(value, says):
    with pytest.raises(InputError, match=says):
        LearnFrom.read(value)


def test_what_is_usual_yields_to_what_is_said():
    assert plain_source({"task": "t"}, dag="own", task="after") == {"dag": "own", "task": "t"}
    assert plain_source(None, dag="own", task="after") == {"dag": "own", "task": "after"}


def asked(duration="auto, else 4h", energy_kwh="auto"):
    return Question.read(duration=duration, energy_kwh=energy_kwh, learn_from="d/t")


def test_a_size_that_is_known_takes_what_its_runs_tell():
    machine, answer = taught(Machine(name="a"), asked(), History(runs=runs(*[3] * 9)))

    assert (machine.duration, machine.energy_kwh) == (3 * HOUR, 3.0)
    assert answer.sentence() == (
        "the job takes 3:00:00 (0.9 quantile of 9 past runs), draws 3 kWh (median of 9 past runs)"
    )


@pytest.mark.parametrize(
    ("declared", "duration", "energy"),
    [
        ({"duration": "5h", "energy_kwh": 7}, 5 * HOUR, 7.0),
        ({"speed": 2}, 2 * HOUR, None),
        ({}, 4 * HOUR, None),
    ],
)
def test_a_size_that_is_not_known_is_as_declared(declared, duration, energy):
    machine, answer = taught(Machine(name="a", **declared), asked(), History())

    assert (machine.duration, machine.energy_kwh) == (duration, energy)
    assert answer.duration.origin.startswith("fallback: 0 past runs")


def test_the_fallback_that_was_asked_for_is_the_energy_of_who_declares_none():
    question = asked("2h", "auto, else 3")

    assert taught(Machine(), question, History())[0].energy_kwh == 3
    assert taught(Machine(energy_kwh=8), question, History())[0].energy_kwh == 8
    assert taught(Machine(), question, History())[0].duration is None
