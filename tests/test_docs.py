"""What the README and the docs print is run."""

from __future__ import annotations

import re
import subprocess
import sys
from datetime import timedelta
from importlib import import_module
from pathlib import Path

import pytest
from sphinx.util.inventory import InventoryFile
from strategies import T0, forecast_of

import airflow_carbon
from airflow_carbon.core import errors
from airflow_carbon.core.decision import Reason, StartNow
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.plan import Place, Plan
from airflow_carbon.ledger.meanings import MEANINGS
from airflow_carbon.ledger.schema import metadata
from airflow_carbon.operators.metrics import UNITS
from airflow_carbon.provider_info import get_provider_info

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


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Build the docs once: the folder of their pages, and what Sphinx had to say."""
    folder = tmp_path_factory.mktemp("docs")
    build = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", DOCS, folder]
    done = subprocess.run(build, check=False, capture_output=True, text=True)
    return folder, (done.returncode, done.stderr)


def test_the_docs_build_without_a_warning(site):
    """No dead link, anchor or name, no page that is in no table of contents (``docs/conf.py``)."""
    _, said = site

    assert said == (0, "")


def test_every_public_name_and_every_error_is_in_the_reference(site):
    folder, _ = site
    with (folder / "objects.inv").open("rb") as file:
        known = InventoryFile.load(file, "", lambda _base, uri: uri)

    names = {name.rpartition(".")[2] for kind in known.values() for name in kind}
    listed = get_provider_info()
    modules = [
        import_module(module)
        for kind in ("operators", "sensors", "hooks", "triggers")
        for one in listed[kind]
        for module in one["python-modules"]
    ]
    classes = {
        one.__name__
        for module in modules
        for one in vars(module).values()
        if isinstance(one, type) and one.__module__ == module.__name__
    }
    public = {name for name in airflow_carbon.__all__ if not name.startswith("__")}
    missing = {name for name in public | classes if not name.startswith("_")} - names
    assert missing == set()
    assert {one.__name__ for one in vars(errors).values() if isinstance(one, type)} - names <= {
        "_UnknownNameError"
    }


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("connection-fields", set(get_provider_info()["connection-types"][0]["conn-fields"])),
        ("configuration", set(get_provider_info()["config"]["carbon"]["options"])),
        ("ledger", {*metadata.tables, *MEANINGS}),
        ("metrics", set(UNITS)),
        ("words", {reason.value for reason in Reason}),
    ],
)
def test_the_reference_has_what_the_code_has(site, page, names):
    folder, _ = site
    written = re.sub(r"<[^>]+>", " ", (folder / "reference" / f"{page}.html").read_text())

    assert names - set(re.findall(r"[a-z0-9_.]+", written)) == set()


def test_every_column_of_the_ledger_has_one_meaning():
    columns = {column.name for table in metadata.tables.values() for column in table.columns}

    assert columns == set(MEANINGS)


def test_every_key_of_the_plan_is_explained():
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
