"""What a subscription may use: regions, machine sizes, quotas; each question a value.

Microsoft's published specifications: Microsoft.Resources ``subscriptions.json`` 2022-12-01,
Microsoft.Compute ``skus.json`` 2021-07-01 and ``ComputeRP`` 2024-07-01.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

from airflow_carbon.azure.arm import AZURE, Ask
from airflow_carbon.core.errors import MalformedReplyError, UnknownSizeError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from airflow_carbon.azure.arm import Reply
    from airflow_carbon.core.region import Region

T = TypeVar("T")

SPOT_FAMILY: Final = "lowPriorityCores"
"""The quota that all spot machines of a region share."""

ALL_FAMILIES: Final = "cores"
"""The quota that all other machines of a region share, beside that of their family."""

MOST_PAGES: Final = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Location:
    """A physical region of a subscription; ``category`` is Recommended, Other or Extended."""

    name: str
    display_name: str
    geography: str
    category: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """A machine size in a region; ``closed`` is why the subscription can't have it there."""

    name: str
    family: str
    vcpus: int
    gpus: int
    spot: bool
    closed: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """How many vCPUs of a family a subscription may run in a region, and runs."""

    family: str
    limit: int
    used: int

    @property
    def left(self) -> int:
        """How many more may run."""
        return max(0, self.limit - self.used)


@dataclass(frozen=True, kw_only=True, slots=True)
class Page(Generic[T]):
    """A part of a list, and the question for the next part."""

    items: tuple[T, ...]
    following: Ask[Page[T]] | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """What is known of a subscription; a region that is missing in a mapping is not known.

    ``sizes`` and ``quotas`` are by region's name, then by size's or family's in lower case.
    """

    locations: Mapping[str, Location] | None = None
    sizes: Mapping[str, Mapping[str, Size]] = field(default_factory=dict)
    quotas: Mapping[str, Mapping[str, Quota]] = field(default_factory=dict)

    def spelled(self, size: str) -> str | None:
        """Return a size's name as Azure writes it; None where no region offers it."""
        offered = (sizes.get(size.lower()) for sizes in self.sizes.values())
        return next((one.name for one in offered if one), None)


def locations(subscription: str) -> Ask[dict[str, Location]]:
    """Ask for the physical regions of a subscription, by name."""
    return Ask(
        method="GET",
        path=f"/subscriptions/{subscription}/locations",
        api_version="2022-12-01",
        read=lambda reply: {one.name: one for one in _locations(reply.body["value"])},
    )


def sizes(subscription: str, region: str) -> Ask[Page[Size]]:
    """Ask for the machine sizes that a region offers."""
    return Ask(
        method="GET",
        path=f"/subscriptions/{subscription}/providers/Microsoft.Compute/skus",
        api_version="2021-07-01",
        read=partial(_page, partial(_size, region)),
        params={"$filter": f"location eq '{region}'"},
    )


def quota(subscription: str, region: str) -> Ask[Page[Quota]]:
    """Ask for the quotas of a region, in vCPUs by family."""
    compute = f"/subscriptions/{subscription}/providers/Microsoft.Compute"
    return Ask(
        method="GET",
        path=f"{compute}/locations/{region}/usages",
        api_version="2024-07-01",
        read=partial(_page, _quota),
    )


def whole(send: Callable[[Ask[Page[T]]], Page[T]], first: Ask[Page[T]]) -> list[T]:
    """Return the items of all pages; ``send`` asks for one.

    Raises:
        MalformedReplyError: pages without end; and what ``send`` raises.
    """
    found, ask = list[T](), first
    for _ in range(MOST_PAGES):
        page = send(ask)
        found += page.items
        if page.following is None:
            return found
        ask = page.following
    raise MalformedReplyError(AZURE, f"more than {MOST_PAGES} pages of {first.path}")


