"""What machine sizes cost and where they may be had: asked once, remembered for hours."""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon import clock
from airflow_carbon.azure.memory import Memory
from airflow_carbon.core.errors import (
    CarbonError,
    InputError,
    InvalidOptionError,
    RateLimitedError,
    ServiceUnavailableError,
    UnknownConnectionError,
    UnknownSizeError,
)
from airflow_carbon.core.objective import Machine
from airflow_carbon.hooks.azure import DEFAULT_CONN_ID

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime

    from airflow_carbon.azure.arm import Arm
    from airflow_carbon.azure.offers import Location, Offers, Quota, Size
    from airflow_carbon.azure.prices import PricePage, Prices
    from airflow_carbon.core.objective import Objective
    from airflow_carbon.core.region import Region
    from airflow_carbon.hooks.azure import AzureHook

    _Both = tuple[dict[str, Size], dict[str, Quota]]

log = logging.getLogger(__name__)

LOCATIONS: Final[Memory[dict[str, Location]]] = Memory(timedelta(hours=3))
OFFERS: Final[Memory[_Both]] = Memory(timedelta(hours=3))
"""This process's memory of what subscriptions may use; quotas change when jobs run."""

PRICES: Final[Memory[Prices]] = Memory(timedelta(days=1))
"""This process's memory of the price list; prices change on the first of a month."""

AT_ONCE: Final = 4
"""So many regions are asked about at the same time."""

MOST_PAGES: Final = 50

LONGEST_PEACE: Final = timedelta(seconds=20)
PATIENCE: Final = 2
"""A price list that wants to be left alone for so long is waited for, so many times."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Market:
    """Where sizes and prices are looked up, and for what."""

    hook: AzureHook
    sizes: tuple[str, ...]
    spot: bool = False
    currency: str = "USD"

    @classmethod
    def read(
        cls, hook: AzureHook, sizes: str | Sequence[str], *, spot: bool, currency: str
    ) -> Market:
        """Read the words of a DAG author.

        Raises:
            InvalidOptionError: a size's name or a currency that can't be.
        """
        from airflow_carbon.azure.prices import check_currency, check_size

        words = sizes.split(",") if isinstance(sizes, str) else sizes
        names = dict.fromkeys(check_size(str(word).strip()) for word in words if str(word).strip())
        return cls(
            hook=hook, sizes=tuple(names), spot=bool(spot), currency=check_currency(currency)
        )

    def outfit(self, objective: Objective, regions: Iterable[Region]) -> Objective:
        """Return the objective with a machine for each size: its prices, and where it is barred.

        What can't be reached is warned of, and done without.

        Raises:
            InputError: sizes without a power to compare them by; an unknown size; a login that
                can't be read.
            ServiceUnavailableError: no price list, where prices decide.
        """
        objective = replace(objective, machines=described(objective, self.sizes))
        allowed = list(regions)
        offers = self._offers(allowed)
        machines = [
            self._outfitted(machine, objective, allowed, offers)
            if machine.name.lower() in {size.lower() for size in self.sizes}
            else machine
            for machine in objective.machines
        ]
        return replace(objective, machines=tuple(machines))

    def _outfitted(
        self, machine: Machine, objective: Objective, regions: list[Region], offers: Offers | None
    ) -> Machine:
        name = (offers and offers.spelled(machine.name)) or machine.name
        listed = self._listed(name, machine, objective)
        sold = listed is not None and bool(listed.pay_as_you_go or listed.spot)
        priced = _priced(replace(machine, name=name), listed.of(spot=self.spot) if listed else {})
        if offers is None:
            if listed is not None and not sold:
                raise UnknownSizeError(name)
            return priced
        from airflow_carbon.azure.offers import usable

        _, left_out = usable(regions, name, offers, spot=self.spot, exists=sold)
        barred = {str(one.name): why for one, why in left_out.items()}
        return replace(priced, barred={**barred, **machine.barred})

    def _listed(self, size: str, machine: Machine, objective: Objective) -> Prices | None:
        """Return a size's prices; None where none was asked for, or the list did not answer."""
        if isinstance(machine.price_per_h, float):
            return None
        try:
            return self.prices(size)
        except InputError:
            raise
        except CarbonError as exc:
            if objective.needs_prices and machine.price_per_h is None:
                raise
            log.warning("the prices of %s are not known: %s", size, exc)
            return None

    def prices(self, size: str) -> Prices:
        """Return the prices of a size in all regions.

        Raises:
            ServiceUnavailableError: the list can't be reached or read.
        """
        now, url = clock.now(), self.hook.prices_url()
        return PRICES.get(
            (url, size, self.currency), now, lambda: price_list(url, size, self.currency, now)
        )

    def _offers(self, regions: list[Region]) -> Offers | None:
        """Return what the subscription may use; None, and a warning, where nobody can say."""
        try:
            with self.hook.arm() as arm:
                return look_up(arm, regions, clock.now())
        except UnknownConnectionError as exc:
            if self.hook.azure_conn_id != DEFAULT_CONN_ID:
                raise
            log.warning("sizes and quotas of no subscription are looked up: %s", exc)
        except InputError:
            raise
        except CarbonError as exc:
            log.warning("what the subscription may use is not known: %s", exc)
        return None


