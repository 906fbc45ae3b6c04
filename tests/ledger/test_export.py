"""The ledger's rows as others read them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import chain, pairwise

import pytest
from codecarbon.input import DataSource

from airflow_carbon.data import region_rows
from airflow_carbon.ledger import codecarbon
from airflow_carbon.ledger.export import AT_A_TIME, COLUMNS, runs
from airflow_carbon.ledger.schema import carbon_run
from airflow_carbon.ledger.spans import booked_until

HOUR = timedelta(hours=1)


@pytest.fixture
def book(ledger, an_entry):
    def booked(number, **key_fields):
        entry = an_entry()
        shifted = {
            name: getattr(entry, name) + number * HOUR for name in ("started_at", "ended_at")
        }
        key = replace(entry.key, run_id=f"run {number}", **key_fields)
        entry = replace(entry, key=key, **shifted)
        ledger.write(entry)
        return entry

    return booked


def names(rows):
    return [row["run_id"] for row in rows]


def test_every_column_of_the_table_comes_in_its_order(ledger, book):
    entry = book(0)
    (row,) = runs(ledger)

    assert list(row) == list(COLUMNS) == [column.name for column in carbon_run.columns]
    assert row["started_at"] == entry.started_at
    assert row["energy_gpu_j"] is None
    known = {name: value for name, value in row.items() if value is not None}
    assert {name: type(value) for name, value in known.items()} == {
        name: COLUMNS[name] for name in known
    }


def test_a_run_is_in_the_span_in_which_it_started_and_in_no_other(ledger, book):
    entries = [book(number) for number in range(6)]
    edges = [None, *(one.started_at for one in entries[1::2]), None]

    spans = [names(runs(ledger, since=a, until=b)) for a, b in pairwise(edges)]

    assert list(chain(*spans)) == names(runs(ledger)) == [one.key.run_id for one in entries]
    assert spans[0] == ["run 0"]


def test_more_rows_than_are_held_at_once_all_come(ledger, an_entry):
    plain = an_entry()
    rows = [
        {name: getattr(plain, name) for name in COLUMNS if hasattr(plain, name)}
        | {"dag_id": "d", "task_id": "t", "run_id": f"{n:05}", "map_index": -1, "try_number": 1}
        for n in range(2 * AT_A_TIME + 1)
    ]
    with ledger.engine.begin() as connection:
        connection.execute(carbon_run.insert(), rows)

    found = names(runs(ledger))

    assert found == sorted(found)
    assert len(set(found)) == 2 * AT_A_TIME + 1


def test_a_dag_alone(ledger, book):
    book(0)
    book(1, dag_id="other")

    assert names(runs(ledger, dag_id="other")) == ["run 1"]


def test_energy_that_a_later_try_holds_as_well_is_counted_once(ledger, an_entry):
    first, second = an_entry(try_number=1), an_entry(try_number=2, energy_j=2000.0)
    later = an_entry(try_number=3, energy_j=5.0)
    began = later.started_at + HOUR
    for entry in (first, second, replace(later, started_at=began, ended_at=began + HOUR)):
        ledger.write(entry)

    assert [row["energy_j"] for row in runs(ledger)] == [2000.0, 5.0]


def test_a_run_is_booked_until_the_last_of_its_tries_ended(ledger, an_entry):
    entries = [an_entry(try_number=number) for number in (1, 2)]
    late = replace(entries[0], ended_at=entries[0].ended_at + HOUR)
    other = replace(late.key, run_id="another")

    assert booked_until(ledger, late.key) is None
    for entry in (late, entries[1]):
        ledger.write(entry)
    assert booked_until(ledger, entries[1].key) == late.ended_at
    assert booked_until(ledger, other) is None


def row_of(an_entry, **fields):
    entry = an_entry(**fields)
    key = {name: getattr(entry.key, name) for name in entry.key.__slots__}
    return codecarbon.codecarbon_row(
        key | {name: getattr(entry, name) for name in COLUMNS if hasattr(entry, name)}
    )


def test_units_are_those_of_codecarbon_and_its_energy_has_the_overhead(an_entry):
    start = an_entry().started_at
    row = row_of(
        an_entry,
        ended_at=start + timedelta(hours=2),
        energy_j=7.2e6,
        energy_gpu_j=5.4e6,
        energy_cpu_j=1.8e6,
        emissions_g=500.0,
        pue=1.25,
        device_names="GPU-1, GPU-2, cpu, memory",
    )

    assert row["duration"] == 7200
    assert (row["energy_consumed"], row["gpu_energy"], row["cpu_energy"]) == (2.5, 1.875, 0.625)
    assert (row["gpu_power"], row["cpu_power"]) == (937.5, 312.5)
    assert row["emissions"] == 0.5
    assert row["emissions_rate"] == pytest.approx(0.5 / 7200)
    assert row["gpu_count"] == 2
    assert row["run_id"] == "train/gpu/manual__1/-1/1"


def test_what_is_not_known_is_nothing_and_not_0(an_entry):
    row = row_of(an_entry, ended_at=an_entry().started_at)

    for name in ("gpu_energy", "gpu_power", "ram_energy", "water_consumed", "wue", "cloud_region"):
        assert row[name] is None, name
    assert (row["duration"], row["emissions_rate"]) == (0, None)


def test_the_place_is_the_regions(an_entry):
    row = row_of(an_entry, region="swedencentral")

    assert (row["cloud_provider"], row["cloud_region"], row["on_cloud"]) == (
        "azure",
        "swedencentral",
        "Y",
    )
    assert (row["country_iso_code"], row["country_name"]) == ("SWE", "Sweden")
    assert (row["latitude"], row["longitude"]) == pytest.approx((60.67, 17.14), abs=0.01)


def test_of_a_zone_alone_the_country_is_known_where_there_is_one(an_entry):
    assert row_of(an_entry, zone="US-CAL-CISO")["country_iso_code"] == "USA"
    assert row_of(an_entry, zone="ATLANTIS")["country_iso_code"] is None


def test_every_country_with_a_region_has_the_code_and_the_name_that_codecarbon_knows():
    theirs = DataSource().get_global_energy_mix_data()

    assert {row.country for row in region_rows().values()} == set(codecarbon.COUNTRIES)
    assert dict(codecarbon.COUNTRIES.values()) == {
        code: theirs[code]["country_name"] for code, _ in codecarbon.COUNTRIES.values()
    }
