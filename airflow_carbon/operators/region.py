"""``ChooseRegionOperator``: the region and the window in which a job emits least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator

from airflow_carbon.azure.regions import permitted, resident
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.auto import Auto, parse_energy
from airflow_carbon.core.errors import NoRegionLeftError
from airflow_carbon.core.objective import Objective
from airflow_carbon.hooks.azure import DEFAULT_CONN_ID as AZURE_CONN_ID
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.market import Market, described
from airflow_carbon.hooks.pools import pool_policy
from airflow_carbon.operators.sizing import fitted
from airflow_carbon.triggers.learning import learning
from airflow_carbon.triggers.request import SUBMITTED, check_times, is_template, plain_policy

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.placement import Placement
    from airflow_carbon.core.policy import Policy
    from airflow_carbon.core.region import Region

SHOWN: Final = 5
"""How many placements the XCom and the log show."""


class ChooseRegionOperator(BaseOperator):
    """Picks, among the allowed regions, the one and the window of lowest emissions.

    The overhead of each region's data centres (PUE) counts. The XCom is a dictionary, and
    key by key (``choose.output["region"]``): region, zone, start, end, mean_g_per_kwh, pue,
    g_per_it_kwh (what a kWh of the job emits there, overhead included), source, issued_at,
    quality, runner_up (the next best, None where there is none), ranking (the first five),
    left_out (region: why), duration, duration_from. It feeds
    ``CarbonAwareSensor(region=choose.output["region"], duration=choose.output["duration"])``. With
    an objective or sizes also: machine, terms (energy [kWh], emissions [gCO2eq] and cost, apart)
    and pareto (those that no other beats in both emissions and cost); with sizes: currency, spot.

    :param regions: names, geographies, countries, or ``all``; a list, or text with commas.
    :param residency: where the data must stay (``EU``, ``EEA``, a geography, a country): of
        the ``regions`` only those that lie there are asked.
    :param deny: regions that are never used, whatever they would save; as for ``regions``.
    :param objective: an :class:`~airflow_carbon.core.objective.Objective`, or a mapping of the
        same names: machine sizes with power, speed and prices, the price of carbon, data that
        has to be moved. Without it, the emissions of a kWh of the job decide.
    :param sizes: Azure's machine sizes (``Standard_NC24ads_A100_v4``) to choose from. What they
        cost in each region is looked up in Azure's price list where the objective's machine of
        that name gives no price, and where they may be had in the subscription.
    :param spot: prices and quota of spot machines.
    :param currency: of the prices that are looked up.
    :param azure_conn_id: the connection of type ``azure``, used where sizes are given.
    :param duration: how long the job takes, as for the sensor; so are ``deadline``,
        ``max_delay``, ``earliest``, ``policy``, ``learn_from`` and ``carbon_conn_id``. With
        ``auto`` each machine takes what it took in the past runs on its size; with too few of
        them what it declares, else the fallback.
    :param energy_kwh: what the job draws, for machines that don't declare it; or ``auto``: the
        median of past runs on the machine's size, else as for the duration.

    Raises:
        InputError: at DAG parse where the mistake is visible there.
    """

    template_fields: Sequence[str] = (
        "regions",
        "residency",
        "deny",
        "objective",
        "sizes",
        "currency",
        "azure_conn_id",
        "duration",
        "energy_kwh",
        "learn_from",
        "deadline",
        "max_delay",
        "earliest",
        "policy",
        "carbon_conn_id",
        "submitted",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        regions: str | Sequence[str] = "all",
        residency: str | Sequence[str] = "all",
        deny: str | Sequence[str] = (),
        objective: Mapping[str, Any] | None = None,
        sizes: str | Sequence[str] = (),
        spot: bool = False,
        currency: str = "USD",
        azure_conn_id: str = AZURE_CONN_ID,
        duration: timedelta | str | Sequence[tuple[timedelta | str, float]],
        energy_kwh: float | str | None = None,
        learn_from: str | Mapping[str, Any] | None = None,
        deadline: datetime | str | None = None,
        max_delay: timedelta | str | None = None,
        earliest: datetime | str | None = None,
        policy: Policy | Mapping[str, Any] | str | None = None,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.regions = regions
        self.residency = residency
        self.deny = deny
        self.objective = objective
        self.sizes = sizes
        self.spot = spot
        self.currency = currency
        self.azure_conn_id = azure_conn_id
        self.duration = duration
        self.energy_kwh = energy_kwh
        self.learn_from = learning(learn_from, duration, energy_kwh)
        self.deadline = deadline
        self.max_delay = max_delay
        self.earliest = earliest
        self.policy = plain_policy(pool_policy(self.pool) if policy is None else policy)
        self.carbon_conn_id = carbon_conn_id
        self.submitted = SUBMITTED
        declared = () if is_template(objective) else Objective.read(objective).machines
        check_times(self, has_fallback=all(one.duration for one in declared))
        if not (energy_kwh is None or is_template(energy_kwh) or Auto.read("", energy_kwh)):
            parse_energy("energy_kwh", energy_kwh)
        if not any(map(is_template, (regions, residency, deny))):
            resident(regions, residency, deny)
        if not any(map(is_template, (objective, sizes, currency))):
            described(Objective.read(objective), self._market().sizes)

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Ask for each region's forecast, rank, and return the best."""
        from airflow_carbon.core.placement import rank

        allowed = resident(self.regions, self.residency, self.deny)
        _, left_out = permitted(self.regions, self.residency, self.deny)
        objective = Objective.read(self.objective)
        if self.sizes:
            objective = self._market().outfit(objective, allowed)
        barred = {one: why for one in allowed if (why := objective.bars(one.name))}
        left_out |= barred
        allowed = [one for one in allowed if one not in barred]
        hook = CarbonHook(self.carbon_conn_id)
        job = fitted(self, objective, hook)
        forecasts = _forecasts(hook, allowed, job.longest)
        placements, unranked = rank(forecasts, job.flex, job.objective, job.own)
        left_out |= unranked
        self._say(left_out)
        if not placements:
            if not allowed or rank(forecasts, job.flex)[0]:
                raise NoRegionLeftError({one.name: why for one, why in left_out.items()})
            default = hook.options().default_region
            fallback = region_by_name(default) if default else allowed[0]
            fallback = fallback if fallback in allowed else allowed[0]
            self.log.warning("no source knows any region: %s it is, unranked", fallback.name)
            return _unranked(fallback, left_out) | job.origins(job.flex.duration)
        for place in placements[:SHOWN]:
            self.log.info(_line(place))
        best = placements[0]
        length = best.window.end - best.window.start
        chosen = _chosen(placements, left_out) | job.origins(length, best.machine.name)
        if self.objective is not None or self.sizes:
            chosen |= _weighed(placements)
        if self.sizes:
            chosen |= {"currency": self.currency.upper(), "spot": self.spot}
        return chosen

    def _market(self) -> Market:
        hook = AzureHook(self.azure_conn_id)
        return Market.read(hook, self.sizes, spot=self.spot, currency=self.currency)

    def _say(self, left_out: Mapping[Region, str]) -> None:
        for why in dict.fromkeys(left_out.values()):
            names = ", ".join(one.name for one, said in left_out.items() if said == why)
            self.log.info("left out, because %s: %s", why, names)


