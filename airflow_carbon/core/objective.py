"""What a choice of place and machine is judged by: emissions and cost, each term apart."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, Final, Self

from airflow_carbon.core.auto import parse_energy
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration, parse_number

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import timedelta

GRAMS_PER_TONNE: Final = 1e6

KWH_PER_GB: Final = 0.001
"""Energy of moving data between data centres, the smallest published figure, for long-haul fibre
(Cloud Carbon Footprint, "Methodology", section "Networking", 2021); estimates for the public
internet were 0.06 in 2015 and halved every two years (Aslan et al., Journal of Industrial Ecology
22(4), 2018)."""

_POSITIVE: Final = "write a number above 0"


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """A size to choose from.

    ``power_kw``: its mean power while the job runs, before the data centre's overhead.
    ``speed``: the job takes its duration divided by this. ``duration`` and ``energy_kwh``: how
    long the job takes on it, and what it draws, instead of speed and power. ``price_per_h``: by
    region's name, or one for all; None is not known. ``barred``: why it can't be had, by region's
    name.

    Raises:
        InputError: a number or a length that can't be.
    """

    name: str = ""
    power_kw: float = 1.0
    speed: float = 1.0
    duration: timedelta | None = None
    energy_kwh: float | None = None
    price_per_h: Mapping[str, float] | float | None = None
    barred: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("power_kw", "speed"):
            number = parse_number(name, getattr(self, name), _POSITIVE)
            if number == 0:
                raise InvalidOptionError(name, number, _POSITIVE)
            object.__setattr__(self, name, number)
        if self.duration is not None:
            object.__setattr__(self, "duration", parse_duration("duration", self.duration))
        if self.energy_kwh is not None:
            object.__setattr__(self, "energy_kwh", parse_energy("energy_kwh", self.energy_kwh))
        price = self.price_per_h
        if price is not None and hasattr(price, "items"):
            read = {str(k): parse_number("price_per_h", v) for k, v in price.items()}
            object.__setattr__(self, "price_per_h", read)
        elif price is not None:
            object.__setattr__(self, "price_per_h", parse_number("price_per_h", price))

    def price_in(self, region: str) -> float | None:
        """Return the price of an hour in a region; None where it is not known."""
        if self.price_per_h is None or isinstance(self.price_per_h, float):
            return self.price_per_h
        return dict(self.price_per_h).get(region)


@dataclass(frozen=True, kw_only=True, slots=True)
class Objective:
    """Cost plus the price of carbon times emissions; emissions alone without that price.

    ``carbon_price_per_t``: what a tonne of CO2eq is worth, in the currency of the prices.
    ``machines``: the sizes to choose from. ``data_gb``: what has to be moved to run anywhere but
    in ``data_region``, at ``kwh_per_gb`` and ``price_per_gb``. ``max_cost``: nothing dearer.

    Raises:
        InvalidOptionError: a number that can't be; data without a region; a name not known.
    """

    carbon_price_per_t: float | None = None
    machines: tuple[Machine, ...] = field(default_factory=lambda: (Machine(),))
    data_gb: float = 0.0
    data_region: str | None = None
    kwh_per_gb: float = KWH_PER_GB
    price_per_gb: float = 0.0
    max_cost: float | None = None

    def __post_init__(self) -> None:
        for name in ("carbon_price_per_t", "data_gb", "kwh_per_gb", "price_per_gb", "max_cost"):
            if (value := getattr(self, name)) is not None:
                object.__setattr__(self, name, parse_number(name, value))
        machines = self.machines if isinstance(self.machines, (list, tuple)) else (self.machines,)
        if not machines:
            raise InvalidOptionError("machines", self.machines, "name one or more")
        object.__setattr__(self, "machines", tuple(_read(Machine, "machines", m) for m in machines))
        if self.data_gb and not self.data_region:
            raise InvalidOptionError("data_gb", self.data_gb, "data_region= says where the data is")

    @classmethod
    def read(cls, value: object) -> Self:
        """Read an objective, or a mapping of plain values.

        Raises:
            InvalidOptionError: anything else.
        """
        objective: Self = _read(cls, "objective", {} if value is None else value)
        return objective

    def bars(self, region: str) -> str:
        """Return why no machine can be had in a region; nothing where one can."""
        why = [machine.barred.get(region, "") for machine in self.machines]
        return "; ".join(dict.fromkeys(why)) if all(why) else ""

    @property
    def needs_prices(self) -> bool:
        """Whether a place without a price can't be compared."""
        return self.carbon_price_per_t is not None or self.max_cost is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What a choice is made of: energy [kWh], emissions [gCO2eq], cost; None is not known.

    ``run_g`` has the data centre's overhead in it, ``moving_g`` is that of the data.
    """

    energy_kwh: float
    run_g: float
    moving_g: float
    run_cost: float | None
    moving_cost: float

    @property
    def emissions_g(self) -> float:
        """All emissions [gCO2eq]."""
        return self.run_g + self.moving_g

    @property
    def cost(self) -> float | None:
        """The whole cost; None where no price is known."""
        return None if self.run_cost is None else self.run_cost + self.moving_cost

    def value(self, objective: Objective) -> float:
        """Return what is minimised: grams, or cost where carbon has a price."""
        if objective.carbon_price_per_t is None:
            return self.emissions_g
        tonnes = self.emissions_g / GRAMS_PER_TONNE
        return (self.cost or 0.0) + objective.carbon_price_per_t * tonnes

    def as_dict(self) -> dict[str, float | None]:
        """Return plain values."""
        return {
            **{one.name: getattr(self, one.name) for one in fields(self)},
            "emissions_g": self.emissions_g,
            "cost": self.cost,
        }


def _read(kind: type[Any], name: str, value: Any) -> Any:
    if isinstance(value, kind):
        return value
    names = [one.name for one in fields(kind)]
    remedy = f"write a mapping with {', '.join(names)}"
    if not hasattr(value, "items"):
        raise InvalidOptionError(name, value, remedy)
    if unknown := set(value) - set(names):
        raise InvalidOptionError(name, min(unknown), remedy)
    return kind(**value)