def described(objective: Objective, sizes: Sequence[str]) -> tuple[Machine, ...]:
    """Return the objective's machines, and one for each size that it does not describe.

    A machine without a name is that of the one size.

    Raises:
        InvalidOptionError: sizes that can't be compared for want of a power.
    """
    named = [machine for machine in objective.machines if machine.name]
    unnamed = [machine for machine in objective.machines if not machine.name]
    have = {machine.name.lower() for machine in named}
    others = [size for size in sizes if size.lower() not in have]
    if not others:
        return objective.machines
    told = unnamed != [Machine()] or objective.carbon_price_per_t is None
    if not named and len(others) == len(unnamed) == 1 and told:
        return (replace(unnamed[0], name=others[0]),)
    remedy = (
        "say in objective's machines what power it draws, and how fast it is: "
        f"{{'name': {others[0]!r}, 'power_kw': 0.5, 'speed': 1}}"
    )
    raise InvalidOptionError("sizes", others[0], remedy)


def look_up(arm: Arm, regions: Sequence[Region], now: datetime) -> Offers:
    """Return what the subscription may use in these regions; a region that fails is not known.

    Raises:
        CarbonError: Azure can't be reached, or refuses.
    """
    from airflow_carbon.azure import offers

    subscription = arm.login.subscription_id
    key = (arm.login.resource_manager, subscription)
    where = LOCATIONS.get(key, now, lambda: arm.send(offers.locations(subscription)))
    asked = [str(one.name) for one in regions if one.name in where]
    failed: list[CarbonError] = []

    def ask(region: str) -> _Both:
        sizes = offers.whole(arm.send, offers.sizes(subscription, region))
        quotas = offers.whole(arm.send, offers.quota(subscription, region))
        return {one.name.lower(): one for one in sizes}, {one.family.lower(): one for one in quotas}

    def known_of(region: str) -> _Both | None:
        if any(isinstance(one, ServiceUnavailableError) for one in failed):
            return None  # Azure is away: the other regions would but wait for it
        try:
            return OFFERS.get((*key, region), now, lambda: ask(region))
        except CarbonError as exc:
            failed.append(exc)
            return None

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = dict(zip(asked, pool.map(known_of, asked), strict=True))
    if failed:
        unknown = [region for region, known in found.items() if known is None]
        log.warning("sizes and quotas of %s are not known: %s", ", ".join(unknown), failed[0])
    known = {region: both for region, both in found.items() if both}
    return offers.Offers(
        locations=where,
        sizes={region: both[0] for region, both in known.items()},
        quotas={region: both[1] for region, both in known.items()},
    )


def price_list(url: str, size: str, currency: str, now: datetime) -> Prices:
    """Return the prices of a size from the price list, page by page.

    Raises:
        ServiceUnavailableError: the list can't be reached or read.
    """
    from airflow_carbon.azure import prices

    rows: list[prices.Row] = []
    params: Mapping[str, str] = prices.question(size, currency)
    for _ in range(MOST_PAGES):
        page = _page(url, params, size, currency)
        rows += page.rows
        if not page.following:
            return prices.choose(rows, now)
        params = page.following
    raise ServiceUnavailableError(prices.SERVICE, f"more than {MOST_PAGES} pages of {size}")


def _page(url: str, params: Mapping[str, str], size: str, currency: str) -> PricePage:
    """Ask for a page; a list that wants a little peace gets it."""
    from airflow_carbon.azure import prices
    from airflow_carbon.services.http import Http

    question = Http(
        service=prices.SERVICE,
        url=url,
        params=params,
        read=lambda reply: prices.read_page(reply.json(), size, currency),
    )
    for _ in range(PATIENCE):
        try:
            return question.make()
        except RateLimitedError as exc:
            if exc.retry_after > LONGEST_PEACE:
                raise
            time.sleep(exc.retry_after.total_seconds())
    return question.make()


def _priced(machine: Machine, listed: Mapping[str, float]) -> Machine:
    """Return the machine with the listed prices where its author gave none."""
    given = machine.price_per_h
    if isinstance(given, float) or not listed:
        return machine
    return replace(machine, price_per_h={**listed, **dict(given or {})})
