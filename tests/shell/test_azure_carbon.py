"""``AzureCarbonReportOperator`` over TLS: a login, reports page by page, a real ledger."""

from __future__ import annotations

import json
import os
import ssl
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import trustme

from airflow_carbon.cli.main import main
from airflow_carbon.core.errors import (
    AccessRefusedError,
    AzureRefusedError,
    InvalidOptionError,
    ServiceUnavailableError,
    UnknownConnectionError,
)
from airflow_carbon.core.provider_report import Level, Scopes
from airflow_carbon.hooks.carbon_reports import Fetched
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.entry import Entry, RunKey
from airflow_carbon.ledger.provider import ProviderReports
from airflow_carbon.operators.azure_carbon import AzureCarbonReportOperator

SUBSCRIPTION = "AAAAAAAA-0000-0000-0000-00000000000A"
ME = SUBSCRIPTION.lower()
PATH = f"/subscriptions/{ME}/resourceGroups"
LATEST = {"latestMonthEmissions": 0.0, "previousMonthEmissions": 0.0}


@dataclass
class Microsoft:
    """What it reports: months, and the kilograms of each resource, of all scopes and of Scope 3.

    A resource is ``group/name@location``. A page has two items.
    """

    months: list[str]
    kilograms: dict[str, tuple[float, float]]
    decision: str = "Allowed"
    throttled: bool = False
    asked: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, body: Any) -> tuple[int, Any]:
        if path.endswith("/queryCarbonEmissionDataAvailableDateRange"):
            return 200, {
                "startDate": f"{self.months[0]}-01",
                "endDate": f"{self.months[-1]}-01",
            }
        if not path.endswith("/carbonEmissionReports"):
            return 404, {"error": {"code": "InvalidResourceType", "message": path}}
        if self.throttled and body["reportType"] == "ItemDetailsReport":
            return 400, {"error": {"code": "TooMuch", "message": "not now"}}
        self.asked.append(body)
        found = self.summary(body) if body["reportType"] == "MonthlySummaryReport" else None
        reply = {"value": found} if found is not None else self.page(body)
        decided = {"subscriptionId": body["subscriptionList"][0], "decision": self.decision}
        return 200, reply | {"subscriptionAccessDecisionList": [decided]}

    def summary(self, body):
        kilograms = sum(self.of(body, name) for name in self.kilograms)
        kind = {"dataType": "MonthlySummaryData", "carbonIntensity": 1.0}
        dates = [f"{month}-01" for month in self.months]
        return [LATEST | kind | {"date": d, "latestMonthEmissions": kilograms} for d in dates]

    def page(self, body):
        begin = int(body.get("skipToken", "0"))
        items = sorted(self.items(body).items())
        more = {"skipToken": str(begin + 2)} if len(items) > begin + 2 else {}
        rows = [fields | self.named(body, name) for name, fields in items[begin : begin + 2]]
        return {"value": rows} | more

    def items(self, body):
        sums: dict[str, dict[str, float]] = {}
        for name in self.kilograms:
            group, rest = name.split("/")
            place = rest.split("@")[1]
            key = {"Resource": name, "ResourceGroup": group, "Location": place}
            one = sums.setdefault(key[body["categoryType"]], dict(LATEST))
            one["latestMonthEmissions"] += self.of(body, name)
        return sums

    def of(self, body, name):
        return self.kilograms[name][body["carbonScopeList"] == ["Scope3"]]

    def named(self, body, name):
        kind = body["categoryType"]
        named = {"itemName": name, "categoryType": kind, "subscriptionId": ME}
        if kind == "ResourceGroup":
            more = {"resourceGroupUrl": f"{PATH}/{name}"}
            return named | more | {"dataType": "ResourceGroupItemDetailsData"}
        if kind == "Location":
            return {"itemName": name, "categoryType": kind, "dataType": "ItemDetailsData"}
        group, rest = name.split("/")
        own, place = rest.split("@")
        path = f"{PATH}/{group}/providers/Microsoft.Compute/virtualMachines/{own}"
        more = {"resourceGroup": group, "resourceId": path, "location": place}
        return named | more | {"itemName": own, "dataType": "ResourceItemDetailsData"}


