"""What the README and the docs print is run.

A block says by its language what it is: ``python``, ``sh`` and ``sql`` are run as they stand;
``console`` needs what is not here (an account, a cluster, minutes) and is only read; so are
``text``, ``ini``, ``toml``, ``yaml`` and ``dockerfile``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from pages import DOCS, PAGES, ROOT, blocks_in, commands_of
from remembered import past_entry
from strategies import T0, forecast_of

from airflow_carbon.cli.main import _parser, main
from airflow_carbon.core.decision import Reason, StartNow
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.core.plan import Place, Plan
from airflow_carbon.ledger.store import Ledger

KNOWN = {"console", "dockerfile", "ini", "python", "sh", "sql", "text", "toml", "yaml"}


def each(language):
    named = blocks_in(language)
    return pytest.mark.parametrize(
        "block", [block for _, block in named], ids=[n for n, _ in named]
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """A folder as a user has it: something to train, and a ledger with some runs."""
    folder = tmp_path_factory.mktemp("desk")
    (folder / "train.py").write_text("print('trained')\n")
    with Ledger.open(f"sqlite:///{folder / 'carbon.db'}") as ledger:
        for day in range(3):
            ledger.write(past_entry(day, baseline_g=2.0, delta_g=-1.0, region="westeurope"))
    return folder


@pytest.fixture
def at_desk(desk, monkeypatch):
    ledger = {"conn_type": "sqlite", "host": str(desk / "carbon.db")}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(ledger))
    monkeypatch.setenv("AIRFLOW_HOME", str(desk))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(desk)
    return desk


@each("python")
def test_a_python_block_of_the_docs_runs(block):
    exec(compile(block, "<docs>", "exec"), {"__name__": "__main__"})  # noqa: S102 - our own docs


@each("sh")
def test_a_shell_block_of_the_docs_runs(block, at_desk):
    lines = [line for line in re.sub(r"\\\n", " ", block).splitlines() if line.strip(" ")]
    ours = [line for line in lines if line.startswith("airflow-carbon ")]
    if len(ours) == len([line for line in lines if not line.startswith("#")]):
        assert [main(words) for words in commands_of(block)] == [0] * len(ours)
    else:
        subprocess.run(["bash", "-eu", "-c", block], check=True)


@each("console")
def test_what_is_not_run_has_at_least_commands_that_there_are(block):
    """Its options are those of our parser, its files are there, and so are make's targets."""
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in commands_of(block):
        _parser().parse_args(words)
    for line in re.findall(r"^\$ (.*[^\\])$", block, re.MULTILINE):
        words = shlex.split(line, comments=True)
        if words[:1] == ["make"]:
            assert words[1] in targets
        if words[:1] == ["python"] and words[1].endswith(".py"):
            assert (ROOT / words[1]).exists()


@each("sql")
def test_an_sql_block_of_the_docs_finds_something(block, desk):
    with closing(sqlite3.connect(desk / "carbon.db")) as database:
        assert database.execute(block).fetchall() != []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_block_of_the_docs_says_what_it_is(page):
    fences = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)
    opening = [fence for fence in fences[::2] if not fence.startswith("{")]

    assert set(opening) - KNOWN == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_of_the_docs_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())

    assert [link for link in links if not (page.parent / link).exists()] == []


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
    page = DOCS / "reference" / "nomenclature.md"

    assert set(plan.as_dict()) - set(re.findall(r"`([a-z0-9_]+)`", page.read_text())) == set()
