"""The docs as Sphinx builds them: whole, with no dead link, and with all that the code has."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module

import pytest
from pages import DOCS
from sphinx.util.inventory import InventoryFile

import airflow_carbon
from airflow_carbon.core import errors
from airflow_carbon.core.decision import Reason
from airflow_carbon.ledger.meanings import MEANINGS
from airflow_carbon.ledger.schema import metadata
from airflow_carbon.operators.metrics import UNITS
from airflow_carbon.provider_info import get_provider_info


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
