"""``AzureCarbonReportOperator`` over TLS: a login, reports page by page, a real ledger."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, date, datetime, timedelta

import pytest
import trustme
from servers.azure_reports import ME, SUBSCRIPTION, Microsoft, serving

from airflow_carbon.azure.arm import AsyncArm
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.monitor import gpu_energy
from airflow_carbon.cli.main import main
from airflow_carbon.core.errors import (
    AccessRefusedError,
    InvalidOptionError,
    ServiceUnavailableError,
    UnknownConnectionError,
)
from airflow_carbon.core.provider_report import Level, Scopes
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.hooks.carbon_reports import Fetched
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.entry import Entry, RunKey
from airflow_carbon.ledger.provider import ProviderReports
from airflow_carbon.operators.azure_carbon import AzureCarbonReportOperator


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


def test_what_moved_below_the_same_total_is_seen_where_the_month_is_named(microsoft, ledger):
    report()
    microsoft.kilograms |= {"Lab/a@west us 2": (3.0, 1.9), "web/c@west us 2": (3.0, 3.0)}

    assert report()["written"] == {}
    assert report(months="2026-10")["written"] == {"2026-10": 2}


def test_no_question_spans_more_than_twelve_months(microsoft, ledger):
    microsoft.months = [*(f"2025-{month:02}" for month in range(9, 13)), *microsoft.months]
    report()

    spans = {body["dateRange"]["start"] for body in microsoft.asked}
    assert min(spans) == "2025-11-01"


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


def test_the_gpu_energy_of_a_run_comes_by_either_colour_of_resource_manager(microsoft):
    path = "/subscriptions/s/resourceGroups/lab/providers/Microsoft.MachineLearningServices"
    begin = datetime(2026, 10, 5, tzinfo=UTC)
    ask = gpu_energy(f"{path}/workspaces/w", "run-1", begin, begin + timedelta(minutes=3))

    async def asked(login):
        async with AsyncArm(login) as arm:
            return await arm.send(ask)

    with AzureHook().arm() as arm:
        assert arm.send(ask).by_minute == ((begin, 42.5),)
        assert asyncio.run(asked(arm.login)).joules == 42.5


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
