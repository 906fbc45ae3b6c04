"""``airflow-carbon ledger prune`` and ``ledger migrate``: what goes, and what never goes alone."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, insert, select
from strategies import T0, forecast_of

from airflow_carbon import clock
from airflow_carbon.cli.ledger_prune import instant_before
from airflow_carbon.cli.main import main
from airflow_carbon.ledger.archive import Archive
from airflow_carbon.ledger.crosscheck import CrossCheck, CrossChecks
from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.migrate import REVISIONS
from airflow_carbon.ledger.prune import Part, old, prune
from airflow_carbon.ledger.schema import carbon_grant, metadata
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.versions import Versions

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


def entry_of(ended, run_id):
    return Entry(
        key=RunKey(dag_id="nightly", task_id="train", run_id=run_id),
        submitted_at=ended - HOUR,
        started_at=ended - HOUR,
        ended_at=ended,
        region="swedencentral",
        zone="SE-SE3",
        device_names="cpu",
        energy_j=3.6e6,
        energy_method="counter",
        coverage=1.0,
        pue=1.16,
        pue_source="published",
        emissions_g=20.0,
        emissions_low_g=18.0,
        emissions_high_g=22.0,
        intensity_source="typical",
        intensity_quality="actual",
        intensity_signal="average",
        intensity_factor_type="lifecycle",
        baseline_method="none",
        computed_at=ended,
        package_version="0.1.0",
    )


def write(ledger, ended, run_id, versions=2):
    """Write a run in several versions, each with an interval."""
    entry = entry_of(ended, run_id)
    interval = IntervalRow(
        device="cpu", begins_at=entry.started_at, ends_at=ended, joules=3.6e6, quality="counter",
        intensity_g_per_kwh=20.0, emissions_g=20.0, zone="SE-SE3", pue=1.16,
    )  # fmt: skip
    for number in range(versions):
        ledger.write(replace(entry, emissions_g=20.0 + number), [interval])
    return entry.key


def rows(ledger):
    with ledger.engine.connect() as connection:
        return {
            table.name: connection.scalar(select(func.count()).select_from(table))
            for table in metadata.sorted_tables
        }


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = {"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(value))
    with Ledger.open(f"sqlite:///{tmp_path / 'carbon.db'}") as opened:
        yield opened


@pytest.fixture
def full(ledger):
    """A run and an issue of three years ago, and of yesterday; a grant of three years ago."""
    now = clock.now()
    for age, name in ((1100 * DAY, "old"), (DAY, "new")):
        write(ledger, now - age, name)
        forecast = forecast_of([100.0] * 48, begins=now - age)
        Archive(ledger).keep(forecast)
        Archive(ledger).keep_actuals("replay", forecast.series)
    with ledger.engine.begin() as connection:
        grant = {"dag_id": "a", "run_id": "b", "map_index": -1, "model": ""}
        connection.execute(insert(carbon_grant).values(grant | {"granted_at": now - 1100 * DAY}))
    return ledger


@pytest.fixture
def run(capsys):
    def ran(*arguments):
        capsys.readouterr()
        status = main(["ledger", *arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return ran


def test_without_yes_it_is_counted_and_kept(full, run):
    before = rows(full)

    status, out, err = run("prune", "--older-than", "2y", "--json")

    assert status == 2
    assert "--yes" in err
    found = json.loads(out)
    assert found["deleted"] is False
    assert (found["rows"]["carbon_issue"], found["rows"]["carbon_grant"]) == (1, 1)
    assert rows(full) == before


def test_a_dry_run_is_no_mistake(full, run):
    before = rows(full)

    status, out, err = run("prune", "--older-than", "2y", "--runs", "--dry-run")

    assert (status, err) == (0, "")
    assert "to delete, older than" in out
    assert rows(full) == before


def test_with_yes_goes_what_was_counted_and_no_run(full, run):
    before = rows(full)
    _, counted, _ = run("prune", "--older-than", "2y", "--dry-run", "--json")

    status, out, _ = run("prune", "--older-than", "2y", "--yes", "--json")

    gone = json.loads(out)["rows"]
    after = rows(full)
    assert status == 0
    assert gone == json.loads(counted)["rows"]
    assert {name: before[name] - after[name] for name in gone} == gone
    assert (after["carbon_run"], after["carbon_run_superseded"]) == (2, 2)
    assert after["carbon_grant"] == 0


def test_the_archive_alone_is_the_archive_alone(full, run):
    _, out, _ = run("prune", "--older-than", "2y", "--archive-only", "--yes", "--json")

    assert set(json.loads(out)["rows"]) == {"carbon_issue", "carbon_actual"}
    assert rows(full)["carbon_grant"] == 1


def test_a_run_goes_with_every_version_and_nothing_of_it_is_left(full, run):
    status, *_ = run("prune", "--older-than", "2y", "--runs", "--yes")

    left = rows(full)
    key = RunKey(dag_id="nightly", task_id="train", run_id="old")
    assert status == 0
    assert Versions(full).of(key) == []
    assert [left[name] for name in ("carbon_run", "carbon_run_superseded")] == [1, 1]
    assert [left[name] for name in ("carbon_interval", "carbon_interval_superseded")] == [1, 1]


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    with Ledger.open(f"sqlite:///{tmp_path_factory.mktemp('ledger')}/carbon.db") as opened:
        yield opened


@settings(max_examples=15)
@given(ages=st.lists(st.integers(1, 1000), min_size=1, max_size=4), cut=st.integers(0, 1001))
def test_no_try_ever_loses_its_newest_version_alone(shared, ages, cut):
    prune(shared, T0 + DAY, [Part.RUNS])  # what the example before left
    keys = [
        write(shared, T0 - age * DAY, str(i), versions=1 + age % 3) for i, age in enumerate(ages)
    ]
    before = [Versions(shared).of(key) for key in keys]
    expected = old(shared, T0 - cut * DAY, [Part.RUNS])

    assert prune(shared, T0 - cut * DAY, [Part.RUNS]) == expected

    for age, key, versions in zip(ages, keys, before, strict=True):
        assert Versions(shared).of(key) == ([] if age > cut else versions)
    assert old(shared, T0 - cut * DAY, [Part.RUNS]) == dict.fromkeys(expected, 0)


def test_what_another_meter_saw_goes_with_its_run(ledger):
    key = write(ledger, T0, "one")
    seen = CrossCheck(key=key, joules=1.0, begins_at=T0 - HOUR, ends_at=T0, fetched_at=T0)
    CrossChecks(ledger).write(seen)

    gone = prune(ledger, T0 + DAY, [Part.RUNS])

    assert gone["carbon_crosscheck"] == 1


@pytest.mark.parametrize(
    ("age", "instant"),
    [
        ("2y", datetime(2026, 2, 28, 9, tzinfo=UTC)),
        ("1mo", datetime(2028, 1, 29, 9, tzinfo=UTC)),
        ("24mo", datetime(2026, 2, 28, 9, tzinfo=UTC)),
        ("4 y", datetime(2024, 2, 29, 9, tzinfo=UTC)),
        ("60d", datetime(2027, 12, 31, 9, tzinfo=UTC)),
    ],
)
def test_an_age_is_told_by_the_calendar(age, instant):
    assert instant_before(datetime(2028, 2, 29, 9, tzinfo=UTC), age) == instant


@pytest.mark.parametrize("age", ["", "2h", "0d", "-1y", "2 years", "9999y", "9999999d", "2m"])
def test_what_is_no_age_deletes_nothing(run, full, age):
    before = rows(full)

    status, out, err = run("prune", f"--older-than={age}", "--runs", "--yes")

    assert (status, out) == (2, "")
    assert "--older-than" in err
    assert rows(full) == before


def test_runs_and_the_archive_alone_exclude_each_other(run):
    with pytest.raises(SystemExit) as ended:
        run("prune", "--older-than", "2y", "--runs", "--archive-only")

    assert ended.value.code == 2


def test_a_ledger_is_made_and_is_then_up_to_date(run, monkeypatch, tmp_path):
    value = {"conn_type": "sqlite", "host": str(tmp_path / "fresh" / "carbon.db")}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(value))

    checked = run("migrate", "--check")
    assert checked[0] == 1
    assert not (tmp_path / "fresh").exists()

    status, out, _ = run("migrate", "--json")
    found = json.loads(out)
    assert status == 0
    assert (found["from"], found["to"]) == (None, REVISIONS[-1])
    assert run("migrate", "--check")[0] == 0


def test_tables_of_a_newer_release_are_left_as_they_are(run, ledger, tmp_path):
    ledger.close()
    with closing(sqlite3.connect(tmp_path / "carbon.db")) as database:
        database.execute("UPDATE carbon_alembic_version SET version_num = '9999'")
        database.commit()

    status, out, err = run("migrate")

    assert (status, out) == (1, "")
    assert "pip install --upgrade" in err
