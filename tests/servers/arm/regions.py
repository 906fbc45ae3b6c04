"""The regions and GPU sizes of the stand-in: a few of Azure's, with real places and numbers.

Places: the reply of ``/subscriptions/{s}/locations``. Sizes: the reply of
``Microsoft.Compute/skus``. Prices per hour in USD: the Retail Prices API, 2026-06-18.
"""

from __future__ import annotations

from typing import NamedTuple


class Region(NamedTuple):
    display: str
    geography: str
    group: str
    latitude: str
    longitude: str
    place: str
    pair: str
    prices: dict[str, float]


class Size(NamedTuple):
    family: str
    vcpus: int
    memory_gb: int
    gpus: int


A100, H100, T4 = "Standard_NC24ads_A100_v4", "Standard_NC40ads_H100_v5", "Standard_NC4as_T4_v3"
CPU = "Standard_D2s_v3"
REGIONS = {
    "eastus": Region(
        "East US", "United States", "US", "37.3719", "-79.8164", "Virginia", "westus",
        {A100: 3.673, H100: 6.98, T4: 0.526},
    ),
    "southcentralus": Region(
        "South Central US", "United States", "US", "29.4167", "-98.5", "Texas", "northcentralus",
        {A100: 4.408, H100: 8.38, T4: 0.631},
    ),
    "swedencentral": Region(
        "Sweden Central", "Sweden", "Europe", "60.67488", "17.14127", "Gävle", "swedensouth",
        {A100: 4.775, H100: 9.074, T4: 0.558},
    ),
    "francecentral": Region(
        "France Central", "France", "Europe", "46.3772", "2.373", "Paris", "francesouth",
        {A100: 4.591, T4: 0.615},
    ),
    "westeurope": Region(
        "West Europe", "Europe", "Europe", "52.3667", "4.9", "Netherlands", "northeurope",
        {A100: 4.775, H100: 9.08, T4: 0.658},
    ),
    "northeurope": Region(
        "North Europe", "Europe", "Europe", "53.3478", "-6.2597", "Ireland", "westeurope",
        {A100: 4.408, H100: 8.376, T4: 0.587},
    ),
    "germanywestcentral": Region(
        "Germany West Central", "Germany", "Europe", "50.110924", "8.682127", "Frankfurt",
        "germanynorth", {A100: 4.775, H100: 9.074, T4: 0.658},
    ),
    "spaincentral": Region(
        "Spain Central", "Spain", "Europe", "40.4259", "3.4209", "Madrid", "",
        {A100: 4.775, H100: 9.074},
    ),
    "uksouth": Region(
        "UK South", "United Kingdom", "UK", "50.941", "-0.799", "London", "ukwest",
        {A100: 4.591, H100: 8.725, T4: 0.615},
    ),
}  # fmt: skip
SIZES = {
    A100: Size("StandardNCADSA100v4Family", 24, 220, 1),
    H100: Size("StandardNCadsH100v5Family", 40, 320, 1),
    T4: Size("Standard NCASv3_T4 Family", 4, 28, 1),
    CPU: Size("standardDSv3Family", 2, 8, 0),
}
LOGICAL = {"europe": "Europe", "unitedstates": "United States"}


def plain(location: str) -> str:
    """Return a region's short name: ``Sweden Central`` is ``swedencentral``."""
    return location.replace(" ", "").lower()


def sold(region: str) -> dict[str, Size]:
    """Return the sizes that the region sells."""
    return {k: s for k, s in SIZES.items() if not s.gpus or k in REGIONS[region].prices}