@contextmanager
def serving(microsoft, authority):
    """Serve Microsoft's login and Resource Manager on one port of loopback, over TLS."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            base = f"https://localhost:{self.server.server_port}/tenant"
            ends = {name: f"{base}/{name}" for name in ("authorize", "token", "devicecode")}
            self.say(
                200,
                {
                    "issuer": f"{base}/v2.0",
                    "authorization_endpoint": ends["authorize"],
                    "token_endpoint": ends["token"],
                    "device_authorization_endpoint": ends["devicecode"],
                },
            )

        def do_POST(self):
            content = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/tenant/token":
                good = b"client_secret=canary" in content
                token = {"token_type": "Bearer", "expires_in": 3600, "access_token": "token"}
                wrong = {"error": "invalid_client", "error_description": "AADSTS7000215"}
                return self.say(200, token) if good else self.say(401, wrong)
            path, _, query = self.path.partition("?")
            if self.headers.get("Authorization") != "Bearer token":
                return self.say(401, {"error": {"code": "InvalidAuthenticationToken"}})
            if query != "api-version=2025-04-01":
                return self.say(400, {"error": {"code": "InvalidApiVersionParameter"}})
            return self.say(*microsoft.answer(path, json.loads(content) if content else None))

        def say(self, status, body):
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = ThreadingHTTPServer(("localhost", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"https://localhost:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def authority():
    return trustme.CA()


@pytest.fixture
def microsoft(monkeypatch, tmp_path, authority):
    reports = Microsoft(
        months=["2026-08", "2026-09", "2026-10"],
        kilograms={
            "Lab/a@west us 2": (2.0, 1.9),
            "Lab/b@sweden central": (1.0, 1.0),
            "web/c@west us 2": (4.0, 3.0),
        },
    )
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with serving(reports, authority) as url:
        extra = {
            "subscriptionId": SUBSCRIPTION,
            "tenantId": "tenant",
            "arm_endpoint": url,
            "authority": url,
            "ca_file": str(tmp_path / "ca.pem"),
        }
        value = {"conn_type": "azure", "login": "me", "password": "canary", "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", json.dumps(value))
        yield reports


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


def ran(ledger, dag_id, region, grams, day=datetime(2026, 10, 5, tzinfo=UTC)):
    """Write a measured run."""
    known = {
        "zone": "Z",
        "device_names": "GPU",
        "energy_j": 1.0,
        "energy_method": "counter",
        "coverage": 1.0,
        "pue": 1.1,
        "pue_source": "published",
        "intensity_source": "typical",
        "intensity_quality": "climatology",
        "intensity_signal": "average",
        "intensity_factor_type": "lifecycle",
        "baseline_method": "none",
        "package_version": "0",
    }
    begins = dict.fromkeys(("submitted_at", "started_at", "computed_at"), day)
    bounds = dict.fromkeys(("emissions_g", "emissions_low_g", "emissions_high_g"), grams)
    key = RunKey(dag_id=dag_id, task_id="t", run_id=f"{day}")
    ended = day + timedelta(hours=1)
    ledger.write(Entry(key=key, region=region, ended_at=ended, **known, **begins, **bounds))


def report(**arguments):
    return AzureCarbonReportOperator(task_id="report", **arguments).execute({})


def line(month, level, item):
    (found,) = [one for one in month["lines"] if (one["level"], one["item"]) == (level, item)]
    return found


def test_the_months_that_are_there_are_written_with_all_that_they_hold(microsoft, ledger):
    values = report()

    assert values["available"] == ["2026-08", "2026-10"]
    assert values["written"] == {"2026-08": 1, "2026-09": 1, "2026-10": 1}
    figures = ProviderReports(ledger).read(ME, date(2026, 10, 1))
    counts = {
        level: sum(one.level is level and one.scopes is Scopes.ALL for one in figures)
        for level in Level
    }
    assert counts == {
        Level.SUBSCRIPTION: 1,
        Level.LOCATION: 2,
        Level.RESOURCE_GROUP: 2,
        Level.RESOURCE: 3,
    }
    for level in Level:
        for scopes, grams in ((Scopes.ALL, 7000), (Scopes.SUPPLY_CHAIN, 5900)):
            of = [x.emissions_g for x in figures if (x.level, x.scopes) == (level, scopes)]
            assert sum(of) == pytest.approx(grams)


def test_what_was_measured_stands_beside_what_is_reported(microsoft, ledger):
    ran(ledger, "nightly", "westus2", 1500.0)
    ran(ledger, "other", "swedencentral", 800.0)
    ran(ledger, "nightly", "westus2", 99.0, datetime(2026, 11, 5, tzinfo=UTC))
    values = report(months="2026-10", groups={"lab": ["night*"]})

    (month,) = values["months"]
    whole = line(month, "subscription", ME)
    assert (whole["measured_g"], whole["runs"], month["unassigned_runs"]) == (1500.0, 1, 1)
    lab = line(month, "resource_group", "lab")
    assert lab["ratio"] == pytest.approx(2.0)
    assert lab["difference_g"] == pytest.approx(1500.0)
    assert lab["scope12_g"] == pytest.approx(100.0)
    assert line(month, "resource_group", "web")["note"] == "the ledger has no run there"
    assert line(month, "location", "westus2")["reported_g"] == pytest.approx(6000.0)
    assert json.loads(json.dumps(values)) == values


def test_without_groups_all_that_ran_in_azure_counts(microsoft, ledger):
    ran(ledger, "nightly", "westus2", 1500.0)
    ran(ledger, "other", "swedencentral", 800.0)
    ran(ledger, "at_home", None, 700.0)

    (month,) = report(months=["2026-10"])["months"]
    assert line(month, "subscription", ME)["measured_g"] == 2300.0
    assert line(month, "resource_group", "lab")["measured_g"] is None


def test_a_month_that_is_stored_is_not_fetched_again(microsoft, ledger):
    report()
    microsoft.asked.clear()
    values = report()

    assert {body["reportType"] for body in microsoft.asked} == {"MonthlySummaryReport"}
    assert values["written"] == {}
    assert [month["month"] for month in values["months"]] == ["2026-10"]


def test_a_month_that_microsoft_has_corrected_is_a_new_version(microsoft, ledger):
    report()
    microsoft.kilograms["Lab/a@west us 2"] = (2.5, 1.9)
    values = report(months=["2026-09"])

    assert values["written"] == {"2026-09": 2}
    assert report()["written"] == {"2026-08": 2, "2026-10": 2}
    first, second = (
        {x.emissions_g for x in ProviderReports(ledger).read(ME, date(2026, 9, 1), version)}
        for version in (1, 2)
    )
    assert 2000.0 in first - second
    assert 2500.0 in second - first


def test_a_month_that_is_not_there_yet_says_when_it_comes(microsoft, ledger):
    with pytest.raises(ServiceUnavailableError, match=r"2026-11 .*about 2026-12-19"):
        report(months=["2026-11"])
    with pytest.raises(ServiceUnavailableError, match="first month is 2026-08"):
        report(months=["2026-07"])


def test_months_that_have_ended_and_are_missing_are_pending():
    fetched = Fetched(first=date(2026, 1, 1), last=date(2026, 9, 1), written={})

    assert fetched.pending(datetime(2026, 10, 31, tzinfo=UTC)) == {}
    assert fetched.pending(datetime(2026, 12, 1, tzinfo=UTC)) == {
        date(2026, 10, 1): date(2026, 11, 19),
        date(2026, 11, 1): date(2026, 12, 19),
    }


def test_a_login_without_the_role_is_told_which(microsoft, ledger):
    microsoft.decision = "Denied"
    with pytest.raises(AccessRefusedError, match="role Carbon Optimization Reader"):
        report()
    assert ProviderReports(ledger).versions(ME) == {}


def test_a_month_is_written_whole_or_not_at_all(microsoft, ledger):
    microsoft.throttled = True
    with pytest.raises(AzureRefusedError, match="not now"):
        report()
    assert ProviderReports(ledger).versions(ME) == {}


def test_a_wrong_secret_is_refused_and_never_shown(microsoft, ledger, monkeypatch):
    good = os.environ["AIRFLOW_CONN_AZURE_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_AZURE_DEFAULT", good.replace("canary", "parrot"))
    with pytest.raises(AccessRefusedError, match="AADSTS7000215") as caught:
        report()
    assert "parrot" not in f"{caught.value!r} {caught.value}"


def test_a_connection_that_is_not_there_is_named(ledger):
    with pytest.raises(UnknownConnectionError, match="elsewhere --conn-type azure"):
        report(azure_conn_id="elsewhere")


@pytest.mark.parametrize(
    "arguments",
    [{"months": "October"}, {"months": 10}, {"groups": ["nightly"]}, {"groups": {"lab": []}}],
)
def test_a_mistake_is_seen_when_the_dag_is_parsed(arguments):
    with pytest.raises(InvalidOptionError):
        AzureCarbonReportOperator(task_id="report", **arguments)


def test_what_is_known_only_when_it_runs_is_not_judged_before():
    AzureCarbonReportOperator(task_id="report", months="{{ params.month }}")


def test_the_command_line_prints_a_month_and_says_why_the_sides_differ(microsoft, ledger, capsys):
    ran(ledger, "nightly", "westus2", 1500.0)

    assert main(["azure-carbon", "--month", "2026-10"]) == 0
    said = capsys.readouterr().out
    assert f"2026-10, subscription {ME}, in kgCO2eq" in said
    assert "market-based" in said
    microsoft.asked.clear()
    assert main(["azure-carbon", "--month", "2026-10", "--json"]) == 0
    whole = line(json.loads(capsys.readouterr().out), "subscription", ME)
    assert (whole["measured_g"], whole["runs"]) == (1500.0, 1)
    assert microsoft.asked == []
    assert main(["azure-carbon", "--month", "2026-10", "--csv", "--refresh"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 6
    assert microsoft.asked != []


def test_the_command_line_says_that_a_month_is_not_there_yet(microsoft, ledger, capsys):
    assert main(["azure-carbon", "--month", "2026-11"]) == 1
    assert "about 2026-12-19" in capsys.readouterr().err
    assert main(["azure-carbon", "--month", "October"]) == 2
