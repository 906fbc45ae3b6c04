"""Azure Carbon Optimization, ``Microsoft.Carbon`` 2025-04-01: what Microsoft says was emitted.

Months, each by its first day; kgCO2e become gCO2eq here, once. A question is a POST that
changes nothing, about one subscription, with the role Carbon Optimization Reader on it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.arm import AZURE, Ask
from airflow_carbon.core.errors import AccessRefusedError, MalformedReplyError
from airflow_carbon.core.month import month_of
from airflow_carbon.core.provider_report import Figure, Level, Scopes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_carbon.azure.arm import Arm, Reply

API_VERSION: Final = "2025-04-01"

PAGE: Final = 5000
"""The most items of a page that the specification allows."""

LONGEST: Final = 12
"""How many months one question may span (the API reference of ``DateRange``)."""

GRAMS_PER_KG: Final = 1000.0

ROLE: Final = "give the login the role Carbon Optimization Reader on the subscription"

_PROVIDER: Final = "/providers/Microsoft.Carbon"

_SCOPES: Final = {
    Scopes.ALL: ("Scope1", "Scope2", "Scope3"),
    Scopes.SUPPLY_CHAIN: ("Scope3",),
}

_CATEGORIES: Final = {
    Level.SUBSCRIPTION: "Subscription",
    Level.LOCATION: "Location",
    Level.RESOURCE_GROUP: "ResourceGroup",
    Level.RESOURCE: "Resource",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of the figures, and where the others begin; None where these are the last."""

    figures: tuple[Figure, ...]
    skip_token: str | None


def available() -> Ask[tuple[date, date]]:
    """Ask for the first and the last month that there are figures of."""
    return Ask(
        method="POST",
        path=f"{_PROVIDER}/queryCarbonEmissionDataAvailableDateRange",
        api_version=API_VERSION,
        read=_read_range,
    )


def _read_range(reply: Reply) -> tuple[date, date]:
    first, last = (_month(reply.body[name]) for name in ("startDate", "endDate"))
    if last < first:
        message = f"a range from {first} to {last}"
        raise ValueError(message)
    return first, last


def monthly(
    subscription_id: str, first: date, last: date, scopes: Scopes
) -> Ask[Mapping[date, float]]:
    """Ask for the emissions of a subscription month by month [gCO2eq], at most twelve of them."""
    body = _question("MonthlySummaryReport", subscription_id, first, last, scopes)
    return _reports(body, partial(_read_months, subscription_id))


def _read_months(subscription_id: str, reply: Reply) -> Mapping[date, float]:
    _check_access(subscription_id, reply.body)
    return {_month(item["date"]): _grams(item) for item in reply.body["value"]}


def details(
    subscription_id: str,
    month: date,
    scopes: Scopes,
    level: Level,
    *,
    skip_token: str | None = None,
) -> Ask[Page]:
    """Ask for a page of a month's emissions by resource, resource group, location or whole."""
    body = _question("ItemDetailsReport", subscription_id, month, month, scopes) | {
        "categoryType": _CATEGORIES[level],
        "orderBy": "ItemName",
        "sortDirection": "Asc",
        "pageSize": PAGE,
    }
    if skip_token is not None:
        body["skipToken"] = skip_token
    return _reports(body, partial(_read_page, subscription_id, scopes, level))


def _read_page(subscription_id: str, scopes: Scopes, level: Level, reply: Reply) -> Page:
    _check_access(subscription_id, reply.body)
    return Page(
        figures=tuple(_figure(scopes, level, item) for item in reply.body["value"]),
        skip_token=reply.body.get("skipToken") or None,
    )


def every_figure(
    arm: Arm, subscription_id: str, month: date, scopes: Scopes, level: Level
) -> list[Figure]:
    """Ask page after page for a month's emissions; figures of one item are added up.

    Raises:
        CarbonError: as ``Arm.send`` does; a page that leads back to one before, too.
    """
    found: dict[str, Figure] = {}
    token, seen = None, set[str]()
    while True:
        page = arm.send(details(subscription_id, month, scopes, level, skip_token=token))
        for figure in page.figures:
            found[figure.item] = _sum(found.get(figure.item), figure)
        token = page.skip_token
        if token is None:
            return list(found.values())
        if token in seen:
            raise MalformedReplyError(AZURE, f"skipToken {token!r} of Microsoft.Carbon came twice")
        seen.add(token)


def _sum(one: Figure | None, other: Figure) -> Figure:
    if one is None:
        return other
    return Figure(
        scopes=one.scopes,
        level=one.level,
        item=one.item,
        region=one.region if one.region == other.region else None,
        emissions_g=one.emissions_g + other.emissions_g,
    )


def _question(
    report: str, subscription_id: str, first: date, last: date, scopes: Scopes
) -> dict[str, Any]:
    return {
        "reportType": report,
        "subscriptionList": [subscription_id.lower()],
        "carbonScopeList": list(_SCOPES[scopes]),
        "dateRange": {"start": first.isoformat(), "end": last.isoformat()},
    }


def _reports(body: dict[str, Any], read: Callable[[Reply], Any]) -> Ask[Any]:
    return Ask(
        method="POST",
        path=f"{_PROVIDER}/carbonEmissionReports",
        api_version=API_VERSION,
        body=body,
        read=read,
    )


def _check_access(subscription_id: str, body: Mapping[str, Any]) -> None:
    """Refuse what looks like an answer, but is none: status 200, access denied.

    Raises:
        AccessRefusedError: with the role that is missing.
    """
    for one in body.get("subscriptionAccessDecisionList") or ():
        asked = str(one["subscriptionId"]).lower() == subscription_id.lower()
        if asked and one["decision"] != "Allowed":
            why = one.get("denialReason") or one["decision"]
            cause = f"no access to the emissions of {subscription_id}: {why}; {ROLE}"
            raise AccessRefusedError(AZURE, cause)


def _figure(scopes: Scopes, level: Level, item: Mapping[str, Any]) -> Figure:
    name, region = str(item["itemName"]).lower(), None
    if level is Level.RESOURCE:
        name = str(item["resourceId"]).lower()
        region = _plain(item["location"]) if item.get("location") else None
    elif level is Level.RESOURCE_GROUP:
        name = str(item["resourceGroupUrl"]).lower()
    elif level is Level.LOCATION:
        name = region = _plain(item["itemName"])
    return Figure(scopes=scopes, level=level, item=name, region=region, emissions_g=_grams(item))


def _plain(location: str) -> str:
    """Return a region's name from how this API displays it: ``west us 2`` is ``westus2``."""
    return location.lower().replace(" ", "")


def _grams(item: Mapping[str, Any]) -> float:
    """Return the emissions of the month that was asked for [gCO2eq]."""
    grams = float(item["latestMonthEmissions"]) * GRAMS_PER_KG
    if not math.isfinite(grams):
        message = f"latestMonthEmissions {item['latestMonthEmissions']!r}"
        raise ValueError(message)
    return grams


def _month(text: str) -> date:
    return month_of(date.fromisoformat(text[:10]))
