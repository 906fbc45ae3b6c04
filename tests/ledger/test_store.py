"""One contract, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import create_engine, make_url, text

import airflow_carbon
from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.schema import KEY, carbon_interval, carbon_run
from airflow_carbon.ledger.store import Ledger

CANARY = "c4nary-s3cret"

DAY = timedelta(days=1)

WRITER = """
import sys
from datetime import UTC, datetime
from airflow_carbon.ledger.entry import Entry, IntervalRow, RunKey
from airflow_carbon.ledger.store import Ledger
import alembic.command

url, number = sys.argv[1], int(sys.argv[2])
at = datetime(2026, 1, 1, tzinfo=UTC)
words = ("zone device_names energy_method pue_source intensity_source intensity_quality "
         "intensity_signal intensity_factor_type baseline_method package_version").split()
numbers = "energy_j coverage pue emissions_g emissions_low_g emissions_high_g".split()
entry = Entry(
    key=RunKey(dag_id="d", task_id="t", run_id="r", try_number=number),
    submitted_at=at, started_at=at, ended_at=at, computed_at=at,
    **dict.fromkeys(words, "x"), **dict.fromkeys(numbers, 1.0),
)
rows = [IntervalRow(device=str(i), begins_at=at, ends_at=at, quality="q") for i in range(100)]
print("ready", flush=True)
sys.stdin.readline()
with Ledger.open(url) as ledger:
    ledger.write(entry, rows)
