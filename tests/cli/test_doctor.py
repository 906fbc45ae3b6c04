"""``airflow-carbon doctor``, where all is well and where it is not."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from servers.web import Say, serving

import airflow_carbon
from airflow_carbon.cli.main import main
from airflow_carbon.ledger.condition import look
from airflow_carbon.ledger.migrate import REVISIONS
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.services.flight import ANSWERS
from airflow_carbon.services.gate import GATES

SECRET = "canary-77c1"  # noqa: S105 - nobody's
HEALTHY = {
    "metadatabase": {"status": "healthy"},
    "triggerer": {"status": "healthy", "latest_triggerer_heartbeat": "2026-11-21T10:00:00+00:00"},
}


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """No connection but those of the test, and no gate that another test closed."""
    GATES.gates.clear()
    ANSWERS.known.clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    database = f"sqlite:///{tmp_path / 'airflow.db'}"  # not there, whatever this machine has
    monkeypatch.setenv("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", database)
    connect(monkeypatch, "ledger", "sqlite", host=str(tmp_path / "carbon.db"))
    connect(monkeypatch, "default", "carbon")


def connect(monkeypatch, name, conn_type, host=None, **extra):
    value = {"conn_type": conn_type, "host": host, "extra": extra}
    monkeypatch.setenv(f"AIRFLOW_CONN_CARBON_{name.upper()}", json.dumps(value))


@pytest.fixture
def doctor(capsys):
    def asked(*options):
        capsys.readouterr()
        status = main(["doctor", "--json", *options])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert SECRET not in said.out + said.err
        found = {}
        for check in json.loads(said.out)["checks"]:
            found.setdefault(check["check"], check)
        return status, found

    return asked


def test_out_of_the_box_nothing_fails_and_nothing_is_left_behind(doctor, tmp_path):
    status, found = doctor("--conn-id", "carbon_default")

    assert status == 0
    assert [found[name]["verdict"] for name in ("airflow", "provider", "key")] == ["ok"] * 3
    assert found["forecast"]["verdict"] == "warn"  # typical days are no forecast
    assert found["azure"]["verdict"] == "skipped"
    assert found["ledger"]["verdict"] == "ok"
    assert list(tmp_path.iterdir()) == []


def test_a_person_reads_a_line_a_check(capsys, tmp_path):
    Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}").close()

    status = main(["doctor", "--conn-id", "carbon_default", "--zone", "DE"])

    lines = capsys.readouterr().out.splitlines()
    assert status == 0
    assert lines[0].startswith("ok      airflow    Airflow 3.")
    assert any("at version " in line and "0 runs" in line for line in lines)
    assert lines[-1].endswith("0 fail")


def test_every_connection_of_the_environment_is_found(capsys, monkeypatch):
    connect(monkeypatch, "other", "carbon", sources="replay")
    monkeypatch.setenv("AIRFLOW_CONN_BROKEN", "{no json")

    status = main(["doctor", "--json"])
    checks = json.loads(capsys.readouterr().out)["checks"]

    found = [one["of"] for one in checks if one["check"] == "connection"]
    assert status == 0
    assert found == ["carbon_default", "carbon_other"]


def test_a_wrong_key_is_said_by_the_service_and_is_not_shown(doctor, monkeypatch):
    with serving() as web:
        web.mood = lambda _: Say(401, {"error": f"invalid auth token {SECRET}"})
        connect(
            monkeypatch, "default", "carbon",
            electricity_maps_token=SECRET, electricity_maps_url=web.url,
        )  # fmt: skip
        status, found = doctor("--conn-id", "carbon_default", "--zone", "DE")

    assert status == 1
    assert "the key is not accepted" in found["key"]["says"]
    assert found["forecast"]["verdict"] == "warn"
    assert "no service issued one" in found["forecast"]["says"]


def test_a_dead_network_says_so_and_waits_go_on_with_typical_days(doctor, monkeypatch):
    extra = {"sources": "uk_carbon_intensity", "uk_carbon_intensity_url": "http://127.0.0.1:9"}
    connect(monkeypatch, "default", "carbon", **extra)

    status, found = doctor("--conn-id", "carbon_default", "--zone", "GB")

    assert status == 1
    assert "HTTPS_PROXY" in found["key"]["says"]
    assert "typical" in found["forecast"]["says"]


@pytest.mark.parametrize(
    ("options", "check", "says"),
    [
        (("--conn-id", "absent"), "connection", "there is no Airflow connection 'absent'"),
        (("--conn-id", "carbon_default", "--zone", "XX"), "forecast", "unknown grid zone 'XX'"),
        (("--conn-id", "carbon_default", "--azure-conn-id", "no"), "azure", "'no'"),
        (
            ("--conn-id", "carbon_default", "--airflow-url", "http://127.0.0.1:9"),
            "triggerer",
            "Airflow's API gave no answer",
        ),
        (("--conn-id", "carbon_default", "--ledger-conn-id", "absent"), "ledger", "'absent'"),
    ],
)
def test_what_is_not_there_is_one_failed_check_among_others(doctor, options, check, says):
    status, found = doctor(*options)

    assert status == 1
    assert found[check]["verdict"] == "fail"
    assert says in found[check]["says"]
    assert {"airflow", "ledger", "gpu", "triggerer", "azure"} <= set(found)


@pytest.mark.parametrize(
    ("health", "verdict"),
    [
        (HEALTHY, "ok"),
        (HEALTHY | {"triggerer": {"status": None}}, "fail"),
        ({"nothing": "of the kind"}, "fail"),
        (Say(200, "<html>not Airflow</html>"), "fail"),
    ],
)
def test_the_triggerer_is_asked_for_over_airflows_api(doctor, health, verdict):
    with serving() as web:
        web.routes["/api/v2/monitor/health"] = health
        _, found = doctor("--conn-id", "carbon_default", "--airflow-url", web.url + "/")

    assert found["triggerer"]["verdict"] == verdict
    assert ("clock" in found) == (verdict == "ok" or "triggerer" in str(health))


@pytest.mark.parametrize(
    "options", [("--region", "Atlantis"), ("--airflow-url", "host:8080"), ("--region",)]
)
def test_what_can_not_be_is_refused_before_anything_is_checked(capsys, options):
    try:
        status = main(["doctor", *options])
    except SystemExit as ended:
        status = ended.code

    said = capsys.readouterr()
    assert (status, said.out) == (2, "")


def test_a_ledger_that_another_holds_is_said_to_be_held(doctor, tmp_path, monkeypatch):
    file = tmp_path / "carbon.db"
    Ledger.open(f"sqlite:///{file}").close()
    monkeypatch.setattr("airflow_carbon.ledger.condition.PATIENCE_S", 0.05)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        status, found = doctor("--conn-id", "carbon_default")

    assert status == 1
    assert "another process holds it" in found["ledger"]["says"]


@pytest.mark.parametrize("spoilt", ["newer", "no database", "a folder"])
def test_a_ledger_that_can_not_be_used_says_what_to_do(doctor, tmp_path, spoilt):
    file = tmp_path / "carbon.db"
    if spoilt == "newer":
        Ledger.open(f"sqlite:///{file}").close()
        with closing(sqlite3.connect(file)) as database:
            database.execute("UPDATE carbon_alembic_version SET version_num = '9999'")
            database.commit()
    elif spoilt == "no database":
        file.write_text("mine, and no database at all " * 100)
    else:
        file.mkdir()

    status, found = doctor("--conn-id", "carbon_default")

    assert status == 1
    assert found["ledger"]["verdict"] == "fail"
    assert {"newer": "upgrade", "no database": "move it away", "a folder": "unable to open"}[
        spoilt
    ] in found["ledger"]["says"]


@pytest.mark.parametrize("made", [True, False])
def test_a_full_disk_is_found_before_a_task_finds_it(tmp_path, made):
    file = tmp_path / "carbon.db"
    if made:
        Ledger.open(f"sqlite:///{file}").close()
    code = f"""
import resource
from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.condition import look

resource.setrlimit(resource.RLIMIT_FSIZE, (131072, 131072))
try:
    look("sqlite:///{file}")
except LedgerError as exc:
    print(exc)
"""
    done = subprocess.run(
        [sys.executable, "-B", "-c", code],
        cwd=Path(airflow_carbon.__file__).parents[1],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "its disk" in done.stdout or "too large" in done.stdout.lower()
    assert [one.name for one in tmp_path.iterdir()] == (["carbon.db"] if made else [])


def test_what_was_written_on_trial_is_gone(tmp_path):
    url = f"sqlite:///{tmp_path / 'carbon.db'}"
    Ledger.open(url).close()

    before = look(url)

    assert (before.version, before.runs, before.issues) == (REVISIONS[-1], 0, 0)
    assert look(url) == before
