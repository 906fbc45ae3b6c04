"""Parsing a DAG stays cheap: a provider that costs a second of pandas there is not used twice."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import airflow_carbon

HEAVY = (
    "pandas",
    "numpy",
    "httpx",
    "azure",
    "sqlalchemy",
    "pynvml",
    "fastapi",
    "plotly",
)
ROOT = Path(airflow_carbon.__file__).parent
SHELL_ROOMS = (
    "hooks",
    "triggers",
    "sensors",
    "operators",
    "timetables",
    "decorators",
    "listener",
    "notifications",
)
SHELL = sorted(
    f"airflow_carbon.{path.relative_to(ROOT).with_suffix('').as_posix().replace('/', '.')}"
    for room in SHELL_ROOMS
    for path in (ROOT / room).glob("*.py")
)

LOOK = """
import sys
import airflow.sdk
{before}
had = set(sys.modules)
{what}
new = {{name.partition(".")[0] for name in set(sys.modules) - had}}
print(",".join(sorted(new & {heavy})))
"""


def loaded_by(what: str, before: str = "") -> str:
    code = LOOK.format(what=what, heavy=set(HEAVY), before=before)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True
    )
    return done.stdout.strip().splitlines()[-1] if done.stdout.strip() else ""


def test_no_shell_module_loads_anything_heavy():
    assert len(SHELL) > 8
    assert loaded_by("\n".join(f"import {name}" for name in SHELL)) == ""


def test_the_public_names_load_nothing_heavy():
    names = "CarbonAwareSensor, ChooseRegionOperator, EmissionsOperator"
    assert loaded_by(f"import airflow_carbon; from airflow_carbon import {names}") == ""


def test_parsing_the_examples_loads_nothing_heavy():
    project = ROOT.parent
    files = [
        str(file) for where in ("dags", "docker/dags") for file in project.glob(f"{where}/*.py")
    ]
    assert len(files) > 7
    # Airflow's own: looking for a decorator of any provider, and its operator that starts runs.
    airflows = "airflow.sdk.task.branch; import airflow.providers.standard.operators.trigger_dagrun"
    what = f"import runpy; [runpy.run_path(file) for file in {files}]"
    assert loaded_by(what, before=airflows) == ""


def test_a_training_that_may_be_paused_is_read_without_anything_heavy():
    pause = {"duration": "4h", "max_delay": "20h", "stopping": {"time": "10m"}, "drift": {}}
    fields = f"task_id='t', command='c', targets={{'swedencentral': {{}}}}, pause={pause}"
    code = f"from airflow_carbon import AzureTrainingOperator as A; A({fields})"
    assert loaded_by(code) == ""


def test_the_provider_info_loads_nothing_heavy():
    assert loaded_by("import airflow_carbon.provider_info as p; p.get_provider_info()") == ""


def test_the_pages_plugin_loads_nothing_heavy_until_airflow_serves_it():
    """Every process of Airflow loads plugins; one of them serves pages."""
    code = (
        "from airflow_carbon.plugin.airflow_plugin import CarbonPagePlugin as P; P().external_views"
    )
    assert loaded_by(code) == ""
    assert "fastapi" in loaded_by(f"{code}; P().fastapi_apps")


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="CarbonSensor"):
        airflow_carbon.CarbonSensor  # noqa: B018 - it raises


def test_every_public_name_is_there():
    for name in airflow_carbon.__all__:
        assert getattr(airflow_carbon, name) is not None
