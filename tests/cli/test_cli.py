"""The command line, as a user calls it: a process of its own, with no Airflow database."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from datetime import datetime, timedelta
from io import StringIO

import pytest

from airflow_carbon import clock
from airflow_carbon.cli.main import main


@pytest.fixture(autouse=True)
def no_connection(monkeypatch, tmp_path):
    monkeypatch.delenv("AIRFLOW_CONN_CARBON_DEFAULT", raising=False)
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path))


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        status = main(arguments)
        said = capsys.readouterr()
        return status, said.out, said.err

    return ran


def test_a_process_with_nothing_prepared_prints_a_table(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "airflow_carbon.cli", "forecast", "swedencentral", "--hours", "6"],
        env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert "swedencentral (SE-SE3): average intensity in gCO2eq/kWh" in done.stdout
    assert "typical (climatology), issued" in done.stdout
    assert not list(tmp_path.rglob("*.db"))


def test_the_best_window_of_a_job_is_marked(run):
    status, out, _ = run("forecast", "DE", "--duration", "3h", "--hours", "24")

    assert status == 0
    assert out.count("◀") >= 3
    assert "best window: " in out


def test_json_holds_the_steps_and_where_they_are_from(run):
    status, out, _ = run("forecast", "westeurope", "--json", "--duration", "90m", "--hours", "30")
    found = json.loads(out)

    assert status == 0
    assert (found["zone"], found["region"], found["source"]) == ("NL", "westeurope", "typical")
    assert 30 <= len(found["steps"]) <= 31
    begin, end = (datetime.fromisoformat(found["steps"][0][key]) for key in ("begin", "end"))
    assert end - begin == timedelta(hours=1)
    window = found["window"]
    assert datetime.fromisoformat(window["end"]) - datetime.fromisoformat(
        window["start"]
    ) == timedelta(minutes=90)


def test_csv_has_a_header_and_a_line_a_step(run):
    _, out, _ = run("forecast", "DE", "--csv", "--hours", "5")
    rows = list(csv.DictReader(StringIO(out)))

    assert list(rows[0]) == ["begin", "end", "g_per_kwh"]
    assert 5 <= len(rows) <= 6
    assert all(float(row["g_per_kwh"]) > 0 for row in rows)


def test_the_connection_of_the_dags_is_read(run, monkeypatch, tmp_path):
    file = tmp_path / "week.csv"
    file.write_text("at,DE\n2026-01-05T00:00Z,1\n2026-01-05T01:00Z,2\n2026-01-05T02:00Z,3\n")
    connection = {"conn_type": "carbon", "extra": {"replay_file": str(file)}}
    monkeypatch.setenv("AIRFLOW_CONN_MINE", json.dumps(connection))

    _, out, _ = run("forecast", "DE", "--conn-id", "mine", "--json", "--hours", "2")

    assert json.loads(out)["source"] == "replay:week.csv"


def test_regions_are_in_the_order_of_what_a_job_emits(run):
    status, out, _ = run("regions", "Europe", "US", "--json")
    rows = json.loads(out)

    assert status == 0
    emitted = [row["g_per_it_kwh"] for row in rows]
    assert emitted == sorted(emitted)
    assert {"swedencentral", "eastus"} <= {row["region"] for row in rows}
    assert rows[0]["g_per_it_kwh"] == pytest.approx(
        rows[0]["mean_g_per_kwh"] * rows[0]["pue"], abs=0.2
    )


@pytest.mark.parametrize("form", [[], ["--csv"]])
def test_regions_print_a_table_too(run, form):
    status, out, _ = run("regions", "swedencentral,polandcentral", *form)

    assert status == 0
    assert out.index("swedencentral") < out.index("polandcentral")


def test_a_plan_is_a_sentence_a_table_and_a_plot(run):
    job = ("--duration", "4h", "--within", "24h")
    status, out, _ = run("plan", *job, "--region", "swedencentral,polandcentral")

    assert status == 0
    assert out.startswith("swedencentral (SE-SE3) from ")
    assert "the runner-up is polandcentral with" in out
    assert out.count("◀") >= 5  # the region, and the hours of the window


def test_a_plan_in_json_ranks_and_keeps_the_deadline(run):
    job = ("--duration", "4h", "--within", "10h")
    _, out, _ = run("plan", *job, "--region", "Europe", "--json")
    rows = json.loads(out)["placements"]

    emitted = [row["g_per_it_kwh"] for row in rows]
    assert emitted == sorted(emitted)
    for row in rows:
        start, end = (datetime.fromisoformat(row[key]) for key in ("start", "end"))
        assert end - start == timedelta(hours=4)
        assert end <= clock.now() + timedelta(hours=10)
        assert row["g_per_it_kwh"] <= row["at_once_g_per_it_kwh"] + 1e-6


@pytest.mark.parametrize(
    ("arguments", "status", "says"),
    [
        (["forecast", "DEE"], 2, "did you mean DE"),
        (["forecast", "DE", "--duration", "soon"], 2, "--duration='soon' is not a positive length"),
        (["forecast", "DE", "--hours", "-3"], 2, "--hours=-3.0 can't be"),
        (["forecast", "DE", "--hours", "2", "--duration", "5h"], 2, "does not fit"),
        (["forecast", "DE", "--conn-id", "nope"], 2, "there is no Airflow connection 'nope'"),
        (["plan", "--duration", "5h", "--within", "4h"], 2, "does not fit"),
        (["plan", "--duration", "5h", "--within", "soon"], 2, "--within='soon'"),
        (["regions", "Atlantis"], 2, "unknown Azure region 'Atlantis'"),
    ],
)
def test_a_mistake_is_a_sentence_and_a_status(run, arguments, status, says):
    found, out, err = run(*arguments)

    assert (found, out) == (status, "")
    assert says in err
    assert "Traceback" not in err


def test_help_has_examples_and_needs_no_airflow(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["forecast", "--help"])

    assert ended.value.code == 0
    assert "airflow-carbon forecast DE --duration 4h" in capsys.readouterr().out


def test_a_reader_that_has_enough_is_no_error(tmp_path):
    done = subprocess.run(  # noqa: S602 - a shell's pipe is what is tried
        f"{sys.executable} -m airflow_carbon.cli regions --json | head -1",
        shell=True,
        executable="/bin/bash",
        env={"PATH": os.environ["PATH"], "AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "[\n"
    assert "Traceback" not in done.stderr


def test_a_plan_keeps_to_a_policy_and_to_where_the_data_must_stay(run):
    policy = '{"done_by": {"at": "09:00"}, "blackouts": {"hours": "17:00-20:00"}}'

    status, out, _ = run(
        "plan", "--duration", "2h", "--policy", policy, "--region", "Europe, US",
        "--residency", "EU", "--json",
    )  # fmt: skip

    places = json.loads(out)["placements"]
    assert status == 0
    assert not {"US", "GB", "NO", "CH"} & {one["zone"][:2] for one in places}
    assert all(
        datetime.fromisoformat(one["end"]) <= clock.now() + timedelta(hours=26) for one in places
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "--within=None can't be"),
        (("--policy", "patient"), "real_time, window_flexible"),
        (("--within", "9h", "--residency", "Atlantis"), "Atlantis"),
        (("--within", "9h", "--region", "eastus", "--residency", "EU"), "widen"),
    ],
)
def test_a_plan_that_can_not_be_says_so(run, arguments, says):
    status, _, err = run("plan", "--duration", "2h", *arguments)

    assert status == 2
    assert says in err
