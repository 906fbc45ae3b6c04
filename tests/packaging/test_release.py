"""A release's files: the same bytes whoever builds them, all that is needed and no more."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tomllib
import zipfile

import pytest
from packaging.requirements import Requirement
from packaging.version import Version
from release import LICENCES, ROOT, Built, bill_of_materials, differences, extras, faults

import airflow_carbon

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EPOCH = 1_790_000_000


def test_an_sdist_builds_the_bytes_that_its_checkout_built(built, rebuilt):
    assert differences(built, rebuilt) == []


def test_the_wheel_has_the_whole_package_and_nothing_else(built):
    assert faults(built, ROOT) == []


@pytest.mark.parametrize(
    ("without", "beside", "said"),
    [
        ("airflow_carbon/py.typed", None, "the wheel lacks airflow_carbon/py.typed"),
        ("airflow_carbon/data/typical_profiles.csv", None, "typical_profiles.csv"),
        ("airflow_carbon-{version}.dist-info/licenses/LICENSE", None, "licenses/LICENSE"),
        ("airflow_carbon-{version}.dist-info/entry_points.txt", None, "no entry point"),
        (None, "tests/conftest.py", "the wheel has tests/conftest.py, and should not"),
    ],
)
def test_what_is_missing_and_what_is_too_much_is_said(built, tmp_path, without, beside, said):
    doctored = tmp_path / built.wheel.name
    missing = without and without.format(version=airflow_carbon.__version__)
    with zipfile.ZipFile(built.wheel) as whole, zipfile.ZipFile(doctored, "w") as wheel:
        for name in whole.namelist():
            if name != missing:
                wheel.writestr(name, whole.read(name))
        if beside:
            wheel.writestr(beside, "")

    found = faults(Built(doctored, built.sdist), ROOT)

    assert said in "\n".join(found)
    assert differences(built, Built(doctored, built.sdist)) != []


def test_an_index_would_take_the_description(built):
    command = [sys.executable, "-m", "twine", "check", "--strict", built.wheel, built.sdist]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_licences_of_code_and_data_are_declared_and_there():
    assert set(PROJECT["project"]["license-files"]) == set(LICENCES)
    assert PROJECT["project"]["license"] == "Apache-2.0 AND ODbL-1.0"
    assert all((ROOT / name).stat().st_size for name in LICENCES)


def test_everybody_builds_with_the_same_backend():
    (backend,) = PROJECT["build-system"]["requires"]
    dev = {Requirement(one).name: one for one in PROJECT["project"]["optional-dependencies"]["dev"]}

    assert dev["hatchling"] == backend
    assert {one.operator for one in Requirement(backend).specifier} == {"=="}


def test_the_extras_of_users_are_all_that_developers_have_and_users_want(built):
    groups = PROJECT["project"]["optional-dependencies"]

    assert extras(built.wheel) == sorted(groups.keys() - {"dev"})


def test_the_bill_of_materials_is_the_same_twice_and_names_the_version(tmp_path):
    one, two = tmp_path / "one.json", tmp_path / "two.json"
    for file in (one, two):
        bill_of_materials(sys.executable, airflow_carbon.__version__, file, EPOCH, checked=False)
    bill = json.loads(one.read_text())

    assert one.read_bytes() == two.read_bytes()
    assert bill["metadata"]["component"]["version"] == airflow_carbon.__version__
    assert bill["metadata"]["timestamp"] == "2026-09-21T14:13:20+00:00"
    assert {"apache-airflow", "numpy"} <= {one["name"] for one in bill["components"]}


def test_the_changelog_tells_of_this_version_or_of_what_is_to_come():
    headings = [
        line.removeprefix("## ").split(" ")[0].strip("[]")
        for line in (ROOT / "CHANGELOG.md").read_text().splitlines()
        if line.startswith("## ")
    ]

    assert headings[0] in {"Unreleased", airflow_carbon.__version__}
    assert Version(airflow_carbon.__version__) not in map(Version, headings[2:])


def test_what_starts_the_trial_is_in_the_sdist(built, tmp_path):
    shutil.unpack_archive(built.sdist, tmp_path, filter="data")
    (folder,) = tmp_path.iterdir()

    for name in (".dockerignore", "Dockerfile", "docker-compose.yaml", "docker/init.sh"):
        assert (folder / name).read_bytes() == (ROOT / name).read_bytes()
