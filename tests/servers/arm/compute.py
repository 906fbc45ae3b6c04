"""Where and what: locations, sizes, quotas, and resource groups.

Locations 2022-12-01; Microsoft.Compute/skus 2021-07-01; Microsoft.Compute usages 2024-07-01;
resource groups 2024-07-01, 2025-04-01 (the SDK's).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from servers.arm.regions import LOGICAL, REGIONS, Size, plain, sold
from servers.arm.wire import ArmError, Call, Room, reply

if TYPE_CHECKING:
    from servers.arm.world import World

room = Room()
SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = SUBSCRIPTION + "/resourcegroups/{group}"
GROUPS = ("2024-07-01", "2025-04-01", "2021-04-01", "2022-09-01")
DEFAULT_LIMIT = 100


@room.arm("GET", SUBSCRIPTION + "/locations", "2022-12-01")
async def locations(call: Call) -> Any:
    """Subscriptions_ListLocations; latitudes are strings, logical regions have no place."""
    start = f"/subscriptions/{call.subscription}/locations"
    physical = [
        {
            "id": f"{start}/{name}",
            "name": name,
            "type": "Region",
            "displayName": r.display,
            "regionalDisplayName": f"({r.group}) {r.display}",
            "metadata": {
                "regionType": "Physical",
                "regionCategory": "Recommended",
                "geography": r.geography,
                "geographyGroup": r.group,
                "latitude": r.latitude,
                "longitude": r.longitude,
                "physicalLocation": r.place,
                "pairedRegion": [{"id": f"{start}/{p}", "name": p} for p in (r.pair,) if p],
            },
            "availabilityZoneMappings": [
                {"logicalZone": logical, "physicalZone": f"{name}-az{physical}"}
                for logical, physical in (("1", 1), ("2", 3), ("3", 2))
            ],
        }
        for name, r in REGIONS.items()
    ]
    logical = [
        {
            "id": f"{start}/{name}",
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": display,
            "metadata": {"regionType": "Logical", "regionCategory": "Other"},
        }
        for name, display in LOGICAL.items()
    ]
    return {"value": physical + logical}


@room.arm("GET", SUBSCRIPTION + "/providers/Microsoft.Compute/skus", "2021-07-01")
async def skus(call: Call) -> Any:
    """ResourceSkus_List; ``location eq 'x'`` is the only filter."""
    asked = call.query.get("$filter")
    regions = list(REGIONS)
    if asked is not None:
        found = re.fullmatch(r"\s*location\s+eq\s+'([^']*)'\s*", asked, re.IGNORECASE)
        if not found:
            raise ArmError(400, "InvalidFilter", f"The filter '{asked}' is not supported.")
        regions = [r for r in regions if r == plain(found[1])]
    return {
        "value": [
            _sku(call.world, region, name, size)
            for region in regions
            for name, size in sold(region).items()
        ]
    }


def _sku(world: World, region: str, name: str, size: Size) -> dict[str, Any]:
    refused = world.refusals.get(region, ("", ""))[0] == "SkuNotAvailable"
    restriction = {
        "type": "Location",
        "values": [region],
        "restrictionInfo": {"locations": [region]},
        "reasonCode": "NotAvailableForSubscription",
    }
    capabilities = {
        "vCPUs": size.vcpus,
        "MemoryGB": size.memory_gb,
        "CpuArchitectureType": "x64",
        "LowPriorityCapable": True,
    } | ({"GPUs": size.gpus} if size.gpus else {})
    return {
        "resourceType": "virtualMachines",
        "name": name,
        "tier": "Standard",
        "size": name.removeprefix("Standard_"),
        "family": size.family,
        "locations": [region],
        "locationInfo": [{"location": region, "zones": ["1", "3"], "zoneDetails": []}],
        "capabilities": [{"name": k, "value": str(v)} for k, v in capabilities.items()],
        "restrictions": [restriction] if refused else [],
    }


@room.arm(
    "GET",
    SUBSCRIPTION + "/providers/Microsoft.Compute/locations/{location}/usages",
    "2024-07-01",
    "2024-03-01",
    "2023-09-01",
)
async def usages(call: Call) -> Any:
    """Usage_List, in vCPUs: by family, for all, and for all Spot together."""
    region = plain(call.params["location"])
    if region not in REGIONS:
        raise ArmError(
            400,
            "NoRegisteredProviderFound",
            f"No registered resource provider found for location '{region}' and API version "
            f"'{call.version}' for type 'locations/usages'.",
        )
    families = {size.family: size.family for size in sold(region).values()}
    names = {"cores": "Total Regional vCPUs", "lowPriorityCores": "Total Regional Low-priority "
             "vCPUs"} | families  # fmt: skip
    return {"value": [_usage(call.world, region, *pair) for pair in names.items()]}


def _usage(world: World, region: str, name: str, display: str) -> dict[str, Any]:
    used, limit = world.quotas.get((region, name), (0, DEFAULT_LIMIT))
    return {
        "unit": "Count",
        "currentValue": used,
        "limit": limit,
        "name": {"value": name, "localizedValue": display},
    }


@room.arm("PUT", GROUP, *GROUPS)
async def put_group(call: Call) -> Any:
    """ResourceGroups_CreateOrUpdate; a group's location can't be changed."""
    location = plain(call.need("location", code="LocationRequired"))
    if location not in REGIONS:
        raise ArmError(
            400,
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{location}' is not available for resource group.",
        )
    name, there = call.params["group"], call.group
    if there and there["location"] != location:
        raise ArmError(
            409,
            "InvalidResourceGroupLocation",
            f"Invalid resource group location '{location}'. The Resource group already exists in "
            f"location '{there['location']}'.",
        )
    tags = {"tags": call.body["tags"]} if "tags" in call.body else {}
    name = there.get("name", name)
    group = call.world.add_group(call.subscription, name, location, **tags)
    return reply(200 if there else 201, _shown(call, group))


@room.arm("GET", GROUP, *GROUPS)
async def get_group(call: Call) -> Any:
    """ResourceGroups_Get."""
    return _shown(call, call.group)


def _shown(call: Call, group: dict[str, Any]) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{call.subscription}/resourceGroups/{group['name']}",
        "type": "Microsoft.Resources/resourceGroups",
        "properties": {"provisioningState": "Succeeded"},
    } | group
