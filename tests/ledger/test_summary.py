"""Sums by SQL are those of a slow oracle in pandas, on SQLite and PostgreSQL."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from sqlalchemy import event

from airflow_carbon.core.errors import InvalidOptionError, LedgerError
from airflow_carbon.core.month import span_of
from airflow_carbon.core.summary import NUMBERS, Facet, Sums, regroup
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.export import runs as exported
from airflow_carbon.ledger.pages import Cursor, page
from airflow_carbon.ledger.rows import ENTRY
from airflow_carbon.ledger.schema import carbon_run
from airflow_carbon.ledger.signals import Beside, Signals
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.ledger.summary import Among, Summaries

OCTOBER = date(2026, 10, 1)
BEGIN = datetime(2026, 9, 20, tzinfo=UTC)
COUNT = 400
FACETS = (
    (),
    (Facet.DAG,),
    (Facet.DAG, Facet.TASK),
    (Facet.MODEL,),
    (Facet.MONTH,),
    (Facet.MONTH, Facet.DAG),
    (Facet.REGION, Facet.PUE, Facet.QUALITY),
)


def entries_of(an_entry, seed=1):
    """Runs in which each column that may be null is, here and there, and names are shared."""
    rng = np.random.default_rng(seed)

    def some(value):
        return None if rng.random() < 0.3 else value

    for number in range(COUNT):
        start = BEGIN + timedelta(seconds=int(rng.integers(0, 45 * 86400)))
        joules, grams, baseline = (float(v) for v in rng.uniform(1, 1e6, 3))
        known = some(baseline)
        yield an_entry(
            key=RunKey(
                dag_id=f"dag {rng.integers(3)}",
                task_id=f"t{rng.integers(2)}",
                run_id=f"run {number // 2}",
                try_number=1 + number % 2,
            ),
            started_at=start,
            ended_at=start + timedelta(minutes=int(rng.integers(1, 600))),
            model=some(f"m{rng.integers(3)}"),
            region=some(f"region{rng.integers(2)}"),
            pue=float(rng.choice([1.1, 1.2])),
            coverage=float(rng.uniform(0.7, 1)),
            energy_j=joules,
            energy_modelled_j=some(joules * 0.25),
            emissions_g=grams,
            emissions_low_g=grams * 0.9,
            emissions_high_g=grams * 1.2,
            baseline_g=known,
            delta_g=None if known is None else grams - known,
            planned_emissions_g=some(grams * 0.8),
            embodied_g=some(grams * 0.1),
            functional_unit="epoch",
            functional_units=some(7.0),
            settled_at=some(start),
            intensity_signal=str(rng.choice(["average", "marginal"])),
            intensity_factor_type=str(rng.choice(["lifecycle", "direct"])),
            intensity_quality=str(rng.choice(["actual", "issued"])),
        )


def fill(ledger, entries):
    with ledger.engine.begin() as connection:
        connection.execute(
            carbon_run.insert(),
            [
                {name: getattr(one, name) for name in ENTRY}
                | {name: getattr(one.key, name) for name in one.key.__slots__}
                | {"version": 1}
                for one in entries
            ],
        )


@pytest.fixture
def filled(ledger, an_entry):
    fill(ledger, entries_of(an_entry))
    return ledger


def oracle(frame, facets):
    """The same by pandas, from the rows that export has: it shares no SQL with the sums."""
    kind = ["intensity_signal", "intensity_factor_type"]
    known, promised = frame["delta_g"].notna(), frame["planned_emissions_g"].notna()
    kwh = frame["energy_j"] / 3.6e6
    units = frame["functional_units"].notna()
    table = pd.DataFrame(
        {
            "runs": 1,
            "energy_kwh": kwh,
            "modelled_kwh": frame["energy_modelled_j"] / 3.6e6,
            "unsplit_kwh": kwh.where(frame["energy_modelled_j"].isna(), 0),
            "emissions_g": frame["emissions_g"],
            "low_g": frame["emissions_low_g"],
            "high_g": frame["emissions_high_g"],
            "embodied_g": frame["embodied_g"],
            "embodied_runs": frame["embodied_g"].notna(),
            "baseline_g": frame["baseline_g"].where(known, 0),
            "delta_g": frame["delta_g"],
            "compared_runs": known,
            "compared_kwh": kwh.where(known, 0),
            "promised_g": frame["planned_emissions_g"],
            "promised_actual_g": frame["emissions_g"].where(promised, 0),
            "promised_runs": promised,
            "units": frame["functional_units"],
            "units_g": frame["emissions_g"].where(units, 0),
            "covered_runs": frame["coverage"],
            "partly_measured": frame["coverage"] < 0.9,
            "settled_runs": frame["settled_at"].notna(),
        }
    )
    frame = frame.assign(month=frame["started_at"].map(lambda at: date(at.year, at.month, 1)))
    keys = [*kind, *(facet.value for facet in facets)]
    summed = pd.concat([frame[keys], table], axis=1).groupby(keys, dropna=False).sum()
    return {
        tuple(None if pd.isna(part) else part for part in key): row
        for key, row in summed.iterrows()
    }


def values(sums):
    return {name: getattr(sums, name) for name in NUMBERS}


@pytest.mark.parametrize("facets", FACETS, ids=lambda facets: "-".join(facets) or "total")
def test_sums_are_those_of_pandas(filled, facets):
    found = Summaries(filled).by(*facets)
    expected = oracle(pd.DataFrame(exported(filled)), facets)

    assert {(one.signal, one.factor_type, *one.of.values()) for one in found} == set(expected)
    for one in found:
        row = expected[(one.signal, one.factor_type, *one.of.values())]
        assert values(one.sums) == pytest.approx(row.to_dict()), one.of


def test_sums_over_any_partition_are_the_total(filled):
    summaries = Summaries(filled)
    total = {one.kind: values(one.sums) for one in summaries.by()}

    for facets in FACETS:
        again = {one.kind: values(one.sums) for one in regroup(summaries.by(*facets))}
        assert again.keys() == total.keys()
        for kind, sums in again.items():
            assert sums == pytest.approx(total[kind]), facets


def test_sums_of_a_month_are_those_of_the_month_that_export_writes(filled):
    begin, end = span_of(OCTOBER)
    rows = pd.DataFrame(exported(filled, since=begin, until=end))
    (by_month, by_span) = (
        sum((one.sums for one in found), Sums())
        for found in (
            [one for one in Summaries(filled).by(Facet.MONTH) if one.of == {Facet.MONTH: OCTOBER}],
            Summaries(filled).by(among=Among(span=(begin, end))),
        )
    )

    assert 0 < by_span.runs == by_month.runs == len(rows) < COUNT
    assert by_span.emissions_g == pytest.approx(rows["emissions_g"].sum())
    assert by_span.first == rows["started_at"].min()
    assert by_span.last == rows["ended_at"].max()


def test_a_reader_sees_the_dags_that_are_allowed_and_no_other(filled):
    summaries = Summaries(filled)
    allowed = Among(dag_ids=["dag 0", "dag 2", "no such"])

    assert summaries.dags() == ["dag 0", "dag 1", "dag 2"]
    seen = {one.of[Facet.DAG] for one in summaries.by(Facet.DAG, among=allowed)}
    assert seen == {"dag 0", "dag 2"}
    assert {run.key.dag_id for run in page(filled, limit=COUNT, among=allowed).runs} == seen
    assert summaries.by(among=Among(dag_ids=[])) == []
    assert page(filled, among=Among(dag_ids=[])).runs == []


def test_names_narrow_the_sums(filled):
    found = Summaries(filled).by(
        Facet.TASK, Facet.MODEL, among=Among(task_id="t1", model="m1", dag_ids=["dag 1"])
    )

    assert {tuple(one.of.values()) for one in found} == {("t1", "m1")}


def test_a_new_version_takes_the_place_of_the_one_before(ledger, an_entry):
    ledger.write(an_entry(emissions_g=5.0))
    ledger.write(an_entry(emissions_g=7.0))

    (one,) = Summaries(ledger).by()
    assert (one.sums.runs, one.sums.emissions_g) == (1, 7.0)


def test_names_that_are_hostile_are_names(ledger, an_entry):
    name = "'; DROP TABLE carbon_run; --%\" <b>"
    ledger.write(an_entry(key=replace(an_entry().key, dag_id=name)))

    (one,) = Summaries(ledger).by(Facet.DAG, among=Among(dag_ids=[name]))
    assert one.of == {Facet.DAG: name}


def test_an_empty_ledger_has_no_sums_and_no_runs(ledger):
    assert Summaries(ledger).by(Facet.DAG) == Summaries(ledger).beside() == []
    assert page(ledger).runs == []
    assert page(ledger).after is None


def beside_of(entry, grams, signal="marginal", *, known=True):
    return Beside(
        intensity_signal=signal,
        intensity_factor_type="lifecycle",
        pue=1.3,
        emissions_g=grams,
        emissions_low_g=grams / 2,
        emissions_high_g=grams * 2,
        intensity_mean_g_per_kwh=1.0,
        intensity_source="other",
        intensity_quality="actual",
        baseline_g=2 * grams if known else None,
        delta_g=-grams if known else None,
        delta_percent=-50.0 if known else None,
        baseline_method="none",
        computed_at=entry.computed_at,
    )


def test_what_stands_beside_is_summed_apart_and_by_its_newest_version(ledger, an_entry):
    signals, entries = Signals(ledger), []
    for number in range(3):
        entry = an_entry(key=replace(an_entry().key, run_id=f"run {number}"), energy_j=3.6e6)
        ledger.write(entry)
        signals.write(entry.key, beside_of(entry, 1.0))
        signals.write(entry.key, beside_of(entry, 10.0, known=number > 0))
        entries.append(entry)
    signals.write(entries[0].key, beside_of(entries[0], 100.0, signal="average"))

    found = {one.kind: one for one in Summaries(ledger).beside(Facet.DAG, Facet.PUE)}

    assert found.keys() == {"average lifecycle", "marginal lifecycle"}
    sums = found["marginal lifecycle"].sums
    assert (sums.runs, sums.emissions_g, sums.low_g, sums.energy_kwh) == (3, 30.0, 15.0, 3.0)
    assert (sums.compared_runs, sums.delta_g, sums.baseline_g) == (2, -20.0, 40.0)
    assert found["marginal lifecycle"].of == {Facet.DAG: "train", Facet.PUE: 1.3}
    assert Summaries(ledger).by()[0].sums.emissions_g == pytest.approx(0.03)


def test_pages_hold_every_run_once_in_order(filled):
    everything = page(filled, limit=COUNT).runs
    seen, after = [], None
    while True:
        found = page(filled, limit=37, after=after)
        seen += found.runs
        if found.after is None:
            break
        after = Cursor.read(found.after.written())

    assert seen == everything
    assert {run.key for run in seen} == {
        RunKey(**{name: row[name] for name in RunKey.__slots__}) for row in exported(filled)
    }
    assert [run.started_at for run in seen] == sorted((r.started_at for r in seen), reverse=True)


def test_runs_that_began_at_once_are_divided_between_pages(ledger, an_entry):
    fill(ledger, [an_entry(key=replace(an_entry().key, run_id=f"r{n}")) for n in range(5)])
    first = page(ledger, limit=2)
    second = page(ledger, limit=3, after=first.after)

    assert [run.key.run_id for run in first.runs + second.runs] == ["r4", "r3", "r2", "r1", "r0"]
    assert second.after is None


def test_a_run_that_comes_meanwhile_moves_no_page(ledger, an_entry):
    entries = list(entries_of(an_entry))[:6]
    fill(ledger, entries)
    first = page(ledger, limit=2)
    newest = first.runs[0]
    ledger.write(
        replace(
            newest,
            key=replace(newest.key, run_id="new"),
            started_at=newest.started_at + timedelta(hours=1),
            ended_at=newest.ended_at + timedelta(hours=1),
        )
    )

    second = page(ledger, limit=10, after=first.after)

    assert not {run.key for run in second.runs} & {run.key for run in first.runs}
    assert "new" not in {run.key.run_id for run in second.runs}


@pytest.mark.parametrize(
    "text", ["", "%%%", "AAAA", "bnVsbA==", "WyIyMDI2LTEwLTAxIiwxLDIsMywiYSIsMV0=", "ü"]
)
def test_a_cursor_that_was_tampered_with_says_what_to_do(text):
    with pytest.raises(InvalidOptionError, match="first page"):
        Cursor.read(text)


def test_a_ledger_that_is_gone_is_our_error(ledger):
    ledger.close()
    with ledger.engine.begin() as connection:
        carbon_run.drop(connection) if ledger.engine.dialect.name == "sqlite" else (
            connection.exec_driver_sql("DROP TABLE carbon_run CASCADE")
        )

    with pytest.raises(LedgerError):
        Summaries(ledger).by()


def plans(ledger, read):
    """What SQLite does for each statement of a reading."""
    asked = []

    def note(*about):
        asked.append(about[2:4])

    event.listen(ledger.engine, "before_cursor_execute", note)
    read()
    event.remove(ledger.engine, "before_cursor_execute", note)
    with ledger.engine.connect() as connection:
        return [
            row[3]
            for statement, parameters in asked
            if statement.startswith("SELECT")
            for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
        ]


def test_sqlite_reads_sums_and_pages_from_an_index(tmp_path, an_entry):
    with Ledger.open(f"sqlite:///{tmp_path}/carbon.db") as ledger:
        fill(ledger, entries_of(an_entry))
        summaries, first = Summaries(ledger), page(ledger, limit=5)
        dags = Among(dag_ids=["dag 0", "dag 1"])
        month = Among(span=span_of(OCTOBER))
        by = (Facet.DAG, Facet.TASK, Facet.MODEL, Facet.MONTH)

        whole = plans(ledger, lambda: summaries.by(*by))
        some = plans(ledger, lambda: summaries.by(*by, among=dags))
        one = plans(ledger, lambda: summaries.by(*by, among=month))
        paged = plans(ledger, lambda: page(ledger, limit=5, after=first.after))

    assert "SCAN carbon_run USING COVERING INDEX ix_carbon_run_summed" in whole
    assert "SEARCH carbon_run USING COVERING INDEX ix_carbon_run_summed (dag_id=?)" in some
    assert any("USING INDEX ix_carbon_run_started_at (started_at>? AND" in step for step in one)
    assert any("USING INDEX ix_carbon_run_started_at" in step for step in paged)
    assert not any("TEMP B-TREE" in step for step in paged)
    for steps in (whole, some, one, paged):
        assert any("later USING COVERING INDEX ix_carbon_run_retried" in step for step in steps)
