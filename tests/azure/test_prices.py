"""The price list: which row holds, page by page, from a list that misbehaves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from servers.web import Say, serving

from airflow_carbon.azure import prices
from airflow_carbon.azure.prices import Row, choose
from airflow_carbon.core.errors import (
    InvalidOptionError,
    MalformedReplyError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_carbon.hooks.market import price_list
from airflow_carbon.services import gate, http

A100 = "Standard_NC24ads_A100_v4"
NOW = datetime(2026, 7, 1, 10, tzinfo=UTC)
PATH = "/api/retail/prices"


def row(region="swedencentral", price=3.67, **fields):
    return {
        "currencyCode": "EUR",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": region,
        "location": region,
        "effectiveStartDate": "2024-01-01T00:00:00Z",
        "meterName": "NC24ads A100 v4",
        "productName": "Virtual Machines NCads A100 v4 Series",
        "skuName": "NC24ads A100 v4",
        "serviceName": "Virtual Machines",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": A100,
    } | fields


def body(*rows, link=None):
    return {"BillingCurrency": "EUR", "Items": list(rows), "NextPageLink": link, "Count": len(rows)}


def read(*rows):
    return choose(prices.read_page(body(*rows), A100, "EUR").rows, NOW)


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.01)
    gate.GATES.gates.clear()


@pytest.fixture
def web():
    with serving() as server:
        yield server


def ask(web, size=A100):
    return price_list(f"{web.url}{PATH}", size, "EUR", NOW)


def test_a_spot_price_is_told_from_the_other():
    found = read(row(), row(price=0.9, skuName="NC24ads A100 v4 Spot"), row("eastus", 3.1))

    assert found.of(spot=False) == {"swedencentral": 3.67, "eastus": 3.1}
    assert found.of(spot=True) == {"swedencentral": 0.9}


@pytest.mark.parametrize(
    "fields",
    [
        {"productName": "Virtual Machines NCads A100 v4 Series Windows"},
        {"productName": "NCads A100 v4 Series CloudServices"},
        {"productName": "NCads A100 v4 Series Cloud Services"},
        {"productName": "NCads Series Dedicated Host"},
        {"skuName": "NC24ads A100 v4 Low Priority"},
        {"meterName": "NC24ads A100 v4 Low Priority"},
        {"retailPrice": 0},
        {"isPrimaryMeterRegion": False},
        {"type": "Reservation"},
        {"type": "DevTestConsumption"},
        {"unitOfMeasure": "1/Month"},
        {"currencyCode": "USD"},
        {"armSkuName": "Standard_NC48ads_A100_v4"},
        {"armRegionName": ""},
    ],
)
def test_a_row_that_no_linux_job_is_charged_by_does_not_count(fields):
    assert read(row(), row(**({"price": 99.0} | fields))).pay_as_you_go == {"swedencentral": 3.67}


rows = st.lists(
    st.builds(
        Row,
        region=st.sampled_from(["eastus", "swedencentral"]),
        spot=st.booleans(),
        price=st.sampled_from([1.0, 2.0, 3.0]),
        since=st.integers(-3, 3).map(lambda days: NOW + timedelta(days=days)),
    ),
    max_size=8,
)


@given(rows)
def test_the_newest_price_that_has_begun_holds_and_the_dearer_of_two(found):
    listed = choose(found, NOW)

    for region in ("eastus", "swedencentral"):
        for spot in (False, True):
            begun = [r for r in found if (r.region, r.spot) == (region, spot) and r.since <= NOW]
            newest = [r.price for r in begun if all(r.since >= other.since for other in begun)]
            assert listed.of(spot=spot).get(region) == max(newest, default=None)


def test_the_list_is_asked_for_one_size_in_one_currency_and_read_to_its_last_page(web):
    def answer(asked):
        if "$skip" not in asked.query:
            link = "https://prices.azure.com:443/api/retail/prices?$filter=a%20b&$skip=1"
            return body(row(), link=link)
        return body(row("eastus", 3.1))

    web.routes[PATH] = answer

    assert ask(web).pay_as_you_go == {"swedencentral": 3.67, "eastus": 3.1}
    first, second = web.asked
    assert first.query == {
        "api-version": "2023-01-01-preview",
        "currencyCode": "'EUR'",
        "meterRegion": "'primary'",
        "$filter": (
            "serviceName eq 'Virtual Machines' and priceType eq 'Consumption' "
            f"and armSkuName eq '{A100}'"
        ),
    }
    assert second.query == {"$filter": "a b", "$skip": "1"}
    assert first.headers["user-agent"].startswith("airflow-carbon/")
    assert "authorization" not in first.headers


def once(say):
    """Return a mood that is bad once."""
    said = []
    return lambda _: None if said else (said.append(1), say)[1]


@pytest.mark.parametrize(
    "fault",
    [
        Say(500),
        Say(503, "busy"),
        Say(200, body(row()), drop=True),
        Say(429, headers={"retry-after": "0"}),
    ],
)
def test_a_list_that_fails_once_is_asked_again(web, fault):
    web.routes[PATH] = body(row())
    web.mood = once(fault)

    assert ask(web).pay_as_you_go == {"swedencentral": 3.67}
    assert len(web.asked) == 2


@pytest.mark.parametrize(
    ("say", "error"),
    [
        (Say(500), ServiceUnavailableError),
        (Say(200, body(row()), drop=True), ServiceUnavailableError),
        (Say(429, headers={"retry-after": "3600"}), RateLimitedError),
        (Say(400, {"Error": {"Message": "Invalid OData"}}), ServiceUnavailableError),
        (Say(200, "<html>"), MalformedReplyError),
        (Say(200, {"Items": [{"armSkuName": A100}]}), MalformedReplyError),
        (Say(200, {"Items": [row(effectiveStartDate="soon")]}), MalformedReplyError),
        (Say(200, body(row()), cut=True), MalformedReplyError),
    ],
)
def test_a_list_that_goes_on_failing_is_an_error_of_ours(web, say, error):
    web.mood = lambda _: say

    with pytest.raises(error, match="Azure Retail Prices"):
        ask(web)


def test_a_list_without_end_is_given_up(web):
    web.routes[PATH] = body(row(), link=f"{web.url}{PATH}?$skip=1")

    with pytest.raises(ServiceUnavailableError, match="more than 50 pages"):
        ask(web)


@pytest.mark.parametrize("size", ["x' or 1 eq 1", "", "Standard NC"])
def test_a_size_that_can_not_be_is_not_asked_for(web, size):
    with pytest.raises(InvalidOptionError, match="az vm list-skus"):
        ask(web, size)
    assert web.asked == []


def test_a_currency_is_a_code_of_three_letters():
    assert prices.check_currency(" eur") == "EUR"
    with pytest.raises(InvalidOptionError, match="ISO 4217"):
        prices.check_currency("euro")
