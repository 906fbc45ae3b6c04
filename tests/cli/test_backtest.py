"""``airflow-carbon backtest``, on files, the ledger, the sources, and an Airflow's past runs."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from servers.web import Say, serving

from airflow_carbon import clock
from airflow_carbon.cli.main import main
from airflow_carbon.core.intensity import Forecast, IntensitySeries
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.archive import Archive

HOUR = timedelta(hours=1)
BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAY = 300 + 150 * np.cos(np.arange(24) / 24 * 2 * np.pi)
TRUTH = np.round(np.tile(DAY, 40) + np.random.default_rng(3).normal(0, 40, 960).clip(-99), 1)


@pytest.fixture(autouse=True)
def no_connection(monkeypatch, tmp_path):
    monkeypatch.delenv("AIRFLOW_CONN_CARBON_DEFAULT", raising=False)
    monkeypatch.delenv("AIRFLOW_CONN_CARBON_LEDGER", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))
    monkeypatch.setattr("airflow.configuration.AIRFLOW_HOME", str(tmp_path))


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        status = main(["backtest", *map(str, arguments)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ran


def frame(values) -> pd.DataFrame:
    index = pd.date_range(BEGIN, periods=len(values), freq="h", name="at")
    return pd.DataFrame({"DE": values, "FR": values[::-1]}, index=index)


def issues(values, days) -> pd.DataFrame:
    rows = [
        {"zone": "DE", "issued_at": BEGIN + d * 24 * HOUR}
        | {f"h{i:02}": value for i, value in enumerate(values[d * 24 : d * 24 + 96])}
        for d in range(days)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def actuals(tmp_path):
    file = tmp_path / "actuals.csv"
    frame(TRUTH).to_csv(file)
    return file


def saved(out) -> dict[str, float]:
    (*_, total) = json.loads(out)["summary"]
    return total


def test_a_perfect_issue_captures_all_that_hindsight_does(run, actuals, tmp_path):
    issues(TRUTH, 36).to_parquet(tmp_path / "issues.parquet")

    status, out, _ = run(
        "--actuals", actuals, "--issues", tmp_path / "issues.parquet", "--zone", "DE",
        "--duration", "4h", "--max-delay", "20h", "--until", "2026-03-20", "--json",
    )  # fmt: skip

    assert status == 0
    assert saved(out)["jobs"] > 60
    assert saved(out)["one_shot_percent"] == pytest.approx(saved(out)["hindsight_percent"])
    assert saved(out)["captured"] > 0.97


def test_a_scale_makes_grams_of_tenths(run, tmp_path):
    frame(np.rint(TRUTH * 10).astype("int16")).to_parquet(tmp_path / "tenths.parquet")
    common = ("--duration", "4h", "--json", "--zone", "DE", "--until", "2026-03-10")

    _, tenths, _ = run("--actuals", tmp_path / "tenths.parquet", "--scale", "0.1", *common)

    at_once = saved(tenths)["at_once_g"] / saved(tenths)["energy_kwh"]
    assert at_once == pytest.approx(TRUTH.mean(), rel=0.05)


def test_the_table_says_in_a_sentence_what_came_of_it(run, actuals):
    status, out, err = run("--actuals", actuals, "--duration", "4h", "--until", "2026-03-25")

    assert status == 0
    assert "DE" in out
    assert "FR" in out
    assert "less than running at once; planning once, " in out
    assert "actuals.csv, issues of nobody: our own forecast" in out
    assert err == ""


def test_csv_has_a_row_a_zone_and_one_for_all(run, actuals):
    _, out, _ = run("--actuals", actuals, "--duration", "4h", "--until", "2026-03-25", "--csv")

    assert [line.split(",")[0] for line in out.splitlines()] == ["name", "DE", "FR", "all"]


@pytest.mark.parametrize(("name", "begins"), [("p.png", b"\x89PNG"), ("p.html", b"<!doctype")])
def test_a_picture_of_it(run, actuals, tmp_path, name, begins):
    status, _, _ = run(
        "--actuals", actuals, "--duration", "4h", "--until", "2026-03-09", "--plot", tmp_path / name
    )

    assert status == 0
    assert (tmp_path / name).read_bytes().startswith(begins)


def test_the_ledgers_archive_is_a_past(run):
    archive = Archive(LedgerHook().ledger())
    begins = (clock.now() - 20 * 24 * HOUR).replace(hour=0, minute=0, second=0, microsecond=0)

    def series(values, at):
        return IntensitySeries(zone="DE", begins=at, step=HOUR, g_per_kwh=values)

    archive.keep_actuals("s", series(TRUTH[:456], begins))
    for day in range(18):
        at = begins + day * 24 * HOUR
        values = TRUTH[day * 24 : day * 24 + 72]
        archive.keep(Forecast(series=series(values, at), issued_at=at, source="s"))

    status, out, _ = run("--archive", "--zone", "DE", "--duration", "2h", "--json")

    assert status == 0
    assert json.loads(out)["past"] == {"DE": "the ledger's archive of s, 18 issues"}
    assert saved(out)["captured"] > 0.9


def test_without_a_file_the_sources_know_typical_days_and_that_is_said(run):
    status, out, _ = run("--zone", "westeurope", "--duration", "4h", "--every", "24h")

    assert status == 0
    assert "typical (climatology)" in out
    assert "this is no proof of a saving" in out


def airflow_api(runs):
    """Airflow's API as the documentation of 3.3 has it: pages, and a token."""

    def dag_runs(ask):
        if ask.headers.get("authorization") != "Bearer t0ken":
            return Say(401, {"detail": "Not authenticated"})
        first = int(ask.query["offset"])
        assert ask.query["state"] == "success"
        page = runs[first : first + min(int(ask.query["limit"]), 3)]
        return Say(body={"dag_runs": page, "total_entries": len(runs)})

    def token(ask):
        if ask.method == "POST" and ask.body != {"username": "ada", "password": "s3cret"}:
            return Say(401, {"detail": "Invalid credentials"})
        return Say(201, {"access_token": "t0ken"})

    return {"/api/v2/dags/~/dagRuns": dag_runs, "/auth/token": token}


