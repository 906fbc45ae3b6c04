"""``airflow-carbon report``, as a user calls it, on a ledger whose sums can be done by hand."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest
from filed import HOSTILE, NOW, OCTOBER, entries, file

from airflow_carbon.cli.main import main
from airflow_carbon.hooks.reports import read_report
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.reports.writing import Form, written_as

GOLDEN = Path(__file__).parents[1] / "golden" / "report.md"


def made(folder, **options):
    with Ledger.open(f"sqlite:///{folder / 'carbon.db'}") as ledger:
        if options.pop("filled", True):
            file(ledger, **options)
    return folder


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    return made(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def at(monkeypatch):
    """Makes the ledger that is read another one."""

    def read_from(folder):
        value = json.dumps({"conn_type": "sqlite", "host": str(folder / "carbon.db")})
        monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)

    return read_from


@pytest.fixture
def report(capsys, at, filled):
    at(filled)

    def reported(*options):
        status = main(["report", *options])
        said = capsys.readouterr()
        return status, said.out, said.err

    return reported


BUDGETS = ("--budget", "nightly_training=5 kg", "--budget", "model:vision=40 kg")


def test_the_report_is_the_one_that_was_checked_by_hand(report):
    status, said, _ = report("--month", "2026-10", *BUDGETS)

    assert status == 0
    assert said == GOLDEN.read_text(encoding="utf-8")


def test_its_totals_are_those_of_the_runs(report):
    _, said, _ = report("--month", "2026-10", "--json")
    october = [one for one in entries() if one.started_at.month == 10]
    found = json.loads(said)

    assert found["runs"] == len(october) == 15
    for total in found["totals"]:
        ours = [one for one in october if one.intensity_signal == total["intensity_signal"]]
        assert total["emissions_g"] == pytest.approx(sum(one.emissions_g for one in ours))
        assert total["delta_g"] == pytest.approx(sum(one.delta_g or 0 for one in ours))
        assert total["uncompared_runs"] == sum(one.delta_g is None for one in ours)
        assert total["modelled_kwh"] == pytest.approx(
            sum(one.energy_modelled_j for one in ours) / 3.6e6
        )
    for part in ("dags", "models", "places", "overheads", "intensities", "baselines"):
        whole = sum(one["emissions_g"] for one in found[part])
        assert whole == pytest.approx(sum(one.emissions_g for one in october)), part


def test_nobody_is_said_to_have_avoided_anything(report):
    _, said, _ = report("--month", "2026-10")

    assert not re.search("avoid|saved", said, re.IGNORECASE)


def test_the_same_ledger_gives_the_same_page(report, at, tmp_path):
    files = [tmp_path / name for name in ("a.html", "b.html")]
    report("--month", "2026-10", "--output", str(files[0]))
    at(made(tmp_path))
    status, said, _ = report("--month", "2026-10", "--output", str(files[1]))

    assert (status, said) == (0, f"15 runs in {files[1]}\n")
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "<script" not in files[0].read_text()


def test_a_pattern_takes_some_dags_and_leaves_whole_subscriptions_out(report):
    _, said, _ = report("--month", "2026-10", "--dag", "*ly_*")

    assert "| weekly_sweep |" in said
    assert "alert" not in said
    assert "Left out: Microsoft's figures are of whole subscriptions" in said


@pytest.mark.parametrize("pattern", [None, "nobody_*"])
def test_an_empty_month_says_what_to_do(report, at, tmp_path, pattern):
    at(made(tmp_path, filled=False))
    options = () if pattern is None else ("--dag", pattern)
    status, said, _ = report("--month", "2025-02", *options)

    assert status == 0
    assert "holds no run that began in 2025-02" in said
    assert "Is anything measured?" in said
    assert ("Does a DAG match nobody" in said) is (pattern is not None)


def test_what_microsoft_has_not_reported_is_said_to_be_missing(report, at, tmp_path):
    at(made(tmp_path, with_azure=False))
    _, said, _ = report("--month", "2026-10")

    assert "holds no figures of Azure Carbon Optimization for this month" in said
    assert "airflow-carbon azure-carbon --month 2026-10" in said


def test_a_month_that_has_not_ended_is_not_passed_off_as_whole(filled):
    with Ledger.open(f"sqlite:///{filled / 'carbon.db'}") as ledger:
        early, late = (
            written_as(read_report(ledger, OCTOBER, now=now), Form.MARKDOWN)
            for now in (NOW - timedelta(days=30), NOW)
        )

    assert "2026-10 had not ended when this was made" in early
    assert "Not the whole month" not in late


def test_a_file_that_is_there_is_replaced_only_where_asked(report, tmp_path):
    target = tmp_path / "report.md"
    target.write_text("mine")

    status, _, error = report("--month", "2026-10", "--output", str(target))
    assert (status, target.read_text()) == (2, "mine")
    assert "--replace" in error
    assert report("--month", "2026-10", "--output", str(target), "--replace")[0] == 0
    assert target.read_text().startswith("# Emissions of computing, October 2026")


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        (["--month", "October"], "write a month as 2026-10"),
        (["--month", "2026-10", "--budget", "20 kg"], "write a DAG and its limit"),
        (["--month", "2026-10", "--budget", "nightly=20"], "write a mass with its unit"),
    ],
)
def test_what_can_not_be_read_is_said_with_the_remedy(report, options, hint):
    status, _, error = report(*options)

    assert status == 2
    assert hint in error


def test_a_hostile_name_is_text_in_both_forms(report, tmp_path):
    target = tmp_path / "report.html"
    report("--month", "2026-10", "--output", str(target))
    _, said, _ = report("--month", "2026-10")

    for text in (said, target.read_text()):
        assert HOSTILE not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
