"""Build the tables that the package ships, from the public series and tables they derive from.

    python tools/build_data.py --sources DIR [--out airflow_carbon/data]

``DIR`` holds, as downloaded or joined from the sources that the files' headers name:
``em2022/lifecycle_2022_hourly_123zones.parquet`` (hourly, a column a zone [gCO2eq/kWh]),
``azure/regions.csv`` (a row an Azure region) and ``co2js/ember_average_intensities.json``.
The same sources give the same bytes.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterable

REGIONS_HEADER = """\
Azure's regions, as of 2026-06: facts, compiled by tools/build_data.py. Empty: unknown, or nobody published it.
cloud: as Azure's tools call it. The US Government's and China's are apart: a subscription is in one cloud, with its own login.
region, display_name, geography, physical_location, category, access_restricted, paired_region: Azure Resource Manager,
  subscriptions/{id}/locations (2026-04). The two early-update regions (centraluseuap, eastus2euap) are left out: they
  take no customers' work. access_restricted: open only to customers who need a second region in that country.
geography_group: the same; it puts the UK, Norway and Switzerland into Europe. country: ISO 3166-1 alpha-2.
latitude, longitude [degrees]: the same; the data centre's position as Electricity Maps lists it where Microsoft's point
  lies in the sea, in another city or in the middle of the country: eastus, francecentral, francesouth, germanynorth,
  israelcentral, spaincentral, ukwest, westcentralus; the city's where Microsoft gives none: indiasouthcentral.
zone_electricity_maps: Electricity Maps' list of data centres (config/data_centers, 2026); by the grid of the physical
  location where it lists none (austriaeast, belgiumcentral, chilecentral, denmarkeast, indiasouthcentral,
  jioindiacentral, jioindiawest, malaysiawest, westindia). Sources disagree on three: northcentralus is in Illinois on
  ComEd's lines, which PJM operates (not MISO); swedencentral is in Gavle, bidding zone SE3; westus is in California
  (CAISO), and it is westus2 that is in Washington.
zone_watttime: Green Software Foundation, Real Time Energy and Carbon Standard for Cloud Providers, 2023, where given
  and not in disagreement with the zone.
AzureUSGovernment: names as Microsoft's AzureLocation has them (azure-core for .NET, 2025), of the five regions that take
  work; the DoD's, open to it alone, stand in Iowa and Virginia (FedScoop, "Microsoft slates new cloud centers dedicated to
  Defense Department", 2015). More than the state is not published: position and zone are those of Microsoft's public
  region in that state (centralus, eastus2, southcentralus, westus3).
AzureChinaCloud, run by 21Vianet: names, pairs and access from docs.azure.cn, "Azure regions list" (2025); zone and position
  from Electricity Maps' list of data centres. chinaeast3, restricted and of unpublished position, is left out.
pue, pue_year, pue_source [1]: the same, from Microsoft's publications: `measured`, `design` for a design value, or `stated`."""

PROFILES_HEADER = """\
Typical carbon intensity of the grid zones that Azure's regions stand in. Built by tools/build_data.py.
Unit: gCO2eq/kWh, whole grams. Signal: average, flow-traced. Factor type: lifecycle.
status `profile`: mean of the hourly intensities of 2022-01-01 to 2022-12-31 (UTC) by month, kind of day and hour.
  Source: Electricity Maps, hourly carbon intensity of 123 zones in 2022, through the data set of Sukprasert et al.,
  "On the Limitations of Carbon-Aware Temporal and Spatial Workload Shifting in the Cloud", EuroSys 2024.
status `static`: the zone is not among those; every hour is the country's mean of the newest year that Ember gives.
  Source: Ember, through The Green Web Foundation's CO2.js (CC BY 4.0).
month, day and hour are those of the zone's standard time, UTC + utc_offset_hours (the mean longitude of its Azure
  regions over 15 degrees, rounded; no daylight saving). day: `working` is Monday to Friday, public holidays included.
Licence: Open Database License 1.0 (https://opendatacommons.org/licenses/odbl/1-0/). Contains information from
  Electricity Maps, which is made available here under the ODbL. See LICENSE.md."""

