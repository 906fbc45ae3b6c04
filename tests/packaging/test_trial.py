"""The compose trial, as far as it can be told without starting it."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import subprocess
import sys
from datetime import timedelta

import pytest
import yaml
from release import ROOT

from airflow_carbon.azure.regions import region, select

FILE = ROOT / "docker-compose.yaml"
TRIAL = yaml.safe_load(FILE.read_text())
SERVICES = TRIAL["services"]
ONCE = {"airflow-init"}
"""What ends when it has done its work."""

GIVES_UP_ROOT = {"postgres"}
"""What starts as root, to give a volume to its user, whom it then becomes."""


def pytest_generate_tests(metafunc):
    if "service" in metafunc.fixturenames:
        metafunc.parametrize("service", SERVICES.values(), ids=SERVICES)


def readers():
    """The commands that read the file: by the specification, and Docker's own if it is here."""
    by_schema = [sys.executable, "-m", "check_jsonschema"]
    yield [*by_schema, "--builtin-schema", "vendor.compose-spec", FILE]
    compose = [shutil.which("docker") or "false", "compose"]
    if subprocess.run([*compose, "version"], check=False, capture_output=True).returncode == 0:
        yield [*compose, "--file", FILE, "config", "--quiet"]


def test_the_file_is_what_the_specification_says():
    for command in readers():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_goes_on_as_root_or_may_become_it(service, request):
    name = request.node.callspec.id
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    if name in GIVES_UP_ROOT:
        assert set(service["cap_add"]) <= {"CHOWN", "DAC_OVERRIDE", "FOWNER", "SETGID", "SETUID"}
    else:
        assert service["user"].split(":")[0].isdecimal()
        assert not service["user"].startswith("0:")
        assert "cap_add" not in service


def test_what_fails_is_started_again_and_what_hangs_is_seen(service, request):
    if request.node.callspec.id in ONCE:
        assert service["restart"] == "no"
    else:
        assert service["restart"] == "on-failure"
        assert service["healthcheck"]["test"]


def test_what_has_to_outlive_a_container_is_in_a_named_volume(service):
    for mount in service["volumes"]:
        source, _, rest = mount.partition(":")
        assert source in TRIAL["volumes"] or rest.endswith(":ro")


def test_images_have_their_versions_and_ports_are_this_machines_own(service):
    _, _, tag = service["image"].partition(":")
    assert tag not in {"", "latest"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))


def test_all_of_airflow_has_one_ledger_and_one_grid():
    parts = ("api-server", "scheduler", "dag-processor", "triggerer")
    for variable in ("AIRFLOW_CONN_CARBON_LEDGER", "AIRFLOW_CONN_CARBON_DEFAULT"):
        assert len({SERVICES[part]["environment"][variable] for part in parts}) == 1


def test_the_image_is_of_the_version_that_the_package_is_for():
    recipe = (ROOT / "Dockerfile").read_text()
    (tag,) = re.findall(r"^FROM apache/airflow:(\S+)$", recipe, re.MULTILINE)

    assert re.fullmatch(r"3\.3\.\d+", tag)


@pytest.fixture(scope="module")
def day():
    return runpy.run_path(str(ROOT / "docker" / "dags" / "trial_day.py"))


def test_an_hour_is_as_long_for_the_dags_as_for_the_grid(day):
    environment = SERVICES["scheduler"]["environment"]
    grid = json.loads(environment["AIRFLOW_CONN_CARBON_DEFAULT"])["extra"]

    assert day["HOUR"] * grid["replay_speed"] == timedelta(hours=1)
    assert float(environment["CARBON_DEMO_HOUR_SECONDS"]) == day["HOUR"].total_seconds()


def test_the_grids_that_are_kept_are_those_that_are_used(day):
    demo = runpy.run_path(str(ROOT / "dags" / "carbon_demo.py"))
    used = {region(name).zone for name, *_ in day["MODELS"].values()}
    used |= {one.zone for one in select(demo["REGIONS"])}

    assert set(day["ZONES"]) == used
