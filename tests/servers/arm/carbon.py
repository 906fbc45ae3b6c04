"""Azure Carbon Optimization, Microsoft.Carbon 2025-04-01: emissions by month, in kgCO2e.

A report's latest emissions are those of its range of months; the previous ones those of the range
shifted back by one month. Item details and ranges: one month only. Pages by ``skipToken``.
"""

from __future__ import annotations

import base64
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from servers.arm.wire import ArmError, Call, Room

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

room = Room()
VERSION = "2025-04-01"
REPORTS = {"OverallSummaryReport", "MonthlySummaryReport", "ItemDetailsReport"}
SCOPES = {"Scope1", "Scope2", "Scope3"}
CATEGORIES: dict[str, tuple[str, Callable[[Emission], str]]] = {
    "Subscription": ("ItemDetailsData", lambda e: e.subscription),
    "Location": ("ItemDetailsData", lambda e: e.location),
    "ResourceType": ("ItemDetailsData", lambda e: e.kind),
    "ResourceGroup": ("ResourceGroupItemDetailsData", lambda e: e.group_url),
    "Resource": ("ResourceItemDetailsData", lambda e: e.resource_id),
}


@dataclass(frozen=True, kw_only=True)
class Emission:
    """What one resource emitted in one month under one scope [kgCO2e]."""

    month: str
    """``yyyy-MM-01``."""
    subscription: str
    group: str
    location: str
    """A display name in lower case, such as ``sweden central``."""
    resource: str
    scope: str
    kg: float
    kind: str = "microsoft.compute/virtualmachines"

    @property
    def group_url(self) -> str:
        return f"/subscriptions/{self.subscription}/resourcegroups/{self.group}".lower()

    @property
    def resource_id(self) -> str:
        return f"{self.group_url}/providers/{self.kind}/{self.resource}"


@room.arm("POST", "/providers/Microsoft.Carbon/queryCarbonEmissionDataAvailableDateRange", VERSION)
async def available(call: Call) -> Any:
    """CarbonService_QueryCarbonEmissionDataAvailableDateRange."""
    months = sorted({e.month for e in call.world.emissions})
    if not months:
        raise ArmError(404, "NotFound", "No emissions data is available.")
    return {"startDate": months[0], "endDate": months[-1]}


@room.arm("POST", "/providers/Microsoft.Carbon/carbonEmissionReports", VERSION)
async def reports(call: Call) -> Any:
    """CarbonService_QueryCarbonEmissionReports; a denied subscription is named inside the 200."""
    report, (begin, end) = _checked(call)
    asked = [s.lower() for s in call.body["subscriptionList"]]
    decisions = [_decision(call, name) for name in asked]
    allowed = {d["subscriptionId"] for d in decisions if d["decision"] == "Allowed"}
    rows = [e for e in call.world.emissions if e.subscription in allowed and _meant(call, e)]
    body: dict[str, Any] = {"subscriptionAccessDecisionList": decisions}
    if report == "OverallSummaryReport":
        value = [{"dataType": "OverallSummaryData"} | _sums(rows, begin, end)]
    elif report == "MonthlySummaryReport":
        value = [_monthly(rows, month) for month in reversed(list(_months(begin, end)))]
    else:
        value, token = _page(call, _items(call, rows, begin))
        body |= {"skipToken": token} if token else {}
    return body | {"value": value}


def _checked(call: Call) -> tuple[str, tuple[str, str]]:
    report = call.need("reportType")
    begin, end = call.need("dateRange", "start"), call.need("dateRange", "end")
    scopes, asked = call.need("carbonScopeList"), call.need("subscriptionList")
    problem = None
    if report not in REPORTS:
        problem = f"the stand-in has no report '{report}'"
    elif not begin.endswith("-01") or not end.endswith("-01") or begin > end:
        problem = "dateRange must be first days of months, in order"
    elif not scopes or not set(scopes) <= SCOPES:
        problem = "carbonScopeList must be of Scope1, Scope2, Scope3"
    elif not 1 <= len(asked) <= 100:
        problem = "subscriptionList must have 1 to 100 subscriptions"
    elif report == "ItemDetailsReport":
        problem = _wrong_details(call, begin, end)
    if problem:
        raise ArmError(400, "BadRequest", f"Invalid query: {problem}.")
    return report, (begin, end)


