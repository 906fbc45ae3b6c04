"""Azure Carbon Optimization: replies in the shapes of Microsoft's specification 2025-04-01."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.azure.arm import Reply
from airflow_carbon.azure.carbon_optimization import available, details, every_figure, monthly
from airflow_carbon.core.errors import AccessRefusedError, MalformedReplyError
from airflow_carbon.core.provider_report import Level, Scopes

SUBSCRIPTION = "AAAAAAAA-0000-0000-0000-000000000001"
ME = SUBSCRIPTION.lower()
OCTOBER = date(2026, 10, 1)


def reply(body):
    return Reply(status=200, headers={}, body=body)


def item(**fields):
    return {"latestMonthEmissions": 0.25, "previousMonthEmissions": 0.5, **fields}


def resource(name, location="West US 2", **fields):
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Lab/providers/Microsoft.Compute/{name}"
    place = {"location": location} if location else {}
    known = {
        "dataType": "ResourceItemDetailsData",
        "itemName": name,
        "categoryType": "Resource",
        "subscriptionId": SUBSCRIPTION,
        "resourceGroup": "Lab",
        "resourceId": path,
    }
    return item() | known | place | fields


def page(level, *items, **more):
    ask = details(SUBSCRIPTION, OCTOBER, Scopes.ALL, level)
    return ask.read(reply({"value": list(items), **more}))


def test_the_range_is_its_first_and_last_month():
    ask = available()
    body = {"startDate": "2025-11-01", "endDate": "2026-10-01"}

    assert (ask.method, ask.body) == ("POST", None)
    assert ask.path == "/providers/Microsoft.Carbon/queryCarbonEmissionDataAvailableDateRange"
    assert ask.read(reply(body)) == (date(2025, 11, 1), OCTOBER)


def test_a_range_that_ends_before_it_begins_is_no_answer():
    with pytest.raises(ValueError, match="range"):
        available().read(reply({"startDate": "2026-10-01", "endDate": "2025-11-01"}))


def test_a_question_names_one_subscription_in_lower_case_and_its_scopes():
    ask = monthly(SUBSCRIPTION, date(2026, 3, 1), OCTOBER, Scopes.SUPPLY_CHAIN)

    assert ask.path == "/providers/Microsoft.Carbon/carbonEmissionReports"
    assert ask.api_version == "2025-04-01"
    assert ask.body == {
        "reportType": "MonthlySummaryReport",
        "subscriptionList": [ME],
        "carbonScopeList": ["Scope3"],
        "dateRange": {"start": "2026-03-01", "end": "2026-10-01"},
    }


def test_details_are_of_one_month_and_a_page_goes_on_where_the_last_ended():
    next_page = "abc"
    ask = details(SUBSCRIPTION, OCTOBER, Scopes.ALL, Level.RESOURCE_GROUP, skip_token=next_page)

    assert ask.body == {
        "reportType": "ItemDetailsReport",
        "subscriptionList": [ME],
        "carbonScopeList": ["Scope1", "Scope2", "Scope3"],
        "dateRange": {"start": "2026-10-01", "end": "2026-10-01"},
        "categoryType": "ResourceGroup",
        "orderBy": "ItemName",
        "sortDirection": "Asc",
        "pageSize": 5000,
        "skipToken": "abc",
    }
    assert "skipToken" not in details(SUBSCRIPTION, OCTOBER, Scopes.ALL, Level.LOCATION).body


def test_kilograms_become_grams():
    ask = monthly(SUBSCRIPTION, date(2026, 9, 1), OCTOBER, Scopes.ALL)
    kind = {"dataType": "MonthlySummaryData", "carbonIntensity": 22}
    body = {"value": [item(date="2026-10-01", **kind), item(date="2026-09-01", **kind)]}

    assert ask.read(reply(body)) == {OCTOBER: 250.0, date(2026, 9, 1): 250.0}


def test_a_location_is_called_as_a_region():
    shown = item(dataType="ItemDetailsData", itemName="west us 2", categoryType="Location")
    (figure,) = page(Level.LOCATION, shown).figures

    assert (figure.item, figure.region, figure.emissions_g) == ("westus2", "westus2", 250.0)


def test_a_resource_group_is_called_by_its_path():
    path = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/Lab"
    kind = {"dataType": "ResourceGroupItemDetailsData", "categoryType": "ResourceGroup"}
    shown = item(itemName="Lab", subscriptionId=SUBSCRIPTION, resourceGroupUrl=path, **kind)
    (figure,) = page(Level.RESOURCE_GROUP, shown).figures

    assert figure.item == path.lower()


def test_a_resource_has_its_region_where_microsoft_knows_it():
    known, unknown = page(Level.RESOURCE, resource("a"), resource("b", location=None)).figures

    assert known.item.endswith("/resourcegroups/lab/providers/microsoft.compute/a")
    assert (known.region, unknown.region) == ("westus2", None)


@pytest.mark.parametrize("why", [{}, {"denialReason": "Carbon Optimization Reader required"}])
def test_a_denial_inside_an_answer_is_refused_with_the_role(why):
    denied = [{"subscriptionId": SUBSCRIPTION, "decision": "Denied", **why}]

    with pytest.raises(AccessRefusedError, match="give the login the role Carbon Optimization"):
        page(Level.RESOURCE, subscriptionAccessDecisionList=denied)


def test_another_subscriptions_denial_is_not_ours():
    decisions = [
        {"subscriptionId": "other", "decision": "Denied"},
        {"subscriptionId": ME, "decision": "Allowed"},
    ]

    assert page(Level.RESOURCE, subscriptionAccessDecisionList=decisions).figures == ()


@pytest.mark.parametrize("broken", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_answer(broken):
    with pytest.raises(ValueError, match="latestMonthEmissions"):
        page(Level.RESOURCE, resource("a") | {"latestMonthEmissions": broken})


class Pages:
    """An ``Arm`` that has these pages, each with the token of the next."""

    def __init__(self, pages, *, loops=False):
        self.pages = pages
        self.loops = loops

    def send(self, ask):
        number = int(ask.body.get("skipToken", "0"))
        body = {"value": self.pages[number]}
        if self.loops or number + 1 < len(self.pages):
            body["skipToken"] = str((number + 1) % len(self.pages))
        return ask.read(reply(body))


@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 99)), max_size=4), min_size=1
    )
)
def test_figures_come_from_every_page_and_those_of_one_item_add_up(pages):
    arm = Pages([[resource(name, latestMonthEmissions=kg) for name, kg in one] for one in pages])
    found = every_figure(arm, SUBSCRIPTION, OCTOBER, Scopes.ALL, Level.RESOURCE)

    sums = {}
    for name, kg in (one for several in pages for one in several):
        sums[name] = sums.get(name, 0) + 1000 * kg
    assert {figure.item[-1]: figure.emissions_g for figure in found} == sums


def test_pages_that_lead_in_a_circle_end():
    arm = Pages([[resource("a")], [resource("b")]], loops=True)

    with pytest.raises(MalformedReplyError, match="came twice"):
        every_figure(arm, SUBSCRIPTION, OCTOBER, Scopes.ALL, Level.RESOURCE)
