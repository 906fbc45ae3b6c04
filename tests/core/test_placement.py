"""Where and when together."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, forecast_of, region_of, series_of

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.intensity import Forecast, IntensitySeries, Signal
from airflow_carbon.core.objective import Machine, Objective, Terms
from airflow_carbon.core.placement import pareto, rank
from airflow_carbon.core.region import DEFAULT_PUE, Region

FLEX = Flexibility(duration=timedelta(hours=1), earliest=T0, deadline=T0 + timedelta(hours=4))


def test_the_overhead_of_the_data_centre_counts():
    lean, fat = region_of("lean", pue=1.1), region_of("fat", pue=1.5)

    placements, _ = rank(
        {lean: forecast_of([100, 120, 130, 140]), fat: forecast_of([90, 90, 90, 90])}, FLEX
    )

    assert [p.region.name for p in placements] == ["lean", "fat"]
    assert placements[0].g_per_it_kwh == pytest.approx(110)


def test_a_region_without_a_published_overhead_gets_the_default_and_not_one():
    placements, _ = rank({region_of("somewhere"): forecast_of([100] * 4)}, FLEX)

    assert placements[0].g_per_it_kwh == pytest.approx(100 * DEFAULT_PUE)


def test_what_is_left_out_says_why():
    dark, short, good = region_of("dark"), region_of("short"), region_of("good")
    later = forecast_of([1, 1], begins=T0 + timedelta(days=3))

    placements, left_out = rank({dark: None, short: later, good: forecast_of([9] * 4)}, FLEX)

    assert [p.region.name for p in placements] == ["good"]
    assert "no source" in left_out[dark]
    assert "covers" in left_out[short]


def test_a_tie_goes_to_the_earlier_start_and_then_to_the_name():
    a, b, c = region_of("a"), region_of("b"), region_of("c")

    placements, _ = rank(
        {
            c: forecast_of([50, 90, 90, 90]),
            b: forecast_of([50, 90, 90, 90]),
            a: forecast_of([90, 50, 90, 90]),
        },
        FLEX,
    )

    assert [p.region.name for p in placements] == ["b", "c", "a"]


def test_a_machine_with_its_own_duration_and_energy_has_no_use_for_speed_and_power():
    machine = Machine(name="m", power_kw=9, speed=9, duration="2h", energy_kwh=3)

    (place,), _ = rank(
        {region_of("a", pue=1.0): forecast_of([100, 50, 60, 70])},
        FLEX,
        Objective(machines=(machine,)),
    )

    assert place.window.start == T0 + timedelta(hours=1)
    assert place.window.end - place.window.start == timedelta(hours=2)
    assert (place.terms.energy_kwh, place.terms.run_g) == (3, pytest.approx(3 * 55))


def test_a_machine_may_have_a_flexibility_of_its_own():
    later = replace(FLEX, earliest=T0 + timedelta(hours=2))
    machines = (Machine(name="a"), Machine(name="b"))

    placements, _ = rank(
        {region_of("x"): forecast_of([10, 20, 30, 40])},
        FLEX,
        Objective(machines=machines),
        {"b": later},
    )

    assert [place.window.start - T0 for place in placements] == [
        timedelta(0),
        timedelta(hours=2),
    ]


def test_average_and_marginal_never_meet_in_one_comparison():
    average = forecast_of([100] * 4)
    series = series_of([100] * 4)
    marginal = Forecast(
        series=IntensitySeries(
            zone=series.zone,
            begins=series.begins,
            step=series.step,
            g_per_kwh=series.g_per_kwh,
            signal=Signal.MARGINAL,
        ),
        issued_at=T0,
        source="m",
    )

    regions = {region_of("a"): average, region_of("b"): marginal, region_of("c"): average}
    placements, left_out = rank(regions, FLEX)

    assert {place.region.name for place in placements} == {"a", "c"}
    assert left_out == {
        region_of("b"): "its marginal lifecycle intensity, of m, does not compare with the others'"
    }


MACHINES = (
    Machine(name="small", power_kw=1, price_per_h=1),
    Machine(name="big", power_kw=4, speed=2, price_per_h={"near": 3, "far": 9}),
)
HOURS4 = Flexibility(duration=timedelta(hours=2), earliest=T0, deadline=T0 + timedelta(hours=4))


def two_places() -> dict[Region, Forecast]:
    return {
        region_of("near", pue=1.0): forecast_of([500, 400, 300, 400]),
        region_of("far", pue=1.2): forecast_of([100, 100, 100, 50]),
    }


def choices(objective: Objective) -> list[tuple[str, str]]:
    placements, _ = rank(two_places(), HOURS4, objective)
    return [(p.region.name, p.machine.name) for p in placements]


def test_every_term_is_reported_apart():
    objective = Objective(
        machines=MACHINES, data_gb=1000, data_region="near", kwh_per_gb=0.01, price_per_gb=0.02
    )
    placements, _ = rank(two_places(), HOURS4, objective)
    far = next(p for p in placements if (p.region.name, p.machine.name) == ("far", "big"))

    assert far.window.start == T0 + timedelta(hours=3)
    assert far.terms == Terms(
        energy_kwh=4, run_g=pytest.approx(4 * 1.2 * 50), moving_g=pytest.approx(500),
        run_cost=9, moving_cost=20,
    )  # fmt: skip
    assert far.terms.emissions_g == pytest.approx(740)
    assert far.terms.cost == 29


def test_data_that_is_already_there_is_not_moved():
    placements, _ = rank(two_places(), HOURS4, Objective(data_gb=9, data_region="near"))

    assert {p.region.name: p.terms.moving_g > 0 for p in placements} == {"near": False, "far": True}


def test_what_carbon_is_worth_decides_between_clean_and_cheap():
    assert choices(Objective(machines=MACHINES))[0] == ("far", "small")
    without = Objective(machines=MACHINES[1:], carbon_price_per_t=0)
    assert choices(without)[0] == ("near", "big")
    assert choices(replace(without, carbon_price_per_t=1e5))[0] == ("far", "big")


def test_data_may_be_too_much_to_move():
    assert choices(Objective(data_gb=1e6, data_region="near"))[0] == ("near", "")


def test_the_pareto_table_holds_what_nothing_beats_in_both():
    placements, _ = rank(two_places(), HOURS4, Objective(machines=MACHINES))

    front = pareto(placements)

    points = [(p.terms.emissions_g, p.terms.cost) for p in placements]
    for place in placements:
        mine = place.terms.emissions_g, place.terms.cost
        beaten = any(g <= mine[0] and c <= mine[1] and (g, c) != mine for g, c in points)
        assert (place in front) is not beaten


def test_what_costs_too_much_or_nobody_knows_how_much_is_left_out():
    dear = Objective(machines=(MACHINES[1],), max_cost=5)
    unknown = Objective(machines=(Machine(power_kw=1),), carbon_price_per_t=50)

    placements, left_out = rank(two_places(), HOURS4, dear)
    nobody, why = rank(two_places(), HOURS4, unknown)

    assert [p.region.name for p in placements] == ["near"]
    assert list(left_out.values()) == ["it costs 9.00, over 5.00"]
    assert nobody == []
    assert set(why.values()) == {"its price is not known"}


def test_a_machine_too_slow_for_the_deadline_is_no_choice():
    slow = Objective(machines=(Machine(name="slow", speed=0.25), Machine(name="fast")))

    assert choices(slow) == [("far", "fast"), ("near", "fast")]


PAIRS = [(region, name) for region in ("near", "far") for name in ("a", "b")]


@given(st.sets(st.sampled_from(PAIRS)))
def test_a_machine_that_is_barred_somewhere_is_a_choice_everywhere_else(barred):
    free = choices(Objective(machines=(Machine(name="a"), Machine(name="b", speed=0.6))))
    why = {
        name: {region: f"no {name}" for region, other in barred if other == name} for name in "ab"
    }
    machines = (Machine(name="a", barred=why["a"]), Machine(name="b", speed=0.6, barred=why["b"]))
    objective = Objective(machines=machines)

    assert choices(objective) == [pair for pair in free if pair not in barred]
    _, left_out = rank(two_places(), HOURS4, objective)
    shut = {region for region, _ in PAIRS if {(region, "a"), (region, "b")} <= barred}
    assert {region.name: said for region, said in left_out.items()} == dict.fromkeys(
        shut, "no a; no b"
    )
    assert {region for region, _ in PAIRS if objective.bars(region)} == shut


def test_more_places_and_machines_never_emit_more():
    one, _ = rank(dict(list(two_places().items())[:1]), HOURS4, Objective(machines=MACHINES[:1]))
    more, _ = rank(two_places(), HOURS4, Objective(machines=MACHINES))

    assert more[0].terms.emissions_g <= one[0].terms.emissions_g


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ({"carbon_price": 5}, "objective='carbon_price'"),
        ({"carbon_price_per_t": -5}, "a number, 0 or more"),
        ({"machines": []}, "name one or more"),
        ({"machines": [{"power": 5}]}, "machines='power'"),
        ({"machines": {"power_kw": 0}}, "a number above 0"),
        ({"data_gb": 5}, "data_region="),
        ("cheap", "a mapping with carbon_price_per_t"),
    ],
)
def test_an_objective_that_can_not_be_says_so(value, says):
    with pytest.raises(InvalidOptionError, match=says):
        Objective.read(value)


def test_an_objective_reads_from_plain_values():
    read = Objective.read(
        {"carbon_price_per_t": "80", "machines": [{"name": "a", "price_per_h": {"near": "1.5"}}]}
    )

    assert read.machines == (Machine(name="a", price_per_h={"near": 1.5}),)
    assert Objective.read(None) == Objective()
