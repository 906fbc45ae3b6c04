"""The bundled tables, against what is known of the world."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from importlib.resources import files

import pytest

from airflow_carbon.azure.login import Cloud
from airflow_carbon.azure.regions import check_cloud, region, regions, resident, select
from airflow_carbon.core.errors import InvalidOptionError, UnknownRegionError
from airflow_carbon.data import region_rows, typical_profiles

MONTHS = range(1, 13)
WEEKEND = (False, True)


def text_of(name: str) -> str:
    return files("airflow_carbon.data").joinpath(name).read_text()


def test_there_are_sixty_nine_regions_in_three_clouds_and_each_has_a_grid_with_a_profile():
    clouds = Counter(row.cloud for row in region_rows().values())
    assert clouds == {Cloud.PUBLIC: 59, Cloud.US_GOVERNMENT: 5, Cloud.CHINA: 5}
    assert {row.zone_electricity_maps for row in region_rows().values()} == set(typical_profiles())


@pytest.mark.parametrize(
    ("name", "zone", "country"),
    [
        ("westeurope", "NL", "NL"),
        ("northeurope", "IE", "IE"),
        ("northcentralus", "US-MIDA-PJM", "US"),
        ("swedencentral", "SE-SE3", "SE"),
        ("westus", "US-CAL-CISO", "US"),
        ("uksouth", "GB", "GB"),
        ("francecentral", "FR", "FR"),
        ("usgovarizona", "US-SW-AZPS", "US"),
        ("usdodcentral", "US-MIDW-MISO", "US"),
        ("chinanorth3", "CN", "CN"),
    ],
)
def test_a_region_stands_on_the_grid_that_feeds_it(name, zone, country):
    row = region_rows()[name]

    assert (row.zone_electricity_maps, row.country) == (zone, country)


@pytest.mark.parametrize(
    ("name", "latitude", "longitude"),
    [
        ("spaincentral", 40.4, -3.7),  # Madrid, not the sea off Mallorca
        ("francecentral", 48.9, 2.4),
        ("germanynorth", 52.5, 13.4),
        ("israelcentral", 32.1, 34.8),
        ("ukwest", 51.5, -3.2),
        ("eastus2", 36.7, -78.4),
        ("swedencentral", 60.7, 17.1),
        ("australiaeast", -33.9, 151.2),
    ],
)
def test_a_region_lies_where_its_data_centres_are(name, latitude, longitude):
    row = region_rows()[name]

    assert (row.latitude, row.longitude) == pytest.approx((latitude, longitude), abs=0.2)


def test_a_pue_is_a_published_figure_with_its_year_or_nothing():
    known = [row for row in region_rows().values() if row.pue is not None]

    assert len(known) == 22
    assert all(1.0 < row.pue < 1.5 and row.pue_year in (2022, 2023) for row in known)
    assert all("Microsoft" in row.pue_source for row in known)
    assert region_rows()["northeurope"].pue == 1.19


def test_every_intensity_is_a_whole_number_of_grams_that_a_grid_can_have():
    for profile in typical_profiles().values():
        assert set(profile.g_per_kwh) == {(m, w) for m in MONTHS for w in WEEKEND}
        for day in profile.g_per_kwh.values():
            assert len(day) == 24
            assert all(value == int(value) and 0 < value < 1200 for value in day)


def test_france_is_cleaner_than_poland_at_every_hour_of_the_year():
    clean, dirty = typical_profiles()["FR"].g_per_kwh, typical_profiles()["PL"].g_per_kwh

    assert all(max(clean[key]) < min(dirty[key]) for key in clean)


def test_the_sun_is_seen_in_california_at_noon():
    day = typical_profiles()["US-CAL-CISO"].g_per_kwh[6, False]

    assert max(day[11:14]) < min(day[19:22])


def test_a_yearly_average_is_flat_and_says_so():
    static = {zone for zone, profile in typical_profiles().items() if profile.static}

    assert static == {"AE", "CN", "IN-SO", "MX", "MY-WM", "QA"}
    for zone in static:
        assert len({v for day in typical_profiles()[zone].g_per_kwh.values() for v in day}) == 1


def test_hours_are_those_of_the_zone():
    assert typical_profiles()["NL"].utc_offset == timedelta(0)
    assert typical_profiles()["US-CAL-CISO"].utc_offset == timedelta(hours=-8)
    assert typical_profiles()["AU-NSW"].utc_offset == timedelta(hours=10)


def test_the_files_name_their_sources_and_licence():
    profiles = text_of("typical_profiles.csv")
    for words in ("Open Database License", "Electricity Maps", "2022", "Ember", "lifecycle"):
        assert words in profiles
    assert "Azure Resource Manager" in text_of("azure_regions.csv")
    assert "ODbL" in text_of("LICENSE.md")


@pytest.mark.parametrize(
    ("allowed", "some", "none"),
    [
        ("Europe", "swedencentral", "eastus"),
        ("Sweden", "swedencentral", "westeurope"),
        ("SE", "swedencentral", "westeurope"),
        (["westeurope", "Norway"], "norwayeast", "uksouth"),
        ("all", "japaneast", "francesouth"),
        ("West Europe, uk south", "uksouth", "ukwest"),
        ("francesouth", "francesouth", "francecentral"),
        ("all", "eastus", "usgovvirginia"),
        ("US", "eastus", "usgovvirginia"),
        ("Azure Government", "usgovvirginia", "usdodeast"),
        ("China", "chinaeast2", "eastasia"),
        ("US Gov Texas", "usgovtexas", "southcentralus"),
    ],
)
def test_regions_are_chosen_by_name_geography_country_or_all(allowed, some, none):
    names = {one.name for one in select(allowed)}

    assert some in names
    assert none not in names


@pytest.mark.parametrize("allowed", ["", [], "Atlantis", ["westeurope", "Mordor"]])
def test_a_place_that_is_nowhere_is_refused(allowed):
    with pytest.raises(UnknownRegionError):
        select(allowed)


def test_a_region_knows_its_overhead_or_takes_the_default():
    assert region("westeurope").pue_or_default == 1.14
    assert region("japaneast").pue is None
    assert region("japaneast").pue_or_default == 1.18
    assert len(regions()) == len(region_rows())


def test_a_subscription_is_in_one_cloud():
    with pytest.raises(InvalidOptionError, match="name regions of that one"):
        resident("eastus, usgovvirginia", "US")
    with pytest.raises(InvalidOptionError, match="write that in the Azure connection"):
        check_cloud(["usgovtexas"], Cloud.PUBLIC)

    assert [one.name for one in resident("Azure Government", "US", "usgovtexas, usgovarizona")] == [
        "usgovvirginia"
    ]
    check_cloud(["usgovtexas", "usdodeast"], Cloud.US_GOVERNMENT)


def test_a_government_region_has_the_zone_of_the_public_one_in_its_state():
    public = [row for row in region_rows().values() if row.cloud == Cloud.PUBLIC]
    for row in (row for row in region_rows().values() if row.cloud == Cloud.US_GOVERNMENT):
        here = (row.latitude, row.longitude)
        (twin,) = (one for one in public if (one.latitude, one.longitude) == here)
        assert twin.zone_electricity_maps == row.zone_electricity_maps
