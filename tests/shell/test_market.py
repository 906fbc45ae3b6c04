"""``ChooseRegionOperator`` with sizes: a Resource Manager and a price list on loopback."""

from __future__ import annotations

import json
import ssl

import pytest
import trustme
from servers.offers import A100, REGIONS, T4, TOKEN, Azure
from servers.web import Say, serving

from airflow_carbon import ChooseRegionOperator, clock
from airflow_carbon.core.errors import (
    InvalidOptionError,
    NoRegionLeftError,
    ServiceUnavailableError,
    UnknownConnectionError,
    UnknownSizeError,
)
from airflow_carbon.hooks import market
from airflow_carbon.services import gate, http


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture
def azure(authority, monkeypatch, tmp_path):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(context) as arm, serving() as prices:
        extra = {
            "subscriptionId": "sub",
            "arm_endpoint": arm.url,
            "ca_file": str(tmp_path / "ca.pem"),
            "prices_url": f"{prices.url}/api/retail/prices",
        }
        value = json.dumps({"conn_type": "azure", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", value)
        monkeypatch.setenv("IDENTITY_ENDPOINT", f"{prices.url}/msi/token")
        monkeypatch.setenv("IDENTITY_HEADER", "header")
        monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
        yield Azure(arm, prices)


@pytest.fixture(autouse=True)
def _fresh(monkeypatch):
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)
    monkeypatch.setattr(http, "RETRY_PAUSE_S", 0.01)
    gate.GATES.gates.clear()
    for memory in (market.LOCATIONS, market.OFFERS, market.PRICES):
        memory.clear()


def choose(regions=REGIONS, **arguments):
    times = {"duration": "2h", "max_delay": "12h", **arguments}
    operator = ChooseRegionOperator(task_id="choose", regions=regions, **times)
    operator.submitted = clock.now().isoformat()
    return operator.execute({})


def weighed(price=0, *machines):
    named = machines or ({"name": A100, "power_kw": 0.5},)
    return {"carbon_price_per_t": price, "machines": list(named)}


def test_prices_come_from_the_list_and_the_runner_up_is_shown(azure):
    chosen = choose(sizes=[A100], currency="eur", objective=weighed())

    assert (chosen["region"], chosen["machine"]) == ("polandcentral", A100)
    assert chosen["terms"]["cost"] == pytest.approx(4.0)
    assert (chosen["runner_up"]["region"], chosen["runner_up"]["machine"]) == ("westeurope", A100)
    assert (chosen["currency"], chosen["spot"]) == ("EUR", False)
    assert json.loads(json.dumps(chosen)) == chosen


def test_a_dear_tonne_turns_the_choice_to_the_clean_region(azure):
    assert choose(sizes=[A100], objective=weighed(100_000))["region"] == "swedencentral"


def test_spot_prices_are_those_of_spot_machines(azure):
    chosen = choose(sizes=A100, spot=True, objective=weighed())

    assert chosen["terms"]["cost"] == pytest.approx(1.0)


def test_a_denied_region_is_never_used_whatever_it_would_save(azure):
    chosen = choose(sizes=A100, deny="Poland, NL", objective=weighed())

    assert chosen["region"] == "francecentral"
    assert chosen["left_out"] == {
        "polandcentral": "deny= names Poland",
        "westeurope": "deny= names NL",
    }
    asked = {ask.path.split("/")[-2] for ask in azure.arm.asked if "usages" in ask.path}
    assert asked == {"francecentral", "swedencentral"}


def test_a_region_is_left_out_for_what_the_subscription_lacks_there(azure):
    azure.left["polandcentral"] = 16
    azure.closed.add("westeurope")
    azure.offered["francecentral"] = [T4]

    chosen = choose(sizes=A100, objective=weighed())

    assert chosen["region"] == "swedencentral"
    assert chosen["runner_up"] is None
    assert chosen["left_out"] == {
        "francecentral": f"{A100} is not offered there",
        "polandcentral": f"quota: {A100} needs 24 vCPUs, 16 of 24 are left ({A100}Family)",
        "westeurope": f"{A100} is closed to this subscription there (QuotaId)",
    }


def test_a_size_that_is_short_somewhere_leaves_the_others_there(azure):
    azure.left["polandcentral"] = 16
    slow = {"name": T4, "power_kw": 0.1, "speed": 0.5, "price_per_h": 9}

    chosen = choose(sizes=[A100, T4], objective=weighed(0, {"name": A100, "power_kw": 0.5}, slow))

    found = {(one["region"], one["machine"]) for one in chosen["ranking"]}
    assert (chosen["region"], chosen["machine"]) == ("westeurope", A100)
    assert ("polandcentral", A100) not in found
    assert chosen["left_out"] == {}


def test_no_region_that_can_take_it_is_an_error_that_says_why(azure):
    azure.left = dict.fromkeys(REGIONS, 0)

    with pytest.raises(NoRegionLeftError, match=r"francecentral \(quota: .*westeurope \(quota"):
        choose(sizes=A100)


def test_nothing_under_the_highest_cost_is_an_error_that_says_so(azure):
    with pytest.raises(NoRegionLeftError, match=r"it costs 4\.00, over 1\.00"):
        choose(sizes=A100, objective={"max_cost": 1})


def test_a_machine_without_a_name_is_that_of_the_one_size(azure):
    chosen = choose(sizes=A100, objective=weighed(0, {"power_kw": 0.25}))

    assert (chosen["machine"], chosen["terms"]["energy_kwh"]) == (A100, pytest.approx(0.5))


def test_a_size_is_found_however_its_letters_are_written(azure):
    assert choose(sizes=A100.lower(), objective={"max_cost": 100})["machine"] == A100


def test_an_unknown_size_is_said_with_what_comes_close(azure):
    with pytest.raises(UnknownSizeError, match=f"did you mean {A100}"):
        choose(sizes="Standard_NC24_A100_v4")


def test_a_size_that_is_sold_elsewhere_only_leaves_the_other_sizes(azure):
    azure.offered = {region: [T4] for region in REGIONS}
    machines = ({"name": A100, "power_kw": 0.5}, {"name": T4, "power_kw": 0.1})

    assert choose(sizes=[A100, T4], objective=weighed(0, *machines))["machine"] == T4


def test_what_was_asked_is_remembered_for_the_next_choice(azure):
    first = choose(sizes=A100, objective=weighed())
    asked = len(azure.arm.asked) + sum(azure.prices.paths().values())

    assert choose(sizes=A100, objective=weighed())["region"] == first["region"]
    assert len(azure.arm.asked) + sum(azure.prices.paths().values()) == asked


def test_azure_is_asked_in_this_package_s_name_and_no_log_has_the_token(azure, caplog):
    caplog.set_level(0)

    choose(sizes=A100)

    assert all("airflow-carbon/" in ask.headers["user-agent"] for ask in azure.arm.asked)
    assert TOKEN not in caplog.text


@pytest.mark.parametrize(
    "fault",
    [
        Say(403, {"error": {"code": "AuthorizationFailed", "message": "No right."}}),
        Say(401, {"error": {"code": "ExpiredAuthenticationToken", "message": "It expired."}}),
        Say(404, {"error": {"code": "SubscriptionNotFound", "message": "There is none."}}),
    ],
)
def test_a_resource_manager_that_refuses_is_done_without_and_warned_of(azure, fault, caplog):
    azure.arm.mood = lambda _: fault

    assert choose(sizes=A100, objective=weighed())["region"] == "polandcentral"
    assert "what the subscription may use is not known" in caplog.text
    assert fault.body["error"]["code"] in caplog.text


def test_a_region_that_azure_does_not_answer_for_stays_in_the_choice(azure, caplog):
    gone = Say(404, {"error": {"code": "NotFound", "message": "Gone."}})
    azure.arm.mood = lambda ask: gone if "polandcentral/usages" in ask.path else None

    assert choose(sizes=A100, objective=weighed())["region"] == "polandcentral"
    assert "sizes and quotas of polandcentral are not known" in caplog.text


def test_no_price_list_is_warned_of_where_emissions_decide(azure, caplog):
    azure.prices.mood = lambda ask: Say(500) if "prices" in ask.path else None

    chosen = choose(sizes=A100)

    assert chosen["region"] == "swedencentral"
    assert chosen["terms"]["cost"] is None
    assert f"the prices of {A100} are not known" in caplog.text


def test_no_price_list_is_an_error_where_prices_decide(azure):
    azure.prices.mood = lambda ask: Say(500) if "prices" in ask.path else None

    with pytest.raises(ServiceUnavailableError, match="Azure Retail Prices gave no answer"):
        choose(sizes=A100, objective=weighed())


def test_a_price_that_the_author_gives_is_not_asked_for(azure):
    given = {"name": A100, "power_kw": 0.5, "price_per_h": 7}

    chosen = choose(sizes=A100, objective=weighed(0, given))

    assert chosen["terms"]["cost"] == pytest.approx(14)
    assert "/api/retail/prices" not in azure.prices.paths()


def test_without_a_subscription_the_prices_alone_count(azure, monkeypatch, caplog):
    url = f"{azure.prices.url}/api/retail/prices"
    monkeypatch.delenv("AIRFLOW_CONN_AZURE_DEFAULT")
    monkeypatch.setattr("airflow_carbon.azure.prices.URL", url)

    assert choose(sizes=A100, objective=weighed())["region"] == "polandcentral"
    assert "set AZURE_SUBSCRIPTION_ID" in caplog.text
    assert azure.arm.asked == []


def test_a_connection_that_is_named_and_missing_is_an_error(azure):
    with pytest.raises(UnknownConnectionError, match="airflow connections add mine"):
        choose(sizes=A100, azure_conn_id="mine")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"sizes": [A100, T4]}, "what power it draws"),
        ({"sizes": A100, "objective": {"carbon_price_per_t": 80}}, "what power it draws"),
        ({"sizes": "A100; drop"}, "az vm list-skus"),
        ({"sizes": A100, "currency": "euros"}, "ISO 4217"),
        ({"deny": "France, SE, NL, PL"}, "deny fewer"),
    ],
)
def test_what_can_not_be_breaks_the_parse(arguments, words):
    with pytest.raises(InvalidOptionError, match=words):
        ChooseRegionOperator(
            task_id="c", regions=REGIONS, duration="1h", max_delay="1h", **arguments
        )


def test_templates_are_read_when_the_task_runs():
    ChooseRegionOperator(
        task_id="c",
        deny="{{ var.value.denied }}",
        sizes=["{{ params.size }}"],
        currency="{{ params.currency }}",
        duration="1h",
        max_delay="1h",
    )
