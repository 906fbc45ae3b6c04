"""What Airflow reads of the provider."""

from __future__ import annotations

import importlib
import json
from importlib.resources import files

import jsonschema
import pytest

from airflow_carbon.provider_info import get_provider_info


def test_the_provider_info_is_what_airflow_expects():
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())

    jsonschema.validate(get_provider_info(), schema)


def test_the_form_of_the_connection_is_what_airflow_expects():
    schema = json.loads(files("airflow").joinpath("provider.yaml.schema.json").read_text())
    (connection,) = get_provider_info()["connection-types"]
    form = schema["properties"]["connection-types"]["items"]

    jsonschema.validate(connection, {**form, "definitions": schema.get("definitions", {})})


def test_everything_that_is_named_is_there():
    info = get_provider_info()
    for kind in ("operators", "sensors", "hooks", "triggers"):
        for group in info[kind]:
            for module in group["python-modules"]:
                importlib.import_module(module)
    for decorator in info["task-decorators"]:
        module, _, name = decorator["class-name"].rpartition(".")
        assert callable(getattr(importlib.import_module(module), name))
    for connection in info["connection-types"]:
        module, _, name = connection["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert hook.conn_type == connection["connection-type"]


GOOD = {
    "sources": "replay",
    "default_region": "westeurope",
    "electricity_maps_token": "one",
    "electricity_maps_factor_type": "direct",
    "electricity_maps_granularity": "15_minutes",
    "electricity_maps_horizon_hours": "24",
    "watttime_username": "one",
    "watttime_password": "one",
    "carbon_aware_sdk_url": "http://one",
    "carbon_aware_sdk_signal": "marginal",
    "replay_file": "one.csv",
    "replay_speed": 2,
    "replay_starts_at": "2026-01-01T00:00Z",
    "archive_issues": False,
    "archive_days": 30,
}


@pytest.mark.parametrize("field", GOOD)
def test_every_field_of_the_form_is_read(field):
    from airflow_carbon.services.registry import Options, known_sources  # noqa: PLC0415

    def opened(fields):
        options = Options.parse({"sources": ",".join(known_sources()), **fields})
        return options.open(), options.default_region, options.archive, options.archived_for

    (connection,) = get_provider_info()["connection-types"]
    everything = {key: value for key, value in GOOD.items() if key != "sources"}
    fields = {"sources": "typical"} if field == "sources" else {field: None}
    if field in {"electricity_maps_token", "watttime_username", "watttime_password"}:
        fields = {field: "two"}
    if field == "carbon_aware_sdk_url":
        fields = {field: "http://two"}

    assert set(connection["conn-fields"]) == set(GOOD)
    assert opened(everything | fields) != opened(everything)


def test_the_form_needs_no_raw_json_and_hides_what_is_secret():
    (connection,) = get_provider_info()["connection-types"]
    secret = {
        name
        for name, field in connection["conn-fields"].items()
        if field["schema"].get("format") == "password"
    }

    assert "extra" in connection["ui-field-behaviour"]["hidden-fields"]
    assert secret == {"electricity_maps_token", "watttime_password"}