NOT_FOR_CUSTOMERS = {"centraluseuap", "eastus2euap"}

AT_THE_DATA_CENTRE = {
    "eastus",
    "francecentral",
    "francesouth",
    "germanynorth",
    "israelcentral",
    "spaincentral",
    "ukwest",
    "westcentralus",
}
"""Regions whose position is taken from the list of data centres."""

AT_ITS_CITY = {"indiasouthcentral": ("17.3850", "78.4867")}
"""Latitude and longitude of Hyderabad: Microsoft names the city alone."""

GROUP_OF_GEOGRAPHY = {"India": "Asia Pacific"}
"""For regions that Azure announces without their group."""

WATTTIME_DISAGREES = {"northcentralus", "westus"}

PUBLIC, GOVERNMENT, CHINA = "AzurePublicCloud", "AzureUSGovernment", "AzureChinaCloud"

IN_THE_STATE_OF = {
    "usdodcentral": ("US DoD Central", "Iowa", "centralus"),
    "usdodeast": ("US DoD East", "Virginia", "eastus2"),
    "usgovarizona": ("US Gov Arizona", "Arizona", "westus3"),
    "usgovtexas": ("US Gov Texas", "Texas", "southcentralus"),
    "usgovvirginia": ("US Gov Virginia", "Virginia", "eastus2"),
}
"""Regions of the US Government: display name, state, the public region in the same state."""

IN_CHINA = {
    "chinaeast": ("China East", "31.2323", "121.9692", "chinanorth"),
    "chinaeast2": ("China East 2", "30.5702", "119.9265", "chinanorth2"),
    "chinanorth": ("China North", "40.5065", "116.0912", "chinaeast"),
    "chinanorth2": ("China North 2", "39.6311", "118.3977", "chinaeast2"),
    "chinanorth3": ("China North 3", "42.7106", "116.2780", ""),
}
"""Display name, latitude, longitude, the pair."""

EMBER_COUNTRY = {"AE": "ARE", "CN": "CHN", "IN-SO": "IND", "MX": "MEX", "MY-WM": "MYS", "QA": "QAT"}
"""Countries (ISO 3166-1 alpha-3) of the zones without an hourly series."""

HOURS = [f"h{hour:02}" for hour in range(24)]
DEGREES_AN_HOUR = 15
SATURDAY = 5