def _forecasts(
    hook: CarbonHook, regions: list[Region], flex: Flexibility
) -> dict[Region, Forecast | None]:
    """Ask once for each grid zone, however many regions stand in it."""
    zones = {region.zone for region in regions}
    known = {zone: hook.forecast(zone, flex, strict=True) for zone in sorted(zones)}
    return {region: known[region.zone] for region in regions}


def _line(place: Placement) -> str:
    from airflow_carbon.core.plan import clock_text

    window = place.window
    machine = f", {place.machine.name}" if place.machine.name else ""
    cost = "" if place.terms.cost is None else f", costs {place.terms.cost:.2f}"
    return (
        f"{place.region.name} ({place.region.zone}){machine}: "
        f"{place.g_per_it_kwh:.0f} g per kWh of the job "
        f"from {clock_text(window.start)} to {clock_text(window.end)} "
        f"({window.mean_g_per_kwh:.0f} g/kWh x PUE {place.region.pue_or_default:g}){cost}; "
        f"forecast of {place.forecast.source} ({place.forecast.quality})"
    )


def _values(place: Placement) -> dict[str, Any]:
    return {
        "region": str(place.region.name),
        "zone": str(place.region.zone),
        "start": place.window.start.isoformat(),
        "end": place.window.end.isoformat(),
        "mean_g_per_kwh": round(place.window.mean_g_per_kwh, 3),
        "pue": place.region.pue_or_default,
        "g_per_it_kwh": round(place.g_per_it_kwh, 3),
    }


def _weighed(placements: list[Placement]) -> dict[str, Any]:
    """Return what an objective adds: machines, terms, and what nothing beats in both."""
    from airflow_carbon.core.placement import pareto

    def values(place: Placement) -> dict[str, Any]:
        return {**_values(place), "machine": place.machine.name, "terms": place.terms.as_dict()}

    best = placements[0]
    return {
        "machine": best.machine.name,
        "terms": best.terms.as_dict(),
        "runner_up": values(placements[1]) if len(placements) > 1 else None,
        "ranking": [values(place) for place in placements[:SHOWN]],
        "pareto": [values(place) for place in pareto(placements)],
    }


def _chosen(placements: list[Placement], left_out: dict[Region, str]) -> dict[str, Any]:
    best = placements[0]
    return {
        **_values(best),
        "pue_published": best.region.pue is not None,
        "source": best.forecast.source,
        "issued_at": best.forecast.issued_at.isoformat(),
        "quality": best.forecast.quality.value,
        "runner_up": _values(placements[1]) if len(placements) > 1 else None,
        "ranking": [_values(place) for place in placements[:SHOWN]],
        "left_out": {str(region.name): why for region, why in left_out.items()},
    }


def _unranked(region: Region, left_out: dict[Region, str]) -> dict[str, Any]:
    return {
        "region": str(region.name),
        "zone": str(region.zone),
        "runner_up": None,
        "ranking": [],
        "left_out": {str(one.name): why for one, why in left_out.items()},
    }