"""


def test_the_table_holds_every_field_of_an_entry_and_no_other():
    held = [field.name for field in fields(Entry) if field.name != "key"]

    assert [column.name for column in carbon_run.columns] == [*KEY, "version", *held]
    assert [f.name for f in fields(RunKey)] == list(KEY)
    own = [field.name for field in fields(IntervalRow)]
    assert [column.name for column in carbon_interval.columns] == [*KEY, *own]


def test_what_is_unknown_may_be_left_out_of_an_entry_and_nothing_else():
    for field in fields(Entry):
        if field.name != "key":
            optional = bool(carbon_run.c[field.name].nullable)
            assert (field.default is None) == optional, field.name


def test_what_is_written_is_read(ledger, an_entry, an_interval):
    entry = an_entry(region="swedencentral", return_code=-9, delta_g=-1.5, energy_gpu_j=1e-300)
    rows = [
        an_interval(0, "GPU-1"),
        an_interval(0, "cpu", joules=None, quality="missing", emissions_g=None),
        an_interval(1, 'GPU "2"\\, {a, b}', intensity_g_per_kwh=None),
    ]
    ledger.write(entry, rows)

    assert ledger.read(entry.key) == entry
    assert ledger.intervals(entry.key) == rows


def test_an_instant_is_the_same_instant_and_in_utc(ledger, an_entry):
    india = timezone(timedelta(hours=5, minutes=30))
    entry = an_entry(submitted_at=datetime(2026, 3, 29, 2, 30, 0, 1, tzinfo=india))
    ledger.write(entry)

    read = ledger.read(entry.key)
    assert read is not None
    assert read.submitted_at == entry.submitted_at
    assert read.submitted_at.tzinfo is UTC
    assert read.planned_start is None


def test_numbers_of_numpy_are_numbers(ledger, an_entry, an_interval):
    ledger.write(an_entry(energy_j=np.float64(1.5)), [an_interval(joules=np.float64(2.5))])

    assert ledger.recent()[0].energy_j == 1.5
    assert ledger.intervals(an_entry().key)[0].joules == 2.5


def test_the_same_try_written_again_replaces_row_and_intervals(ledger, an_entry, an_interval):
    ledger.write(an_entry(delta_g=-5.0), [an_interval(i) for i in range(10)])
    ledger.write(an_entry(emissions_g=2.0), [an_interval(3)])

    assert ledger.recent() == [an_entry(emissions_g=2.0)]
    assert ledger.intervals(an_entry().key) == [an_interval(3)]


def test_a_write_that_fails_leaves_what_was_there(ledger, an_entry, an_interval):
    ledger.write(an_entry(), [an_interval()])
    with pytest.raises(LedgerError, match="begin at the same instant"):
        ledger.write(an_entry(emissions_g=2.0), [an_interval(5), an_interval(5)])

    assert ledger.read(an_entry().key) == an_entry()
    assert ledger.intervals(an_entry().key) == [an_interval()]


def test_another_try_is_another_row(ledger, an_entry, an_interval):
    ledger.write(an_entry(1), [an_interval(1)])
    ledger.write(an_entry(2), [an_interval(2)])

    assert ledger.intervals(an_entry(1).key) == [an_interval(1)]
    assert ledger.recent() == [an_entry(2), an_entry(1)]


def test_what_was_never_written_is_not_there(ledger, an_entry):
    assert ledger.read(an_entry().key) is None
    assert ledger.intervals(an_entry().key) == []
    assert ledger.recent() == []


def test_the_newest_come_first_and_a_dag_may_be_picked(ledger, an_entry):
    entries = [
        an_entry(
            key=RunKey(dag_id=f"dag{day % 2}", task_id="t", run_id=f"r{day}"),
            submitted_at=an_entry().submitted_at + day * DAY,
        )
        for day in (2, 0, 3, 1)
    ]
    for entry in entries:
        ledger.write(entry)

    assert [entry.key.run_id for entry in ledger.recent(limit=3)] == ["r3", "r2", "r1"]
    assert [entry.key.run_id for entry in ledger.recent(dag_id="dag0")] == ["r2", "r0"]


def test_an_instant_without_a_time_zone_is_refused(ledger, an_entry, an_interval):
    naive = datetime(2026, 3, 29, 2, 30)  # noqa: DTZ001 - the case
    with pytest.raises(LedgerError, match="no time zone"):
        ledger.write(an_entry(submitted_at=naive))
    with pytest.raises(LedgerError, match="no time zone"):
        ledger.write(an_entry(), [an_interval(begins_at=naive)])

    assert ledger.recent() == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_number_that_is_none_is_refused(ledger, an_entry, an_interval, value):
    with pytest.raises(LedgerError, match="unknown is None"):
        ledger.write(an_entry(delta_g=value))
    with pytest.raises(LedgerError, match="unknown is None"):
        ledger.write(an_entry(), [an_interval(joules=value)])


instants = st.datetimes(
    min_value=datetime(1, 1, 3),  # noqa: DTZ001 - hypothesis adds the zone
    max_value=datetime(9999, 12, 29),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9)), timezone(timedelta(hours=14))]),
)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=64)
numbers = st.floats(allow_nan=False, allow_infinity=False)
BY_TYPE = {
    "datetime": instants,
    "str": texts,
    "float": numbers,
    "int": st.integers(-(2**31), 2**31 - 1),
}


def all_of(kind, **given):
    def of(annotation):
        name, _, optional = annotation.partition(" | ")
        return st.none() | BY_TYPE[name] if optional else BY_TYPE[name]

    drawn = {field.name: of(field.type) for field in fields(kind) if field.name not in given}
    return st.builds(kind, **drawn, **given)


@given(
    entry=all_of(Entry, key=all_of(RunKey)),
    rows=st.lists(all_of(IntervalRow), max_size=4, unique_by=lambda i: (i.device, i.begins_at)),
)
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_any_entry_and_its_intervals_are_read_as_they_were_written(ledger, entry, rows):
    ledger.write(entry, rows)

    assert ledger.read(entry.key) == entry
    read = ledger.intervals(entry.key)
    assert {(row.device, row.begins_at): row for row in read} == {
        (row.device, row.begins_at): row for row in rows
    }
    assert [row.begins_at for row in read] == sorted(row.begins_at for row in rows)


def test_a_day_of_seconds_is_written_in_seconds(ledger, an_entry, an_interval):
    rows = [an_interval(second) for second in range(86_400)]
    began = time.perf_counter()
    ledger.write(an_entry(), rows)

    assert time.perf_counter() - began < 10  # about one, on a machine with nothing else to do
    assert ledger.intervals(an_entry().key) == rows


def test_eight_processes_write_at_once_into_a_database_that_is_fresh(ledger_url):
    package = str(Path(airflow_carbon.__file__).parents[1])
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, ledger_url, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": package},
            text=True,
        )
        for number in range(8)
    ]
    for writer in writers:
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        writer.stdin.write("go\n")
        writer.stdin.flush()
    said = [writer.communicate(timeout=60)[1] for writer in writers]

    assert [writer.returncode for writer in writers] == [0] * 8, said
    with Ledger.open(ledger_url) as ledger:
        tries = ledger.recent()
        assert {entry.key.try_number for entry in tries} == set(range(8))
        assert [len(ledger.intervals(entry.key)) for entry in tries] == [100] * 8


def test_of_two_who_write_the_same_try_one_wins_as_a_whole(ledger, an_entry, an_interval):
    def write(number):
        rows = [an_interval(second, joules=float(number)) for second in range(50 + number)]
        ledger.write(an_entry(return_code=number), rows)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(12)))

    (entry,) = ledger.recent()
    rows = ledger.intervals(entry.key)
    assert {row.joules for row in rows} == {entry.return_code}
    assert len(rows) == 50 + entry.return_code


def test_one_who_reads_is_not_kept_waiting_by_one_who_writes(ledger, an_entry):
    ledger.write(an_entry(1))
    with ledger._writing() as connection:
        connection.execute(carbon_run.update().values(zone="DE"))

        assert ledger.recent()[0].zone == "SE-SE3"


def error_of(url) -> str:
    """What is said of a ledger that can't be opened, causes and all."""
    with pytest.raises(LedgerError) as caught:
        Ledger.open(url)
    return "".join(traceback.format_exception(caught.value))


