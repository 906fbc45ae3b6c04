"""The Azure Retail Prices API, ``/api/retail/prices`` (api-version 2023-01-01-preview, no login).

``$filter`` knows ``eq`` and ``and``, and values are case-sensitive, as in the preview version.
Only USD prices are facts; another currency is these times a made-up rate.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from servers.arm.regions import REGIONS
from servers.arm.wire import ArmError, Room

if TYPE_CHECKING:
    from fastapi import Request
    from servers.arm.world import World

room = Room()
RATES = {"USD": 1.0, "EUR": 0.9, "GBP": 0.8}
SPOT_SHARE = 0.4
"""Spot prices of the default list are made up: this share of the price on demand."""
TERM = re.compile(r"\s*(\w+)\s+eq\s+('(?:[^']|'')*'|true|false|[\d.]+)\s*", re.IGNORECASE)


@room.plain("GET", "/api/retail/prices")
async def prices(request: Request, world: World) -> Any:
    """A page of prices; ``NextPageLink`` is null on the last."""
    query = request.query_params
    currency = query.get("currencyCode", "USD").strip("'")
    if currency not in RATES:
        raise ArmError(400, "BadRequest", f"Invalid currency code {currency}.")
    items = default() if world.prices is None else world.prices
    wanted = _filter(query.get("$filter", ""))
    if query.get("meterRegion", "").strip("'") == "primary":
        wanted["isPrimaryMeterRegion"] = True
    found = [i for i in items if all(i.get(key) == value for key, value in wanted.items())]
    first, page = int(query.get("$skip", 0)), world.settings.price_page
    shown = [_in(currency, item) for item in found[first : first + page]]
    more = request.url.include_query_params(**{"$skip": first + page})
    return {
        "BillingCurrency": currency,
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": shown,
        "NextPageLink": str(more) if first + page < len(found) else None,
        "Count": len(shown),
    }


def default() -> list[dict[str, Any]]:
    """Return the prices of the stand-in's GPU sizes, on demand and Spot."""
    return [
        item(region, size, price * share, spot=spot)
        for region, place in REGIONS.items()
        for size, price in place.prices.items()
        for share, spot in ((1.0, False), (SPOT_SHARE, True))
    ]


def item(region: str, size: str, price: float, *, spot: bool) -> dict[str, Any]:
    """Return one price, in USD per hour."""
    name = size.removeprefix("Standard_").replace("_", " ") + (" Spot" if spot else "")
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": round(price, 6),
        "unitPrice": round(price, 6),
        "armRegionName": region,
        "location": REGIONS[region].display if region in REGIONS else region,
        "effectiveStartDate": "2026-01-01T00:00:00Z",
        "meterId": f"{region}-{name}",
        "meterName": name,
        "productId": f"product-{size}",
        "skuId": f"product-{size}/{region}{'-spot' if spot else ''}",
        "productName": f"Virtual Machines {size.removeprefix('Standard_')} Series",
        "skuName": name,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
    }


def _in(currency: str, known: dict[str, Any]) -> dict[str, Any]:
    rate = RATES[currency]
    both = {key: round(known[key] * rate, 6) for key in ("retailPrice", "unitPrice")}
    return known | both | {"currencyCode": currency}


def _filter(asked: str) -> dict[str, Any]:
    wanted: dict[str, Any] = {}
    for term in re.split(r"\s+and\s+", asked) if asked.strip() else []:
        found = TERM.fullmatch(term)
        if not found:
            raise ArmError(400, "BadRequest", f"Invalid OData parameters supplied: {term}")
        key, raw = found[1], found[2]
        key = {"priceType": "type"}.get(key, key)
        if raw.startswith("'"):
            wanted[key] = raw[1:-1].replace("''", "'")
        else:
            wanted[key] = {"true": True, "false": False}.get(raw.lower(), raw)
    return wanted