def main() -> None:
    """Write both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sources", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("airflow_carbon/data"))
    options = parser.parse_args()
    regions = read_regions(options.sources / "azure/regions.csv")
    hourly = pd.read_parquet(options.sources / "em2022/lifecycle_2022_hourly_123zones.parquet")
    yearly = json.loads((options.sources / "co2js/ember_average_intensities.json").read_text())
    _write(options.out / "azure_regions.csv", REGIONS_HEADER, regions)
    _write(options.out / "typical_profiles.csv", PROFILES_HEADER, profiles(regions, hourly, yearly))


def read_regions(file: Path) -> list[dict[str, Any]]:
    """Return the rows of ``azure_regions.csv``, by name."""
    table = pd.read_csv(file, keep_default_na=False, dtype=str)
    records = table[~table["region"].isin(NOT_FOR_CUSTOMERS)].to_dict("records")
    public = list(map(_region, records))
    by_name = {row["region"]: row for row in public}
    government = [_government(name, by_name) for name in IN_THE_STATE_OF]
    return sorted(public + government + _china(), key=lambda row: str(row["region"]))


def _government(name: str, public: dict[str, dict[str, Any]]) -> dict[str, Any]:
    display, state, beside = IN_THE_STATE_OF[name]
    return public[beside] | {
        "region": name,
        "cloud": GOVERNMENT,
        "display_name": display,
        "geography": "Azure Government",
        "physical_location": state,
        "category": "",
        "access_restricted": str(name.startswith("usdod")).lower(),
        "pue": "",
        "pue_year": "",
        "pue_source": "",
        "paired_region": "",
    }


def _china() -> list[dict[str, Any]]:
    return [
        {
            "region": name,
            "cloud": CHINA,
            "display_name": display,
            "geography": "China",
            "geography_group": "China",
            "country": "CN",
            "physical_location": "",
            "latitude": latitude,
            "longitude": longitude,
            "category": "",
            "access_restricted": "false",
            "zone_electricity_maps": "CN",
            "zone_watttime": "",
            "pue": "",
            "pue_year": "",
            "pue_source": "",
            "paired_region": pair,
        }
        for name, (display, latitude, longitude, pair) in IN_CHINA.items()
    ]


def _region(row: dict[str, str]) -> dict[str, Any]:
    name = row["region"]
    latitude, longitude = row["latitude"], row["longitude"]
    if name in AT_THE_DATA_CENTRE:
        longitude, latitude = row["em_dc_lonlat"].split()
    latitude, longitude = AT_ITS_CITY.get(name, (latitude, longitude))
    year = row["pue_source"].removeprefix("GSF-RTC ")[:4]
    kind = next((k for k in ("measured", "design") if k in row["pue_source"]), "stated")
    return {
        "region": name,
        "cloud": PUBLIC,
        "display_name": row["display_name"],
        "geography": row["geography"],
        "geography_group": row["geography_group"] or GROUP_OF_GEOGRAPHY[row["geography"]],
        "country": row["country_iso2"],
        "physical_location": row["physical_location"],
        "latitude": f"{float(latitude):.4f}",
        "longitude": f"{float(longitude):.4f}",
        "category": row["region_category"],
        "access_restricted": row["access_restricted"].lower(),
        "zone_electricity_maps": row["em_zone"],
        "zone_watttime": "" if name in WATTTIME_DISAGREES else row["watttime_region"],
        "pue": row["pue"],
        "pue_year": year if row["pue"] else "",
        "pue_source": f"{kind}, Microsoft through GSF" if row["pue"] else "",
        "paired_region": row["paired_region"].lower().replace(" ", ""),
    }


def profiles(
    regions: list[dict[str, Any]], hourly: pd.DataFrame, yearly: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the rows of ``typical_profiles.csv``, by zone, month and kind of day."""
    rows: list[dict[str, Any]] = []
    for zone in sorted({row["zone_electricity_maps"] for row in regions}):
        places = [float(r["longitude"]) for r in regions if r["zone_electricity_maps"] == zone]
        offset = round(sum(places) / len(places) / DEGREES_AN_HOUR)
        if zone in hourly:
            rows += _typical_days(zone, hourly[zone], offset)
        else:
            mean = yearly[EMBER_COUNTRY[zone]]["emissions_intensity_gco2_per_kwh"]
            key = {"zone": zone, "status": "static", "utc_offset_hours": offset}
            rows.append({**key, "month": 0, "day": "any", **_hours([mean] * 24)})
    return rows


def _typical_days(zone: str, series: pd.Series[float], offset: int) -> Iterable[dict[str, Any]]:
    local = series.index + pd.Timedelta(hours=offset)
    means = series.groupby([local.month, local.day_of_week >= SATURDAY, local.hour]).mean()
    key = {"zone": zone, "status": "profile", "utc_offset_hours": offset}
    for month in range(1, 13):
        for weekend, day in ((False, "working"), (True, "weekend")):
            values = [float(means[month, weekend, hour]) for hour in range(24)]
            yield {**key, "month": month, "day": day, **_hours(values)}


def _hours(values: list[float]) -> dict[str, int]:
    return {hour: round(value) for hour, value in zip(HOURS, values, strict=True)}


def _write(file: Path, header: str, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    for line in header.splitlines():
        text.write(f"# {line}\n")
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    file.write_text(text.getvalue(), encoding="utf-8")
    print(f"{file}: {len(rows)} rows, {file.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
