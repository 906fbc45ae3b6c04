"""The page behind Airflow's own login, with Airflow's database and a ledger of its own."""

from __future__ import annotations

import json

import pytest
from airflow import models, settings
from airflow.api_fastapi.app import get_auth_manager, init_auth_manager, purge_cached_app
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.models.base import Base
from fastapi import FastAPI
from fastapi.testclient import TestClient
from seeding import seed

from airflow_carbon import clock
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.plugin.airflow_plugin import CarbonPagePlugin


@pytest.fixture(scope="session")
def metadata(tmp_path_factory):
    """Airflow's database, empty, in place of the one that this process would use."""
    patch = pytest.MonkeyPatch()
    folder = tmp_path_factory.mktemp("page")
    patch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", f"sqlite:///{folder / 'airflow.db'}")
    patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "picky.PickyAuthManager")
    patch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(folder / "passwords"))
    patch.setenv("_AIRFLOW_PROCESS_CONTEXT", "server")

    settings.configure_vars()
    settings.configure_orm()
    models.import_all_models()
    Base.metadata.create_all(settings.engine)
    init_auth_manager()
    yield settings.engine
    settings.dispose_orm(do_log=False)
    purge_cached_app()
    patch.undo()
    settings.configure_vars()
    settings.configure_orm()


@pytest.fixture(scope="session")
def seeded(tmp_path_factory):
    """A ledger with a year in it."""
    file = tmp_path_factory.mktemp("ledger") / "carbon.db"
    with Ledger.open(f"sqlite:///{file}") as ledger:
        newest = seed(ledger, clock.now(), every=30)
    return file, newest


@pytest.fixture
def use(monkeypatch):
    """Point Airflow's connection at a ledger."""

    def at(file):
        value = {"conn_type": "sqlite", "host": str(file)}
        monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(value))

    return at


@pytest.fixture(scope="session")
def served(metadata):

    root = FastAPI()
    for one in CarbonPagePlugin().fastapi_apps:
        root.mount(one["url_prefix"], one["app"])
    return root


@pytest.fixture
def visit(served):
    """A browser of a user who is logged in; of nobody where none is named."""

    def of(username=None, role="viewer"):
        client = TestClient(served, follow_redirects=False)
        if username is not None:
            user = SimpleAuthManagerUser(username=username, role=role)
            client.cookies.set("_token", get_auth_manager().generate_jwt(user))
        return client

    return of


@pytest.fixture
def page(visit, seeded, use):
    """A browser of somebody who may read all, on the seeded ledger."""
    use(seeded[0])
    return visit("everybody")
