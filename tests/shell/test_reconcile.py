"""``ReconcileOperator``: runs booked days ago, sources whose figures change, a real ledger."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from strategies import grams, profiles, series_of

from airflow_carbon import EmissionsOperator, ReconcileOperator, clock
from airflow_carbon.cli.main import main
from airflow_carbon.core.errors import InvalidDurationError, InvalidOptionError, InvalidSeriesError
from airflow_carbon.core.intensity import Quality, Signal, Survey
from airflow_carbon.core.parts import Part, account_parts
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.entry import Entry, RunKey
from airflow_carbon.ledger.versions import Versions
from airflow_carbon.operators.booking import account_values, interval_rows
from airflow_carbon.operators.revising import Outcome, revise, revise_all

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


@pytest.fixture
def grid(monkeypatch, tmp_path):
    """Sets what the grid of the last days says, for every zone; None: nothing but typical days."""
    file = tmp_path / "grid.csv"
    first = clock.now().replace(minute=0, second=0, microsecond=0) - 40 * DAY

    def publish(g_per_kwh, **columns):
        extra = {"sources": "typical"}
        if g_per_kwh is not None or columns:
            index = pd.date_range(first, periods=24 * 42, freq="h", name="at")
            said = columns or {"everywhere": g_per_kwh}
            pd.DataFrame(
                {zone: np.full(len(index), float(v)) for zone, v in said.items()}
            ).set_axis(index).to_csv(file)
            extra = {"sources": "replay", "replay_file": str(file)}
            extra["replay_starts_at"] = first.isoformat()
        value = json.dumps({"conn_type": "carbon", "extra": extra})
        monkeypatch.setenv("AIRFLOW_CONN_CARBON_DEFAULT", value)

    return publish


def log_of(tmp_path, ago, run_id="r", regions=(None,)):
    """A log of the agent: an hour at 1 kW in each region, the last of which ended some time ago."""
    file, end = tmp_path / f"{run_id}.jsonl", (clock.now() - ago).timestamp()
    lines = []
    for number, region in enumerate(regions):
        seg, t1 = f"seg{number}", end - 3600 * (len(regions) - 1 - number)
        run = {"dag_id": "nightly", "task_id": "train", "run_id": run_id, "try_number": 1}
        head = {"type": "segment", "v": 1, "seg": seg, "run": run, "agent": "0"}
        lines.append(head | ({"region": region} if region else {}))
        lines += [
            {
                "type": "interval",
                "seg": seg,
                "t0": t1 - 3600 + 600 * i,
                "t1": t1 - 3000 + 600 * i,
                "j": {"GPU-1": 600_000.0},
                "q": {"GPU-1": "counter"},
            }
            for i in range(6)
        ]
    lines.append({"type": "end", "seg": lines[-1]["seg"], "rc": 0, "t": end})
    file.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return file


def book(file, ago, **arguments):
    operator = EmissionsOperator(
        task_id="account", measurement=str(file), **{"region": "germanywestcentral"} | arguments
    )
    operator.submitted = (clock.now() - ago - 10 * HOUR).isoformat()
    ti = type("TI", (), {"map_index": -1})()
    return operator.execute({"ti": ti})


def reconcile(**arguments):
    return ReconcileOperator(task_id="reconcile", **arguments).execute({})


def key_of(run_id="r"):
    return RunKey(dag_id="nightly", task_id="train", run_id=run_id)


def test_a_run_that_was_priced_by_a_typical_day_is_priced_by_what_was(ledger, grid, tmp_path):
    grid(None)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    grid(100)
    found = reconcile()

    first, second = Versions(ledger).of(key_of())
    assert (found["revised"], found["settled"]) == (1, 1)
    assert (first.entry.intensity_quality, second.entry.intensity_quality) == (
        "climatology",
        "actual",
    )
    assert second.entry.emissions_g == pytest.approx(1.0 * second.entry.pue * 100)
    assert found["change_g"] == pytest.approx(second.entry.emissions_g - first.entry.emissions_g)
    assert second.entry.settled_at is not None
    assert second.entry.booked_at == first.entry.booked_at
    rows = ledger.intervals(key_of())
    assert sum(row.emissions_g for row in rows) == pytest.approx(second.entry.emissions_g)
    assert [row.intensity_g_per_kwh for row in rows] == pytest.approx([100] * 6)


def test_an_actual_that_was_revised_is_a_new_version_with_a_new_baseline(ledger, grid, tmp_path):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY, default_region="polandcentral")
    grid(110)
    reconcile()

    first, second = (one.entry for one in Versions(ledger).of(key_of()))
    assert second.emissions_g == pytest.approx(1.1 * first.emissions_g)
    assert second.baseline_g == pytest.approx(1.1 * first.baseline_g)
    assert second.delta_g == pytest.approx(1.1 * first.delta_g)
    assert second.energy_j == first.energy_j


def test_the_software_carbon_intensity_follows_and_what_was_built_stays(ledger, grid, tmp_path):
    grid(100)
    card = {"kg": 1460, "lifespan": "1460d", "share": 0.24, "source": "by hand"}  # 10 g an hour
    work = {"functional_units": 4, "functional_unit": "epoch", "embodied": card}
    booked = book(log_of(tmp_path, 3 * DAY), 3 * DAY, **work)
    grid(200)
    reconcile()

    first, second = (one.entry for one in Versions(ledger).of(key_of()))
    assert (first.embodied_g, first.embodied_source) == (pytest.approx(10), "by hand")
    assert second.embodied_g == first.embodied_g == booked["embodied_g"]
    assert first.sci_g == pytest.approx((first.emissions_g + 10) / 4) == booked["sci_g"]
    assert second.sci_g == pytest.approx((2 * first.emissions_g + 10) / 4)


def test_done_again_nothing_happens(ledger, grid, tmp_path):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    grid(110)
    reconcile()
    before = Versions(ledger).of(key_of())
    grid(120)

    assert reconcile()["revised"] == 0
    assert Versions(ledger).of(key_of()) == before


def test_figures_that_are_the_same_are_final_without_a_new_version(ledger, grid, tmp_path):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    found = reconcile()

    (only,) = Versions(ledger).of(key_of())
    assert (found["confirmed"], found["settled"], found["change_g"]) == (1, 1, 0)
    assert only.entry.settled_at is not None


@pytest.mark.parametrize(
    ("ago", "taken"), [(47 * HOUR, 0), (49 * HOUR, 1), (29 * DAY, 1), (31 * DAY, 0)]
)
def test_only_runs_of_two_days_to_a_month_ago_are_taken(ledger, grid, tmp_path, ago, taken):
    grid(100)
    book(log_of(tmp_path, ago), ago)
    grid(110)

    assert reconcile()["revised"] == taken


def test_what_is_still_estimated_is_asked_for_again_the_next_time(ledger, grid, tmp_path):
    grid(None)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    assert (reconcile()["confirmed"], reconcile()["settled"]) == (1, 0)
    assert len(Versions(ledger).of(key_of())) == 1
    grid(100)

    assert reconcile()["settled"] == 1


def test_an_outage_does_not_turn_what_was_actual_into_what_is_typical(ledger, grid, tmp_path):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    grid(None)
    found = reconcile()

    (why,) = found["kept_because"]
    assert (found["kept"], found["settled"]) == (1, 0)
    assert "nothing better than climatology" in why
    assert len(Versions(ledger).of(key_of())) == 1


def test_a_run_in_two_regions_is_revised_where_each_part_ran(ledger, grid, tmp_path):
    regions = ("swedencentral", "polandcentral")
    grid(None, **{"SE-SE3": 20, "PL": 600})
    book(log_of(tmp_path, 3 * DAY, regions=regions), 3 * DAY, default_region="polandcentral")
    grid(None, **{"SE-SE3": 40, "PL": 700})
    reconcile()

    (_, entry) = (one.entry for one in Versions(ledger).of(key_of()))
    rows = ledger.intervals(key_of())
    pue = {row.zone: row.pue for row in rows}
    assert set(pue) == {"SE-SE3", "PL"}
    assert entry.emissions_g == pytest.approx(40 * pue["SE-SE3"] + 700 * pue["PL"])
    assert entry.baseline_g == pytest.approx(2 * 700 * pue["PL"])


def test_one_that_fails_stops_no_other_and_is_taken_again(ledger, grid, tmp_path):
    grid(100)
    for number in range(3):
        book(log_of(tmp_path, (3 + number) * DAY, f"r{number}"), (3 + number) * DAY)
    grid(110)
    said, now = [], clock.now()

    def ask(zone, begin, end):
        if begin < now - 3.5 * DAY and end > now - 4.5 * DAY:
            raise InvalidSeriesError(zone, "it is broken")
        return survey_of(110, begin, end, "replay:grid.csv")

    runs = Versions(ledger).unsettled(now - 30 * DAY, now - 2 * DAY)
    report = revise_all(ledger, runs, ask, now=now, say=said.append)

    assert (report.counts["revised"], report.counts["failed"], len(said)) == (2, 1, 3)
    assert "it is broken" in report.as_dict()["failures"][0]
    left = Versions(ledger).unsettled(now - 30 * DAY, now - 2 * DAY)
    assert [one.entry.key.run_id for one in left] == ["r1"]
    assert reconcile()["revised"] == 1


def test_where_all_fail_the_task_fails(ledger, grid, tmp_path, monkeypatch):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)

    def ask(zone, begin, end):
        raise InvalidSeriesError(zone, "it is broken")

    runs = Versions(ledger).unsettled(clock.now() - 30 * DAY, clock.now())
    with pytest.raises(InvalidSeriesError, match="it is broken"):
        revise_all(ledger, runs, ask, now=clock.now(), say=print)


def test_with_nothing_to_do_nothing_is_done(ledger, grid):
    grid(100)
    found = reconcile()

    assert json.loads(json.dumps(found)) == found
    assert found["revised"] == found["failed"] == found["settled"] == 0


def test_by_hand_it_is_the_same(ledger, grid, tmp_path, capsys):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    grid(110)

    assert main(["ledger", "reconcile"]) == 0
    out = capsys.readouterr().out
    assert "nightly/train r, try 1: revised by +11.8 g (version 2); final" in out
    assert "1 revised, 0 confirmed, 0 kept, 0 failed, 1 settled; +11.8 g in all" in out
    assert main(["ledger", "reconcile", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["revised"] == 0
    assert main(["ledger", "reconcile", "--within", "1h"]) == 2
    assert "over after=48h" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("change", "because"),
    [
        ({"signal": Signal.MARGINAL}, "gives marginal lifecycle, and average lifecycle is booked"),
        ({"name": "another"}, "another knows no better than replay:grid.csv"),
    ],
)
def test_no_figure_turns_into_one_of_another_method(ledger, grid, tmp_path, change, because):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)

    def ask(_, begin, end):
        return survey_of(200, begin, end, **{"name": "replay:grid.csv"} | change)

    (run,) = Versions(ledger).unsettled(clock.now() - 30 * DAY, clock.now())
    found = revise(ledger, run, ask, now=clock.now())

    assert found.outcome is Outcome.KEPT
    assert because in found.why
    assert len(Versions(ledger).of(key_of())) == 1


def test_a_run_that_is_booked_anew_meanwhile_is_left_to_the_next_time(ledger, grid, tmp_path):
    grid(100)
    file = log_of(tmp_path, 3 * DAY)
    book(file, 3 * DAY)
    (run,) = Versions(ledger).unsettled(clock.now() - 30 * DAY, clock.now())

    def ask(_, begin, end):
        if len(Versions(ledger).of(key_of())) == 1:
            book(file, 3 * DAY)
        return survey_of(200, begin, end, "replay:grid.csv")

    found = revise(ledger, run, ask, now=clock.now())

    assert (found.outcome, found.why) == (Outcome.KEPT, "it was booked anew meanwhile")
    assert [one.entry.intensity_mean_g_per_kwh for one in Versions(ledger).of(key_of())] == [
        pytest.approx(100)
    ] * 2


def test_a_run_of_before_zones_were_kept_is_left_as_it_is(ledger, grid, tmp_path):
    grid(100)
    book(log_of(tmp_path, 3 * DAY), 3 * DAY)
    rows = [replace(row, zone=None, pue=None) for row in ledger.intervals(key_of())]
    ledger.write(replace(ledger.recent()[0]), rows)
    grid(110)

    assert list(reconcile()["kept_because"]) == [
        "it was booked before the ledger kept where each interval was drawn"
    ]


@pytest.mark.parametrize(
    ("after", "within", "error"),
    [
        ("48h", "2d", InvalidOptionError),
        ("soon", "30d", InvalidDurationError),
        (0, 1, InvalidDurationError),
    ],
)
def test_a_span_that_can_not_be_breaks_the_parse(after, within, error):
    with pytest.raises(error):
        ReconcileOperator(task_id="reconcile", after=after, within=within)


def survey_of(value, begin, end, name, signal=Signal.AVERAGE):
    hours = int((end - begin) / HOUR) + 3
    series = series_of([value] * hours, begins=begin.replace(minute=0, second=0, microsecond=0))
    return Survey(series=replace(series, signal=signal), source=name, quality=Quality.ACTUAL)


HOURS = st.lists(grams, min_size=6, max_size=6)


@given(data=st.data(), was=HOURS, then=HOURS)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_revision_is_what_would_have_been_booked_had_it_been_known(ledger, data, was, then):
    """The oracle accounts from the measurement; a revision only has the ledger's rows."""
    drawn = data.draw(profiles(series_of(was)))
    profile = replace(drawn, devices=tuple(f"gpu{i}" for i in range(len(drawn))))
    old, new = (account_of(profile, values) for values in (was, then))
    entry, rows = booked(profile, old)
    number = ledger.write(entry, rows)
    (run,) = [
        one
        for one in Versions(ledger).unsettled(entry.ended_at, entry.ended_at)
        if one.number == number
    ]

    found = revise(ledger, run, lambda *_: actual(then), now=entry.ended_at + 2 * DAY)

    held = ledger.read(entry.key)
    expected = account_values(new)
    assert {
        name: value for name, value in expected.items() if isinstance(value, float)
    } == pytest.approx(
        {name: getattr(held, name) for name in expected if isinstance(expected[name], float)},
        rel=1e-5,
        abs=1e-9,
    )
    assert found.change_g == pytest.approx(held.emissions_g - entry.emissions_g)
    assert Versions(ledger).of(entry.key)[number - 1].entry.emissions_g == entry.emissions_g
    again = Versions(ledger).unsettled(entry.ended_at, entry.ended_at)
    assert again == []


def actual(values):
    return Survey(series=series_of(values), source="grid", quality=Quality.ACTUAL)


def account_of(profile, values):
    part = Part(profile=profile, actual=actual(values), pue=1.2)
    submitted = series_of(values).begins
    whole, _ = account_parts(
        profile, [part], baseline=actual(values), baseline_pue=1.3, submitted=submitted
    )
    return whole


def booked(profile, whole):
    begin, end = profile.span
    series = whole.actual.series
    entry = Entry(
        key=key_of("drawn"),
        submitted_at=series.begins,
        started_at=begin,
        ended_at=end,
        zone="DE",
        device_names="gpu",
        energy_j=profile.total,
        energy_method="counter",
        coverage=profile.coverage,
        pue_source="published",
        baseline_zone="DE",
        baseline_pue=1.3,
        computed_at=end,
        package_version="0",
        **account_values(whole),
    )
    return entry, interval_rows(profile, whole, "DE")