def past_runs(count):
    return [
        {
            "dag_id": "nightly" if i % 2 else "hourly",
            "dag_run_id": f"r{i}",
            "start_date": (BEGIN + (200 + 7 * i) * HOUR).isoformat(),
            "end_date": (BEGIN + (200 + 7 * i + 1 + i % 2) * HOUR).isoformat(),
            "state": "success",
        }
        for i in range(count)
    ]


@pytest.mark.parametrize(
    "login", [(), ("--token", "t0ken"), ("--username", "ada", "--password", "s3cret")]
)
def test_a_real_airflows_past_runs_are_jobs(run, actuals, login):
    with serving() as web:
        web.routes |= airflow_api(past_runs(8))
        status, out, _ = run(
            "--from-airflow", web.url, "--zone", "DE", "--actuals", actuals, "--max-delay", "12h",
            "--json", *login,
        )  # fmt: skip

    assert status == 0
    hourly, nightly, total = json.loads(out)["summary"]
    assert (hourly["name"], hourly["jobs"], hourly["energy_kwh"]) == ("hourly", 4, 4)
    assert (nightly["name"], nightly["jobs"], nightly["energy_kwh"]) == ("nightly", 4, 8)
    assert 0 <= total["saved_percent"] <= total["hindsight_percent"]
    assert web.paths()["/api/v2/dags/~/dagRuns"] == 3


@pytest.mark.parametrize(
    ("route", "says"),
    [
        (Say(401, {}), "answered 401: give --token"),
        (Say(500, {}), "answered 500"),
        (Say(200, "<html>"), "answered no JSON"),
        (Say(200, []), "answered no object"),
        (Say(200, {"dag_runs": [{"dag_id": "x"}], "total_entries": 1}), "can't be read"),
        (Say(200, {"dag_runs": [], "total_entries": 0}), "no run that succeeded"),
    ],
)
def test_an_airflow_that_misbehaves_is_said_in_a_sentence(run, actuals, route, says):
    with serving() as web:
        web.routes |= {"/api/v2/dags/~/dagRuns": route}
        status, _, err = run(
            "--from-airflow", web.url, "--zone", "DE", "--actuals", actuals, "--token", "x"
        )

    assert status == 1
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (("--zone", "DE"), 2, "--duration"),
        (("--duration", "4h"), 2, "--zone"),
        (("--duration", "4h", "--actuals", "none.csv"), 2, "there is no such file"),
        (("--duration", "4h", "--zone", "DE", "--policy", "{"), 2, "--policy"),
        (("--duration", "4h", "--zone", "DE", "--policy", "patient"), 2, "delay_tolerant"),
        (("--duration", "4h", "--zone", "DE", "--since", "May"), 2, "--since"),
        (("--duration", "4h", "--zone", "DE", "--plot", "x.bmp"), 2, ".png or .html"),
        (("--duration", "4h", "--zone", "DE", "--archive"), 1, "kept nothing of DE"),
        (("--duration", "4h", "--zone", "ATLANTIS"), 1, "give --actuals FILE"),
        (("--from-airflow", "localhost", "--zone", "DE"), 2, "http://host:port"),
        (("--from-airflow", "http://127.0.0.1:9", "--zone", "DE"), 1, "can't be reached"),
        (("--from-airflow", "http://127.0.0.1:9"), 2, "--zone"),
    ],
)
def test_a_mistake_is_said_with_its_remedy(run, arguments, status, says):
    found, _, err = run(*arguments)

    assert found == status
    assert says in err


def test_a_zone_that_the_file_lacks_is_named(run, actuals):
    status, _, err = run("--actuals", actuals, "--zone", "SE", "--duration", "1h")

    assert status == 2
    assert "DE, FR" in err
