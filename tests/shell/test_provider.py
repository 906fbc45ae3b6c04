"""What Airflow reads of the provider."""

from __future__ import annotations

import importlib
import json
from importlib.resources import files

import jsonschema

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
    for connection in info["connection-types"]:
        module, _, name = connection["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert hook.conn_type == connection["connection-type"]


def test_every_field_of_the_form_is_read_and_none_needs_raw_json():
    from airflow_carbon.services.registry import Options  # noqa: PLC0415

    (connection,) = get_provider_info()["connection-types"]
    assert set(connection["conn-fields"]) == set(Options.__dataclass_fields__)
    assert "extra" in connection["ui-field-behaviour"]["hidden-fields"]
