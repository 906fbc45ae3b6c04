"""``ReportOperator``: the month before, a file, and plain totals."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest
from filed import file

from airflow_carbon import ReportOperator
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.hooks.ledger import LedgerHook

NOVEMBER = datetime(2026, 11, 20, 6, tzinfo=UTC)


@pytest.fixture(autouse=True)
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        file(opened)


def context_of(end=NOVEMBER, run_after=NOVEMBER):
    run = SimpleNamespace(run_after=run_after)
    return {"dag_run": run} | ({"data_interval_end": end} if end else {})


def test_it_writes_the_month_before_and_returns_plain_totals(tmp_path):
    operator = ReportOperator(task_id="report", path=f"{tmp_path}/filed/carbon-{{month}}.md")

    found = operator.execute(context_of())

    written = tmp_path / "filed" / "carbon-2026-10.md"
    assert written.read_text().startswith("# Emissions of computing, October 2026")
    assert found["path"] == str(written)
    assert (found["month"], found["format"], found["runs"]) == ("2026-10", "markdown", 15)
    assert json.loads(json.dumps(found)) == found
    assert [one["intensity_signal"] for one in found["totals"]] == ["average", "marginal"]


@pytest.mark.parametrize(
    ("end", "run_after", "month"),
    [
        (datetime(2026, 11, 1, tzinfo=UTC), NOVEMBER, "2026-10"),
        (None, datetime(2027, 1, 1, 0, 5, tzinfo=UTC), "2026-12"),
        (datetime(2026, 10, 31, 23, 59, tzinfo=UTC), NOVEMBER, "2026-09"),
    ],
)
def test_the_month_is_the_one_before_the_interval_ends_or_the_run_began(
    tmp_path, end, run_after, month
):
    operator = ReportOperator(task_id="report", path=f"{tmp_path}/r.json")

    assert operator.execute(context_of(end, run_after))["month"] == month
    assert json.loads((tmp_path / "r.json").read_text())["month"] == month


def test_a_retry_replaces_its_file(tmp_path):
    operator = ReportOperator(
        task_id="report",
        path=f"{tmp_path}/r.html",
        month="2026-10",
        dags_like="nightly_*",
        budgets={"nightly_training": "20 kg"},
    )
    first = operator.execute(context_of())
    again = operator.execute(context_of())

    assert first == again
    assert first["runs"] == 12
    assert (tmp_path / "r.html").read_text().startswith("<!doctype html>")
    assert [one.name for one in tmp_path.glob("*.html*")] == ["r.html"]


@pytest.mark.parametrize(
    "wrong", [{"month": "October"}, {"report_format": "pdf"}], ids=["month", "format"]
)
def test_what_can_not_be_is_said_when_the_dag_is_read(wrong):
    with pytest.raises(InvalidOptionError):
        ReportOperator(task_id="report", path="r.html", **wrong)
    ReportOperator(task_id="report", path="r.html", **dict.fromkeys(wrong, "{{ params.it }}"))