def usable(
    regions: Iterable[Region],
    size: str,
    offers: Offers,
    *,
    spot: bool = False,
    exists: bool = False,
) -> tuple[list[Region], dict[Region, str]]:
    """Return the regions where a machine of a size may be had, and why not in the others.

    What is not known is no reason against a region. ``exists`` says that the size is sold
    somewhere, be it in none of these regions.

    Raises:
        UnknownSizeError: no region offers such a size.
    """
    if offers.sizes and not exists and offers.spelled(size) is None:
        known = {one.name for sizes in offers.sizes.values() for one in sizes.values()}
        raise UnknownSizeError(size, known)
    left: list[Region] = []
    left_out: dict[Region, str] = {}
    for region in regions:
        why = _why_not(region.name, size, offers, spot=spot)
        if why:
            left_out[region] = why
        else:
            left.append(region)
    return left, left_out


def _why_not(region: str, name: str, offers: Offers, *, spot: bool) -> str:
    if offers.locations is not None and region not in offers.locations:
        return "the subscription does not have this region"
    if region not in offers.sizes:
        return ""
    size = offers.sizes[region].get(name.lower())
    if size is None:
        return f"{name} is not offered there"
    if size.closed:
        return f"{size.name} is closed to this subscription there ({size.closed})"
    if spot and not size.spot:
        return f"{size.name} can't be had as a spot machine there"
    return _over_quota(size, offers.quotas.get(region, {}), spot=spot)


def _over_quota(size: Size, quotas: Mapping[str, Quota], *, spot: bool) -> str:
    for family in (SPOT_FAMILY,) if spot else (size.family, ALL_FAMILIES):
        known = quotas.get(family.lower())
        if known and known.left < size.vcpus:
            return (
                f"quota: {size.name} needs {size.vcpus} vCPUs, "
                f"{known.left} of {known.limit} are left ({family})"
            )
    return ""


def _locations(rows: Iterable[Mapping[str, Any]]) -> Iterable[Location]:
    for row in rows:
        about = row.get("metadata") or {}
        if about.get("regionType") == "Physical":
            yield Location(
                name=row["name"].lower(),
                display_name=row.get("displayName") or row["name"],
                geography=about.get("geography") or "",
                category=about.get("regionCategory") or "",
            )


def _page(read: Callable[[Mapping[str, Any]], T | None], reply: Reply) -> Page[T]:
    found = [read(row) for row in reply.body["value"]]
    link = reply.body.get("nextLink")
    return Page(
        items=tuple(one for one in found if one is not None),
        following=_linked(link, partial(_page, read)) if link else None,
    )


def _linked(link: str, read: Callable[[Reply], Page[T]]) -> Ask[Page[T]]:
    """Return the question behind a link, sent where the first was: no token goes elsewhere."""
    parts = urlsplit(link)
    pairs = (pair.partition("=") for pair in parts.query.split("&") if pair)
    params = {name.replace("%24", "$"): value for name, _, value in pairs}
    version = params.pop("api-version")
    return Ask(method="GET", path=parts.path, api_version=version, read=read, params=params)


def _size(region: str, row: Mapping[str, Any]) -> Size | None:
    if row["resourceType"] != "virtualMachines":
        return None
    can = {one["name"]: one["value"] for one in row.get("capabilities") or ()}
    return Size(
        name=row["name"],
        family=row.get("family") or "",
        vcpus=int(can.get("vCPUs", 0)),
        gpus=int(can.get("GPUs", 0)),
        spot=str(can.get("LowPriorityCapable")).lower() == "true",
        closed=_closed(region, row.get("restrictions") or ()),
    )


def _closed(region: str, restrictions: Iterable[Mapping[str, Any]]) -> str | None:
    """Return the code of what closes a whole region; a zone that is closed leaves the others."""
    for one in restrictions:
        named = one.get("values") or (one.get("restrictionInfo") or {}).get("locations") or [region]
        if one.get("type") == "Location" and region in {str(name).lower() for name in named}:
            return str(one.get("reasonCode") or "Restricted")
    return None


def _quota(row: Mapping[str, Any]) -> Quota:
    return Quota(
        family=row["name"]["value"], limit=int(row["limit"]), used=int(row["currentValue"])
    )
