"""Where to run: region, machine and window together, by what the job would emit and cost."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import ForecastCoverageError, NoFeasibleWindowError
from airflow_carbon.core.objective import Machine, Objective, Terms
from airflow_carbon.core.units import HOUR, GramsPerKWh
from airflow_carbon.core.window import Window, best_window

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.region import Region

EMISSIONS_ALONE: Final = Objective()


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """A region, a machine, and the window to run in there.

    ``g_per_it_kwh`` is what a kWh of the job itself emits there, the data centre's
    overhead included [gCO2eq/kWh].
    """

    region: Region
    machine: Machine
    window: Window
    forecast: Forecast
    g_per_it_kwh: GramsPerKWh
    terms: Terms


def rank(
    regions: Mapping[Region, Forecast | None],
    flex: Flexibility,
    objective: Objective = EMISSIONS_ALONE,
    own: Mapping[str, Flexibility] | None = None,
) -> tuple[list[Placement], dict[Region, str]]:
    """Return placements, the best by the objective first, and why other regions are left out.

    ``own`` is the flexibility of machines, by name, that have one of their own.
    A tie goes to the earlier start, then to the names. Average and marginal, lifecycle and
    direct don't compare: where a source of another kind had to stand in for some regions, the
    kind that most regions have is ranked (the first named, on a tie), and the others are left out.
    """
    kept, left_out = comparable(regions)
    placements: list[Placement] = []
    for region, forecast in kept.items():
        found, why = _in_region(region, forecast, flex, objective, own or {})
        placements += found
        if not found:
            left_out[region] = why
    placements.sort(
        key=lambda p: (
            round(p.terms.value(objective), 6),
            p.window.start,
            p.region.name,
            p.machine.name,
        )
    )
    return placements, left_out


def comparable(
    regions: Mapping[Region, Forecast | None],
) -> tuple[dict[Region, Forecast], dict[Region, str]]:
    """Return the forecasts of the kind that most have, and why the other regions are left out."""
    kinds = Counter(_kind(forecast) for forecast in regions.values() if forecast)
    kind = max(kinds, key=kinds.__getitem__, default=None)
    kept: dict[Region, Forecast] = {}
    left_out: dict[Region, str] = {}
    for region, forecast in regions.items():
        if forecast is None:
            left_out[region] = f"no source knows the intensity of {region.zone}"
        elif _kind(forecast) != kind:
            left_out[region] = (
                f"its {' '.join(_kind(forecast))} intensity, of {forecast.source}, "
                "does not compare with the others'"
            )
        else:
            kept[region] = forecast
    return kept, left_out


def pareto(placements: Sequence[Placement]) -> list[Placement]:
    """Return those that no other beats in both cost and emissions, by rising emissions.

    A placement whose cost is not known can't be compared, and is left out.
    """
    priced = [
        (p.terms.emissions_g, p.terms.cost, p) for p in placements if p.terms.cost is not None
    ]
    front, cheapest = list[Placement](), float("inf")
    for _, cost, place in sorted(priced, key=lambda one: one[:2]):
        if cost < cheapest:
            front.append(place)
            cheapest = cost
    return front


def _in_region(
    region: Region,
    forecast: Forecast,
    flex: Flexibility,
    objective: Objective,
    own: Mapping[str, Flexibility],
) -> tuple[list[Placement], str]:
    """Return a placement a machine, and what speaks against those that have none."""
    found, why = list[Placement](), dict[str, None]()
    for machine in objective.machines:
        if region.name in machine.barred:
            why[machine.barred[region.name]] = None
            continue
        try:
            sized = own.get(machine.name) or _sized(flex, machine)
            window = best_window(forecast.series, sized)
        except (ForecastCoverageError, NoFeasibleWindowError) as exc:
            why[str(exc)] = None
            continue
        terms = _terms(region, machine, sized, window, objective)
        fault = _fault(terms, objective)
        if fault:
            why[fault] = None
            continue
        grams = GramsPerKWh(window.mean_g_per_kwh * region.pue_or_default)
        found.append(
            Placement(
                region=region,
                machine=machine,
                window=window,
                forecast=forecast,
                g_per_it_kwh=grams,
                terms=terms,
            )
        )
    return found, "; ".join(why)


def _sized(flex: Flexibility, machine: Machine) -> Flexibility:
    """Return the flexibility of the job on a machine of another speed, or of its own duration."""
    whole = machine.duration or flex.duration / machine.speed
    speed = flex.duration / whole if machine.duration else machine.speed
    phases = tuple(replace(p, duration=p.duration / speed) for p in flex.phases)
    length = sum((p.duration for p in phases), timedelta(0)) or whole
    return replace(flex, duration=length, phases=phases)


def _terms(
    region: Region, machine: Machine, flex: Flexibility, window: Window, objective: Objective
) -> Terms:
    hours = flex.duration / HOUR
    energy = machine.power_kw * hours if machine.energy_kwh is None else machine.energy_kwh
    moves = objective.data_gb if region.name != objective.data_region else 0.0
    price = machine.price_in(region.name)
    return Terms(
        energy_kwh=energy,
        run_g=energy * region.pue_or_default * window.mean_g_per_kwh,
        moving_g=moves * objective.kwh_per_gb * window.mean_g_per_kwh,
        run_cost=None if price is None else price * hours,
        moving_cost=moves * objective.price_per_gb,
    )


def _fault(terms: Terms, objective: Objective) -> str:
    if terms.cost is None:
        return "its price is not known" if objective.needs_prices else ""
    if objective.max_cost is not None and terms.cost > objective.max_cost:
        return f"it costs {terms.cost:.2f}, over {objective.max_cost:.2f}"
    return ""


def _kind(forecast: Forecast) -> tuple[str, str]:
    return forecast.series.signal, forecast.series.factor_type
