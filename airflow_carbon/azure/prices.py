"""The Azure Retail Prices API: what an hour of a machine costs in each region; no login.

Microsoft, "Azure Retail Prices overview", version 2023-01-01-preview. Prices in US dollars are
Microsoft's own; those in another currency are for orientation.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlsplit

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SERVICE: Final = "Azure Retail Prices"

URL: Final = "https://prices.azure.com/api/retail/prices"

API_VERSION: Final = "2023-01-01-preview"

NOT_SOLD: Final = ("windows", "dedicatedhost", "cloudservices")
"""What the name of a product has in it, without spaces, that is no virtual machine with Linux,
though it stands under the same size."""

_SIZE: Final = re.compile(r"[A-Za-z0-9_-]+")
_CURRENCY: Final = re.compile(r"[A-Z]{3}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Prices:
    """The price of an hour, by region's name."""

    pay_as_you_go: Mapping[str, float]
    spot: Mapping[str, float]

    def of(self, *, spot: bool) -> Mapping[str, float]:
        """Return the prices of spot machines, or of others."""
        return self.spot if spot else self.pay_as_you_go


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """A line of the price list that a job may be charged by."""

    region: str
    spot: bool
    price: float
    since: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class PricePage:
    """A part of the price list, and the parameters that ask for the next."""

    rows: tuple[Row, ...]
    following: Mapping[str, str] | None


def check_size(size: str) -> str:
    """Return a size's name.

    Raises:
        InvalidOptionError: it can't be one.
    """
    if not _SIZE.fullmatch(size):
        remedy = "write names as `az vm list-skus` prints them, such as Standard_NC24ads_A100_v4"
        raise InvalidOptionError("sizes", size, remedy)
    return size


def check_currency(currency: str) -> str:
    """Return a currency's code in capitals.

    Raises:
        InvalidOptionError: it can't be one.
    """
    code = str(currency).strip().upper()
    if not _CURRENCY.fullmatch(code):
        raise InvalidOptionError("currency", currency, "write a code of ISO 4217, such as EUR")
    return code


def question(size: str, currency: str) -> dict[str, str]:
    """Return the parameters that ask for a size in all regions, in a currency.

    Raises:
        InvalidOptionError: a size or a currency that can't be.
    """
    wanted = (
        "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
        f"and armSkuName eq '{check_size(size)}'"
    )
    return {
        "api-version": API_VERSION,
        "currencyCode": f"'{check_currency(currency)}'",
        "meterRegion": "'primary'",
        "$filter": wanted,
    }


def read_page(body: Mapping[str, Any], size: str, currency: str) -> PricePage:
    """Read a part of the list, without what is no Linux machine of that size at that time."""
    link = body.get("NextPageLink")
    rows = (row for row in body["Items"] if _counts(row, size, currency))
    return PricePage(
        rows=tuple(_row(row) for row in rows),
        following=dict(parse_qsl(urlsplit(link).query)) if link else None,
    )


def choose(rows: Iterable[Row], now: datetime) -> Prices:
    """Return for each region the price that holds: of the newest row that has begun.

    The dearer of two that began together: what is charged is then no surprise.
    """
    begun = sorted((row for row in rows if row.since <= now), key=lambda r: (r.since, r.price))
    return Prices(
        pay_as_you_go={row.region: row.price for row in begun if not row.spot},
        spot={row.region: row.price for row in begun if row.spot},
    )


def _counts(row: Mapping[str, Any], size: str, currency: str) -> bool:
    product = str(row.get("productName")).lower().replace(" ", "")
    return (
        row["armSkuName"].lower() == size.lower()
        and row["currencyCode"] == currency
        and row["unitOfMeasure"] == "1 Hour"
        and row.get("type", "Consumption") == "Consumption"
        and row.get("isPrimaryMeterRegion", True) is True
        and bool(row.get("armRegionName"))
        and row["retailPrice"] > 0
        and not any(word in product for word in NOT_SOLD)
        and not _ends(row, "Low Priority")
    )


def _row(row: Mapping[str, Any]) -> Row:
    since = datetime.fromisoformat(row["effectiveStartDate"])
    return Row(
        region=row["armRegionName"].lower(),
        spot=_ends(row, "Spot"),
        price=float(row["retailPrice"]),
        since=since if since.tzinfo else since.replace(tzinfo=UTC),
    )


def _ends(row: Mapping[str, Any], word: str) -> bool:
    return any(str(row.get(name)).endswith(f" {word}") for name in ("skuName", "meterName"))
