"""What the README and the docs print is run."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from strategies import T0, forecast_of

from airflow_carbon.core.decision import Reason, StartNow
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.plan import Place, Plan
from airflow_carbon.ledger.schema import (
    carbon_crosscheck,
    carbon_interval,
    carbon_interval_superseded,
    carbon_provider_emission,
    carbon_run,
    carbon_run_signal,
    carbon_run_superseded,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
KINDS = ("tutorial", "how-to", "reference", "explanation")  # of Diataxis
PAGES = [ROOT / "README.md", *sorted(page for kind in KINDS for page in (DOCS / kind).glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_python_block_of_the_docs_runs(block):
    exec(compile(block, "<docs>", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own docs


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_of_the_docs_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_docs_build_without_a_warning(tmp_path):
    """No dead link, anchor or name, no page that is in no table of contents (``docs/conf.py``)."""
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q"]

    done = subprocess.run(
        [*build, DOCS, tmp_path / "html"], check=False, capture_output=True, text=True
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_every_key_of_the_plan_and_column_of_the_ledger_is_explained():
    flex = Flexibility(duration=timedelta(hours=1), earliest=T0, deadline=T0 + timedelta(hours=2))
    plan = Plan.of(
        StartNow(window=None, because=Reason.CLEAN),
        place=Place(zone="DE"),
        flex=flex,
        now=T0,
        forecast=forecast_of([1, 2]),
        at_once_g_per_kwh=None,
    )
    words = set(re.findall(r"`([a-z0-9_]+)`", (DOCS / "reference" / "nomenclature.md").read_text()))

    assert set(plan.as_dict()) - words == set()
    superseded = (carbon_run_superseded, carbon_interval_superseded, carbon_run_signal)
    tables = (carbon_run, carbon_interval, carbon_provider_emission, carbon_crosscheck, *superseded)
    columns = {column.name for table in tables for column in table.columns}
    assert columns - words - {"device"} == set()
