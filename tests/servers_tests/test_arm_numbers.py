"""Blobs, metrics, Carbon Optimization, prices."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta

import httpx
import pytest

T0 = datetime(2026, 11, 1, tzinfo=UTC)
BLOCK = {"x-ms-blob-type": "BlockBlob"}
CARBON = "2025-04-01"


@pytest.fixture
def web(azure):
    with httpx.Client(verify=ssl.create_default_context(cafile=azure.ca)) as client:
        yield client


def test_a_blob_goes_and_comes_by_its_url(cloud, web):
    url = cloud.control.sas("logs", "run/1 of 2.jsonl")
    put = web.put(url, content=b"0123456789", headers=BLOCK)
    assert put.status_code == 201
    got = web.get(url)
    assert (got.content, got.headers["etag"]) == (b"0123456789", put.headers["etag"])
    assert web.get(url, headers={"Range": "bytes=2-4"}).content == b"234"
    assert web.head(url).headers["content-length"] == "10"


def test_the_url_of_a_container_is_good_for_its_blobs_alone(cloud, web):
    of_all = cloud.control.sas("logs", "")
    path, query = of_all.split("?")
    assert web.put(f"{path}/a/b?{query}", content=b"1", headers=BLOCK).status_code == 201
    assert web.get(cloud.control.sas("logs", "a/b")).content == b"1"
    for wrong in (f"{path}2/a?{query}", f"{path}/a/b?{query}".replace("sr=c", "sr=b")):
        assert web.get(wrong).headers["x-ms-error-code"] == "AuthenticationFailed"


def test_a_blob_that_has_changed_is_not_overwritten(cloud, web):
    url = cloud.control.sas("logs", "a")
    old = web.put(url, content=b"1", headers=BLOCK).headers["etag"]
    assert web.put(url, content=b"2", headers=BLOCK | {"If-Match": old}).status_code == 201
    late = web.put(url, content=b"3", headers=BLOCK | {"If-Match": old})
    assert (late.status_code, late.headers["x-ms-error-code"]) == (412, "ConditionNotMet")
    assert web.put(url, content=b"4", headers=BLOCK | {"If-None-Match": "*"}).status_code == 409
    assert web.get(url).content == b"2"


def test_a_url_allows_what_it_says_and_as_long_as_it_says(cloud, web):
    read = cloud.control.sas("logs", "a", "r")
    late = cloud.control.sas("logs", "a", life_s=-1)
    codes = {
        web.put(read, content=b"", headers=BLOCK).headers["x-ms-error-code"],
        web.get(late).headers["x-ms-error-code"],
        web.get(read.replace("sp=r", "sp=rw")).headers["x-ms-error-code"],
        web.get(read).headers["x-ms-error-code"],
        web.put(cloud.control.sas("logs", "a"), content=b"").headers["x-ms-error-code"],
    }
    assert codes == {
        "AuthorizationPermissionMismatch",
        "AuthenticationFailed",
        "BlobNotFound",
        "MissingRequiredHeader",
    }


def test_a_runs_gpu_energy_is_asked_by_run_and_time(cloud):
    for run in ("mine", "other"):
        cloud.control.energy(run, [(T0 + timedelta(minutes=m), 18000.0) for m in range(10)])
    span = "2026-11-01T00:02:00Z/2026-11-01T00:05:00Z"
    path = (
        f"{cloud.workspace()}/providers/Microsoft.Insights/metrics?metricnames=GpuEnergyJoules"
        f"&aggregation=Total&interval=PT1M&timespan={span}&$filter=runId eq 'mine'"
    )
    (metric,) = cloud.get(path, "2024-02-01")["value"]
    (series,) = metric["timeseries"]
    assert sum(point["total"] for point in series["data"]) == 3 * 18000.0
    wrong = path.replace("GpuEnergyJoules", "Nonsense")
    answer = cloud.ask("GET", wrong, "2024-02-01")
    assert (answer.status_code, answer.json()["code"]) == (400, "BadRequest")


@pytest.fixture
def emitted(cloud, azure):
    rows = [
        {"month": f"2026-{month:02}-01", "group": f"rg{n}", "location": "sweden central",
         "resource": "vm", "scope": scope, "kg": float(month * n)}
        for month in (7, 8, 9) for n in (1, 2, 3) for scope in ("Scope1", "Scope3")
    ]  # fmt: skip
    cloud.control.emissions(rows)
    start = "/providers/Microsoft.Carbon"

    def ask(report, begin, end, **more):
        body = {
            "reportType": report,
            "subscriptionList": [azure.subscription, "somebody-elses"],
            "carbonScopeList": ["Scope1", "Scope3"],
            "dateRange": {"start": begin, "end": end},
        } | more
        return cloud.ask("POST", f"{start}/carbonEmissionReports", CARBON, body)

    return ask


def test_carbon_is_summed_over_the_range_and_over_the_one_before(cloud, emitted):
    path = "/providers/Microsoft.Carbon/queryCarbonEmissionDataAvailableDateRange"
    range_ = cloud.ask("POST", path, CARBON).json()
    assert range_ == {"startDate": "2026-07-01", "endDate": "2026-09-01"}
    report = emitted("OverallSummaryReport", "2026-08-01", "2026-09-01").json()
    (overall,) = report["value"]
    assert overall["latestMonthEmissions"] == 2 * 6 * (8 + 9)
    assert overall["previousMonthEmissions"] == 2 * 6 * (7 + 8)
    assert [d["decision"] for d in report["subscriptionAccessDecisionList"]] == [
        "Allowed",
        "Denied",
    ]


def test_carbon_by_month_comes_newest_first(emitted):
    value = emitted("MonthlySummaryReport", "2026-07-01", "2026-09-01").json()["value"]
    assert [month["date"] for month in value] == ["2026-09-01", "2026-08-01", "2026-07-01"]


def test_carbon_by_group_comes_in_pages(emitted):
    details = {
        "categoryType": "ResourceGroup",
        "orderBy": "LatestMonthEmissions",
        "sortDirection": "Desc",
        "pageSize": 2,
    }
    ask = ("ItemDetailsReport", "2026-09-01", "2026-09-01")
    first = emitted(*ask, **details).json()
    rest = emitted(*ask, **details, skipToken=first["skipToken"]).json()
    items = first["value"] + rest["value"]
    assert [(i["itemName"], i["latestMonthEmissions"]) for i in items] == [
        ("rg3", 54.0),
        ("rg2", 36.0),
        ("rg1", 18.0),
    ]
    assert "skipToken" not in rest
    two_months = emitted("ItemDetailsReport", "2026-08-01", "2026-09-01", **details)
    assert two_months.status_code == 400


def test_prices_are_filtered_paged_and_in_a_currency(cloud, azure, web):
    cloud.control.settings(price_page=2)
    asked = {
        "api-version": "2023-01-01-preview",
        "currencyCode": "'EUR'",
        "$filter": "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
        "and armRegionName eq 'swedencentral'",
    }
    page = web.get(f"{azure.url}/api/retail/prices", params=asked).json()
    items, pages = list(page["Items"]), 1
    while page["NextPageLink"]:
        page = web.get(page["NextPageLink"]).json()
        items, pages = items + page["Items"], pages + 1
    assert (len(items), pages) == (6, 3)
    assert {i["currencyCode"] for i in items} == {"EUR"}
    wrong_case = asked | {"$filter": "armRegionName eq 'SwedenCentral'"}
    assert web.get(f"{azure.url}/api/retail/prices", params=wrong_case).json()["Count"] == 0


def test_a_price_list_can_be_given(cloud, azure, web):
    cloud.control.prices([{"armSkuName": "x", "retailPrice": 1.0, "unitPrice": 1.0}])
    found = web.get(f"{azure.url}/api/retail/prices?$filter=armSkuName eq 'x'").json()
    assert [i["retailPrice"] for i in found["Items"]] == [1.0]
