from __future__ import annotations

import pytest


def test_a_missing_version_is_named(cloud):
    answer = cloud.ask("GET", cloud.group())
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "MissingApiVersionParameter"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/locations", "InvalidApiVersionParameter"),
        ("/providers/Microsoft.Compute/skus", "NoRegisteredProviderFound"),
    ],
)
def test_an_unknown_version_is_refused_by_who_owns_the_type(cloud, path, code):
    answer = cloud.ask("GET", cloud.subscription + path, "2001-01-01")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, code)


def test_an_unknown_subscription_group_and_workspace_are_told_apart(cloud):
    paths = {
        "/subscriptions/nobody/locations": "SubscriptionNotFound",
        f"{cloud.subscription}/resourceGroups/nowhere": "ResourceGroupNotFound",
        f"{cloud.workspace()}x": "ResourceNotFound",
    }
    for (path, code), version in zip(
        paths.items(), ("2022-12-01", "2024-07-01", "2024-04-01"), strict=True
    ):
        answer = cloud.ask("GET", path, version)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, code)


def test_paths_match_in_any_case(cloud):
    assert cloud.get(cloud.group().upper().replace("/RG", "/rg"), "2024-07-01")["name"].startswith(
        "rg-"
    )
    assert cloud.get(cloud.workspace().lower(), "2024-04-01")["location"] == "swedencentral"


def test_locations_have_places_as_strings_or_none_at_all(cloud):
    found = cloud.get(f"{cloud.subscription}/locations", "2022-12-01")["value"]
    kinds = {region["metadata"]["regionType"] for region in found}
    places = {type(region["metadata"].get("latitude")) for region in found}
    assert (kinds, places) == ({"Physical", "Logical"}, {str, type(None)})


def test_sizes_are_asked_by_region_and_restricted_where_there_are_none(cloud):
    path = f"{cloud.subscription}/providers/Microsoft.Compute/skus?$filter=location eq 'eastus'"
    cloud.control.no_capacity("eastus")
    found = cloud.get(path, "2021-07-01")["value"]
    assert {sku["locations"][0] for sku in found} == {"eastus"}
    assert {sku["restrictions"][0]["reasonCode"] for sku in found} == {
        "NotAvailableForSubscription"
    }
    other = path.replace("location eq 'eastus'", "name eq 'x'")
    assert cloud.ask("GET", other, "2021-07-01").status_code == 400


def test_usages_tell_the_quota_of_a_family_and_of_spot(cloud):
    cloud.control.quota("eastus", "lowPriorityCores", 80, 96)
    path = f"{cloud.subscription}/providers/Microsoft.Compute/locations/eastus/usages"
    found = {u["name"]["value"]: u for u in cloud.get(path, "2024-07-01")["value"]}
    spot = found["lowPriorityCores"]
    assert (spot["currentValue"], spot["limit"]) == (80, 96)
    assert "StandardNCADSA100v4Family" in found


def test_a_group_is_made_once_and_stays_where_it_is(cloud):
    body = {"location": "uksouth", "tags": {"team": "ml"}}
    groups = cloud.client.resource_groups
    assert groups.create_or_update("Fresh", body).tags == {"team": "ml"}
    assert groups.get("fresh").name == "Fresh"
    moved = cloud.ask("PUT", f"{cloud.subscription}/resourceGroups/fresh", "2024-07-01",
                      {"location": "eastus"})  # fmt: skip
    assert moved.json()["error"]["code"] == "InvalidResourceGroupLocation"


def test_a_path_that_azure_does_not_have_is_not_found(cloud):
    assert cloud.ask("GET", f"{cloud.group()}/providers/A.B/c", "2024-07-01").status_code == 404