def test_a_wrong_password_is_not_shown(postgres):
    url = postgres.fresh().set(username="guarded", password=CANARY)
    said = error_of(url)

    assert "mend login and password" in said
    assert CANARY not in said


def test_a_password_among_the_options_is_not_shown(postgres):
    url = postgres.fresh().set(username="guarded").update_query_dict({"password": CANARY})
    said = error_of(url)

    assert "mend login and password" in said
    assert CANARY not in said


def test_a_server_that_is_not_there_is_named_without_the_password():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port = one.getsockname()[1]
    said = error_of(f"postgresql://ada:{CANARY}@127.0.0.1:{port}/ledger")

    assert f"ada:***@127.0.0.1:{port}/ledger" in said
    assert "see that the server runs" in said
    assert CANARY not in said


def test_a_server_that_stays_silent_is_not_waited_for():
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        port = silent.getsockname()[1]
        said = error_of(f"postgresql://ada:{CANARY}@127.0.0.1:{port}/ledger?connect_timeout=2")

    assert "see that the server runs" in said
    assert CANARY not in said


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        (f"postgresql://ada:{CANARY}@host:p{CANARY}/db", "it is no URL"),
        (CANARY, "it is no URL"),
        (f"mysql://ada:{CANARY}@host/db", "lives in SQLite, or in PostgreSQL"),
        ("sqlite://", "names no file"),
    ],
)
def test_an_address_that_can_not_be_is_refused_without_showing_it(url, sentence):
    said = error_of(url)

    assert sentence in said
    assert CANARY not in said


def test_a_file_that_stands_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "file").touch()

    assert "a file stands where" in error_of(f"sqlite:///{tmp_path}/file/carbon.db")
    assert "a file stands where" in error_of(f"sqlite:///{tmp_path}/file/folder/carbon.db")


def test_a_file_that_is_no_database_is_said_to_be_none(tmp_path):
    (tmp_path / "carbon.db").write_text("energy,emissions\n" * 100)

    assert "it is no SQLite file" in error_of(f"sqlite:///{tmp_path}/carbon.db")


def test_a_ledger_that_may_only_be_read_is_read_and_says_how_to_write(ledger, ledger_url, an_entry):
    ledger.write(an_entry())
    url = make_url(ledger_url)
    if url.drivername == "sqlite":
        url = url.set(database=f"file:{url.database}", query={"mode": "ro", "uri": "true"})
    else:
        url = url.update_query_dict({"options": "-cdefault_transaction_read_only=on"})

    with Ledger.open(url) as only_read:
        assert only_read.recent() == [an_entry()]
        with pytest.raises(LedgerError, match=r"writable for this user|a login that may write"):
            only_read.write(replace(an_entry(), zone="DE"))


def test_a_disk_that_takes_no_more_is_said_to_be_full(tmp_path):
    full = f"""
import resource, signal
from airflow_carbon.core.errors import LedgerError
from airflow_carbon.ledger.store import Ledger

resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    Ledger.open("sqlite:///{tmp_path}/carbon.db")
except LedgerError as exc:
    print(exc)
"""
    package = str(Path(airflow_carbon.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-c", full],
        env={**os.environ, "PYTHONPATH": package, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert "space" in done.stdout


def test_to_delete_a_run_by_hand_is_to_delete_its_intervals(ledger, an_entry, an_interval):
    ledger.write(an_entry(), [an_interval()])
    with ledger.engine.begin() as connection:
        connection.execute(text("DELETE FROM carbon_run"))

    assert ledger.intervals(an_entry().key) == []


def test_a_database_may_be_shared_with_another_who_uses_alembic(ledger_url, tmp_path):
    (tmp_path / "folder").mkdir()
    other = create_engine(ledger_url)
    with other.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('theirs')"))
    Ledger.open(ledger_url).close()
    with other.connect() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "theirs"
    other.dispose()
