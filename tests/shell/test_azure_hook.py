"""Airflow's ``azure`` connection, opened; a Resource Manager over TLS that asks for a token."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from airflow_carbon.azure.login import Cloud
from airflow_carbon.azure.prices import URL
from airflow_carbon.core.errors import (
    InvalidOptionError,
    MissingExtraError,
    ServiceUnavailableError,
    UnknownConnectionError,
)
from airflow_carbon.hooks.azure import AzureHook

SECRET = "hunter2-hunter2"  # noqa: S105 - of nobody
EXTRA = {"subscriptionId": "sub", "tenantId": "tenant"}


@pytest.fixture(autouse=True)
def _nowhere(monkeypatch):
    monkeypatch.delenv("AZURE_SUBSCRIPTION_ID", raising=False)


def connect(monkeypatch, name="AZURE_DEFAULT", conn_type="azure", extra=EXTRA, **fields):
    value = json.dumps({"conn_type": conn_type, "extra": extra, **fields})
    monkeypatch.setenv(f"AIRFLOW_CONN_{name}", value)


def both_colours(hook):
    login, same = hook.login(), asyncio.run(AzureHook(hook.azure_conn_id).alogin())
    assert login == same
    return login


def test_a_connection_is_a_login_and_shows_no_secret(monkeypatch, caplog):
    connect(monkeypatch, login="client", password=SECRET)
    hook = AzureHook()

    login = both_colours(hook)

    assert (login.subscription_id, login.tenant_id) == ("sub", "tenant")
    assert (login.client_id, login.client_secret) == ("client", SECRET)
    assert SECRET not in repr(login) + repr(hook) + caplog.text


def test_another_cloud_is_read_and_has_no_price_list(monkeypatch):
    connect(monkeypatch, "GOV", extra=EXTRA | {"cloud_environment": "AzureUSGovernment"})
    hook = AzureHook("gov")

    assert both_colours(hook).cloud is Cloud.US_GOVERNMENT
    with pytest.raises(ServiceUnavailableError, match="no prices of AzureUSGovernment"):
        hook.prices_url()


def test_without_a_connection_the_environment_names_the_subscription(monkeypatch):
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "from-env")

    login = both_colours(AzureHook())

    assert (login.subscription_id, login.client_secret) == ("from-env", None)
    assert AzureHook().prices_url() == URL


def test_with_neither_the_price_list_is_known_all_the_same():
    with pytest.raises(UnknownConnectionError, match="set AZURE_SUBSCRIPTION_ID"):
        AzureHook().login()
    assert AzureHook().prices_url() == URL


def test_a_connection_that_is_named_has_to_be_there(monkeypatch):
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "from-env")

    for ask in (AzureHook("mine").login, AzureHook("mine").prices_url):
        with pytest.raises(UnknownConnectionError, match="airflow connections add mine"):
            ask()


def test_a_connection_of_another_type_is_refused(monkeypatch):
    connect(monkeypatch, conn_type="wasb")

    with pytest.raises(InvalidOptionError, match="has to be of type azure"):
        AzureHook().login()


def test_a_connection_without_a_subscription_is_refused(monkeypatch):
    connect(monkeypatch, extra={"tenantId": "tenant"})

    with pytest.raises(InvalidOptionError, match="as subscriptionId"):
        AzureHook().login()


@pytest.mark.parametrize("missing", ["azure.identity", "azure.mgmt.resource.resources"])
def test_without_the_extra_the_error_says_what_to_install(monkeypatch, missing):
    connect(monkeypatch)
    for name in ("airflow_carbon.azure.login", "airflow_carbon.azure.arm"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.setitem(sys.modules, missing, None)

    with pytest.raises(MissingExtraError, match=r"pip install 'airflow-carbon\[azure\]'"):
        AzureHook().arm()
