"""``airflow-carbon ledger export``, as a user calls it, on a ledger that was written."""

from __future__ import annotations

import csv
import json
import math
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest
from codecarbon.output_methods.emissions_data import EmissionsData
from codecarbon.output_methods.file import FileOutput

from airflow_carbon.cli.main import main
from airflow_carbon.ledger.entry import Entry, RunKey
from airflow_carbon.ledger.export import COLUMNS
from airflow_carbon.ledger.store import Ledger

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def entry_of(day, dag_id="nightly", **fields):
    begin = OCTOBER + day * DAY
    known = {
        "key": RunKey(dag_id=dag_id, task_id="train", run_id=f"run {day}"),
        "submitted_at": begin,
        "started_at": begin,
        "ended_at": begin + timedelta(hours=1),
        "region": "swedencentral",
        "zone": "SE-SE3",
        "device_names": "GPU-1, cpu",
        "energy_j": 3.6e6,
        "energy_gpu_j": 3e6,
        "energy_method": "counter",
        "coverage": 1.0,
        "pue": 1.16,
        "pue_source": "published",
        "emissions_g": 20.0 + day,
        "emissions_low_g": 18.0,
        "emissions_high_g": 22.0,
        "intensity_source": 'a "quoted", source\nof two lines',
        "intensity_quality": "actual",
        "intensity_signal": "average",
        "intensity_factor_type": "lifecycle",
        "baseline_method": "none",
        "computed_at": begin,
        "package_version": "0.1.0",
    }
    return Entry(**known | fields)


@pytest.fixture
def written(monkeypatch, tmp_path):
    monkeypatch.setenv(
        "AIRFLOW_CONN_CARBON_LEDGER",
        json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")}),
    )
    entries = [entry_of(-1), entry_of(0), entry_of(30), entry_of(30, "weekly"), entry_of(31)]
    with Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}") as ledger:
        for entry in entries:
            ledger.write(entry)
    return entries


@pytest.fixture
def export(capsys, written, tmp_path):
    def exported(*options, file="out"):
        status = main(["ledger", "export", *options, str(tmp_path / file)])
        said = capsys.readouterr()
        return status, said.out, said.err

    return exported


def theirs(**fields):
    """A row as codecarbon's own tracker writes it."""
    values = dict.fromkeys(EmissionsData.__dataclass_fields__, 0)
    return EmissionsData(**values | {"run_id": "theirs", "project_name": "own"} | fields)


def test_codecarbons_header_is_to_the_letter_what_codecarbon_writes(export, tmp_path):
    FileOutput("theirs.csv", str(tmp_path)).out(theirs(), None)
    status, _, _ = export("--format", "codecarbon", file="ours.csv")

    ours, own = ((tmp_path / name).read_text().splitlines() for name in ("ours.csv", "theirs.csv"))
    assert status == 0
    assert ours[0] == own[0]


@pytest.mark.parametrize("mode", ["append", "update"])
def test_codecarbon_goes_on_in_our_file_and_pandas_reads_both(export, tmp_path, written, mode):
    export("--format", "codecarbon", file="emissions.csv")
    FileOutput("emissions.csv", str(tmp_path), mode).out(theirs(emissions=0.25), None)

    found = pd.read_csv(tmp_path / "emissions.csv")

    assert len(found) == len(written) + 1
    assert list(tmp_path.glob("*.bak")) == []
    assert found["emissions"].sum() == pytest.approx(
        sum(one.emissions_g for one in written) / 1e3 + 0.25
    )
    assert found["run_id"].is_unique
    assert found["energy_consumed"].iloc[0] == pytest.approx(1.16)
    assert math.isnan(found["ram_energy"].iloc[0])


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_file_holds_what_the_ledger_holds(export, tmp_path, written, form):
    export("--format", form)

    if form == "csv":
        found = pd.read_csv(tmp_path / "out", parse_dates=["started_at"])
    else:
        found = pd.read_parquet(tmp_path / "out")
    assert list(found.columns) == list(COLUMNS)
    assert found["started_at"].tolist() == [one.started_at for one in written]
    assert str(found["started_at"].dt.tz) == "UTC"
    assert found["emissions_g"].tolist() == [one.emissions_g for one in written]
    assert found["intensity_source"].tolist() == [one.intensity_source for one in written]
    assert found["return_code"].isna().all()


@pytest.mark.parametrize(
    ("options", "days"),
    [
        ((), [-1, 0, 30, 30, 31]),
        (("--month", "2026-10"), [0, 30, 30]),
        (("--month", "2026-10", "--dag", "weekly"), [30]),
        (("--since", "2026-10-31"), [30, 30, 31]),
        (("--until", "2026-10-01T00:00:00+00:00"), [-1]),
        (("--since", "2026-10-01", "--until", "2026-10-02"), [0]),
        (("--month", "2020-01"), []),
    ],
)
def test_the_span_says_which_runs(export, tmp_path, options, days):
    status, out, _ = export(*options, "--json")

    with (tmp_path / "out").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert status == 0
    assert json.loads(out)["runs"] == len(rows) == len(days)
    assert [row["run_id"] for row in rows] == [f"run {day}" for day in days]


@pytest.mark.parametrize(
    "options",
    [
        ("--month", "2026-13"),
        ("--month", "2026-10", "--since", "2026-10-02"),
        ("--since", "yesterday"),
        ("--since", "2026-10-02", "--until", "2026-10-02"),
    ],
)
def test_a_span_that_can_not_be_is_refused_and_nothing_is_written(export, tmp_path, options):
    status, out, err = export(*options)

    assert (status, out) == (2, "")
    assert options[0] in err or "--until" in err
    assert not (tmp_path / "out").exists()


def test_a_file_that_is_there_stays_unless_it_may_go(export, tmp_path):
    (tmp_path / "out").write_text("mine")

    status, _, err = export()
    assert (status, (tmp_path / "out").read_text()) == (2, "mine")
    assert "--replace" in err

    status, _, _ = export("--replace")
    assert status == 0
    assert (tmp_path / "out").read_text().startswith("dag_id,")


def test_a_folder_that_is_not_there_is_said(export):
    status, _, err = export(file="absent/out.csv")

    assert status == 2
    assert "No such file or directory" in err


@pytest.mark.parametrize("form", ["csv", "codecarbon", "parquet"])
def test_an_export_that_breaks_off_leaves_the_old_file_and_nothing_else(export, tmp_path, form):
    (tmp_path / "out").write_text("mine")
    spoil = "UPDATE carbon_run SET ended_at = 'never' WHERE run_id = 'run 31'"  # the last
    with closing(sqlite3.connect(tmp_path / "carbon.db")) as database:
        database.execute(spoil)
        database.commit()
    before = sorted(path.name for path in tmp_path.iterdir())

    status, out, err = export("--format", form, "--replace")

    assert (status, out) == (1, "")
    assert "ledger" in err
    assert (tmp_path / "out").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == before


def test_without_pyarrow_it_says_what_to_install(written, tmp_path):
    code = (
        "import sys; sys.modules['pyarrow'] = None; from airflow_carbon.cli.main import main; "
        "sys.exit(main(['ledger', 'export', '--format', 'parquet', sys.argv[1]]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "out")],
        env=os.environ | {"AIRFLOW_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 2
    assert "pip install 'airflow-carbon[dashboard]'" in done.stderr
    assert not (tmp_path / "out").exists()
