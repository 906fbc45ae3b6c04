"""What Airflow reads of the provider."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from pkgutil import walk_packages

import jsonschema
import pytest
from airflow.plugins_manager import AirflowPlugin
from airflow.sdk import BaseHook, BaseNotifier, BaseOperator, BaseOperatorLink, BaseSensorOperator
from airflow.sdk.bases.decorator import DecoratedOperator
from airflow.triggers.base import BaseTrigger

import airflow_carbon
from airflow_carbon.provider_info import get_provider_info

ROOT = Path(airflow_carbon.__file__).parent


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
    for path in (*info["extra-links"], *info.get("notifications", ())):
        module, _, name = path.rpartition(".")
        assert inspect.isclass(getattr(importlib.import_module(module), name))
    for connection in info["connection-types"]:
        module, _, name = connection["hook-class-name"].rpartition(".")
        hook = getattr(importlib.import_module(module), name)
        assert hook.conn_type == connection["connection-type"]


ONLY_BUILT_UPON = {"AttendedTraining", "PausableJobTrigger"}
"""Bases of others, which no DAG names."""


@cache
def ours(kind: type) -> list[type]:
    """The classes of a kind that this package defines, without those that are only built upon."""
    found = set()
    for room in sorted(path.parent for path in ROOT.glob("*/__init__.py")):
        if room.name in {"core", "services", "azure", "meters", "ledger", "data", "cli"}:
            continue
        package = f"airflow_carbon.{room.name}"
        for module in walk_packages([str(room)], f"{package}."):
            classes = inspect.getmembers(importlib.import_module(module.name), inspect.isclass)
            found |= {one for _, one in classes if one.__module__ == module.name}
    of_kind = {one for one in found if issubclass(one, kind) and not one.__name__.startswith("_")}
    return sorted(
        (one for one in of_kind if one.__name__ not in ONLY_BUILT_UPON),
        key=lambda one: one.__qualname__,
    )


def path_of(one: type) -> str:
    return f"{one.__module__}.{one.__qualname__}"


def listed(kind: str) -> set[str]:
    return {
        module for group in get_provider_info().get(kind, ()) for module in group["python-modules"]
    }


def test_every_operator_sensor_hook_and_trigger_is_listed():
    operators = {
        one.__module__
        for one in ours(BaseOperator)
        if not issubclass(one, BaseSensorOperator | DecoratedOperator)
    }

    assert len(operators) > 8
    assert operators - listed("operators") == set()
    assert {one.__module__ for one in ours(BaseSensorOperator)} - listed("sensors") == set()
    assert {one.__module__ for one in ours(BaseHook)} - listed("hooks") == set()
    assert {one.__module__ for one in ours(BaseTrigger)} - listed("triggers") == set()


def test_every_link_notifier_connection_and_task_decorator_is_listed():
    info = get_provider_info()
    decorated = {one.__module__ for one in ours(DecoratedOperator)}
    typed = {path_of(one) for one in ours(BaseHook) if "conn_type" in vars(one)}

    assert {path_of(one) for one in ours(BaseOperatorLink)} == set(info["extra-links"])
    assert {path_of(one) for one in ours(BaseNotifier)} == set(info.get("notifications", ()))
    assert {one["hook-class-name"] for one in info["connection-types"]} == typed
    named = {one["class-name"].rpartition(".")[0] for one in info["task-decorators"]}
    assert decorated - named == set()


def test_a_plugin_is_found_by_its_entry_point_and_only_once():
    # Named in the provider's description too, Airflow would register it twice, and say so as an
    # error, where [core] lazy_load_providers is off; where it is on, it is not looked for there.
    found = {point.value.replace(":", ".") for point in entry_points(group="airflow.plugins")}

    assert {path_of(one) for one in ours(AirflowPlugin)} - found == set()
    assert "plugins" not in get_provider_info()


def test_an_option_that_is_read_by_its_name_is_described():
    described = set(get_provider_info()["config"]["carbon"]["options"])
    read = set()
    for file in ROOT.rglob("*.py"):
        text = file.read_text()
        read |= set(re.findall(r'conf\.get\w*\(\s*(?:SECTION|"carbon"),\s*"(\w+)"', text))

    assert "measured_folder" in read
    assert read - described == set()


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