def _wrong_details(call: Call, begin: str, end: str) -> str | None:
    for key in ("orderBy", "sortDirection"):
        call.need(key)
    if call.need("categoryType") not in CATEGORIES:
        return "categoryType is not known"
    if not 1 <= call.need("pageSize") <= 5000:
        return "pageSize must be 1 to 5000"
    return None if begin == end else "dateRange must be one month for item details"


def _decision(call: Call, name: str) -> dict[str, str]:
    if name in call.world.subscriptions - call.world.denied:
        return {"subscriptionId": name, "decision": "Allowed"}
    reason = "Carbon Optimization Reader permission required"
    return {"subscriptionId": name, "decision": "Denied", "denialReason": reason}


def _meant(call: Call, row: Emission) -> bool:
    limits = {
        "resourceGroupUrlList": row.group_url,
        "resourceTypeList": row.kind,
        "locationList": row.location,
    }
    return row.scope in call.body["carbonScopeList"] and all(
        not call.body.get(key) or value in call.body[key] for key, value in limits.items()
    )


def _items(call: Call, rows: list[Emission], month: str) -> list[dict[str, Any]]:
    category = call.body["categoryType"]
    data_type, name = CATEGORIES[category]
    grouped: dict[str, list[Emission]] = defaultdict(list)
    for row in rows:
        grouped[name(row)].append(row)
    items = []
    for key, some in grouped.items():
        item = {"dataType": data_type, "itemName": key, "categoryType": category}
        item |= _sums(some, month, month)
        if category in {"ResourceGroup", "Resource"}:
            item |= {"subscriptionId": some[0].subscription}
        if category == "ResourceGroup":
            item |= {"itemName": some[0].group, "resourceGroupUrl": key}
        if category == "Resource":
            item |= {
                "itemName": some[0].resource,
                "resourceGroup": some[0].group,
                "resourceId": key,
                "location": some[0].location,
                "resourceType": some[0].kind,
            }
        items.append(item)
    order = call.body["orderBy"]
    by = order[0].lower() + order[1:]
    return sorted(items, key=lambda i: i.get(by, ""), reverse=call.body["sortDirection"] == "Desc")


def _page(call: Call, items: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], str | None]:
    token, size = call.body.get("skipToken"), call.body["pageSize"]
    first = int(base64.b64decode(token)) if token else 0
    after = first + size
    more = base64.b64encode(str(after).encode()).decode() if after < len(items) else None
    return items[first:after], more


def _monthly(rows: list[Emission], month: str) -> dict[str, Any]:
    sums = _sums(rows, month, month)
    return {"dataType": "MonthlySummaryData", "date": month, "carbonIntensity": 22.0} | sums


def _sums(rows: Iterable[Emission], begin: str, end: str) -> dict[str, float]:
    rows = list(rows)
    latest = sum(e.kg for e in rows if begin <= e.month <= end)
    previous = sum(e.kg for e in rows if _back(begin) <= e.month <= _back(end))
    return {
        "latestMonthEmissions": latest,
        "previousMonthEmissions": previous,
        "monthOverMonthEmissionsChangeRatio": (latest - previous) / previous if previous else 0.0,
        "monthlyEmissionsChangeValue": latest - previous,
    }


def _back(month: str) -> str:
    count = int(month[:4]) * 12 + int(month[5:7]) - 2
    return f"{count // 12:04}-{count % 12 + 1:02}-01"


def _months(begin: str, end: str) -> Iterable[str]:
    count = int(begin[:4]) * 12 + int(begin[5:7]) - 1
    while (month := f"{count // 12:04}-{count % 12 + 1:02}-01") <= end:
        yield month
        count += 1
