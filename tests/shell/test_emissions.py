"""``EmissionsOperator``: a real log of the agent, a real ledger, a context as Airflow gives it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import Asset, AssetAlias
from airflow.sdk.execution_time.context import OutletEventAccessors
from measured import WATTS, segment_of
from packed import renamed
from strategies import series_of

from airflow_carbon import EmissionsOperator, clock
from airflow_carbon.core.energy import EnergyProfile, EnergyQuality
from airflow_carbon.core.errors import (
    InvalidOptionError,
    LedgerError,
    MeasurementError,
    ServiceUnavailableError,
    UnknownConnectionError,
)
from airflow_carbon.core.intensity import Quality, Signal, Survey
from airflow_carbon.core.parts import Part, account_parts
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.ledger.signals import Signals
from airflow_carbon.meters.joining import join
from airflow_carbon.operators.beside import book_beside

RUN = {
    "AIRFLOW_CTX_DAG_ID": "nightly",
    "AIRFLOW_CTX_TASK_ID": "train",
    "AIRFLOW_CTX_DAG_RUN_ID": "manual__1",
    "AIRFLOW_CTX_TRY_NUMBER": "2",
}


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """What the agent wrote of a busy second."""
    file = tmp_path_factory.mktemp("measure") / "energy.jsonl"
    busy = "import time; t = time.time()\nwhile time.time() < t + 1: pass"
    subprocess.run(
        [
            *(sys.executable, "-m", "airflow_carbon.measure", "--out", str(file)),
            *("--interval", "0.2", "--", sys.executable, "-c", busy),
        ],
        env={"PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": "", **RUN},
        check=True,
    )
    return file


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    """A ledger in a file, by an Airflow connection."""
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


@pytest.fixture
def grid(monkeypatch):
    """A connection whose default region is in Poland."""
    extra = {"sources": "replay", "default_region": "polandcentral"}
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_DEFAULT", value)


def account(log, events=None, **arguments):
    measurement = log if isinstance(log, list) else str(log)
    operator = EmissionsOperator(task_id="account", measurement=measurement, **arguments)
    operator.submitted = (clock.now() - timedelta(hours=3)).isoformat()
    ti = SimpleNamespace(dag_id="d", task_id="account", run_id="r", map_index=-1, try_number=1)
    return operator.execute({"ti": ti, "outlet_events": events})


def test_the_row_is_of_the_task_that_was_measured(log, ledger):
    account(log, region="francecentral")

    (entry,) = ledger.recent()
    key = entry.key
    assert (key.dag_id, key.task_id, key.run_id) == ("nightly", "train", "manual__1")
    assert (key.map_index, key.try_number) == (-1, 2)


def test_the_xcom_is_what_the_ledger_says(log, ledger):
    values = account(log, region="francecentral")

    (entry,) = ledger.recent()
    assert json.loads(json.dumps(values)) == values
    assert values["energy_kwh"] == pytest.approx(entry.energy_j / 3.6e6)
    assert values["energy_method"] == entry.energy_method == "model"
    assert values["emissions_g"] == pytest.approx(
        values["energy_kwh"] * entry.pue * values["mean_g_per_kwh"]
    )
    assert entry.energy_gpu_j is None
    assert entry.energy_cpu_j == pytest.approx(entry.energy_j)
    assert values["intensity_quality"] == "climatology"


@pytest.mark.parametrize(
    ("size", "kept"),
    [("Standard_NC24ads_A100_v4", "Standard_NC24ads_A100_v4"), ("None", None), (None, None)],
)
def test_the_size_of_the_machine_is_kept_where_it_is_known(log, ledger, size, kept):
    account(log, region="francecentral", size=size)

    assert ledger.recent()[0].machine_size == kept


def test_the_logs_of_several_ranks_are_one_row(ledger, tmp_path):
    """A GPU that two agents saw counts once, each rank's processor by itself."""
    begin, logs = (clock.now() - timedelta(minutes=10)).timestamp(), []
    for rank, seg in enumerate(("aaaaaaaa", "bbbbbbbb")):
        logs.append(tmp_path / f"rank{rank}.jsonl")
        written = segment_of(seg, begin, 20, attempt=1)
        logs[-1].write_bytes(written.replace(b"GPU-1", b"GPU-%d" % (3 * rank + 1)))

    values = account([str(log) for log in logs], region="francecentral")

    (entry,) = ledger.recent()
    both = WATTS["GPU-2"] + 2 * sum(WATTS[name] for name in ("GPU-1", "cpu", "memory"))
    assert entry.energy_j == pytest.approx(20 * both)
    assert set(entry.device_names.split(", ")) == {
        *("GPU-1", "GPU-2", "GPU-4", "cpu", "memory", "cpu@bbbbbbbb", "memory@bbbbbbbb")
    }
    assert values["energy_kwh"] == pytest.approx(entry.energy_j / 3.6e6)


def test_runs_that_had_one_gpu_at_once_are_named(ledger, tmp_path, caplog):
    begin = (clock.now() - timedelta(minutes=10)).timestamp()

    def book(run_id, since, gpu=b"GPU-1"):
        log = tmp_path / f"{run_id}.jsonl"
        written = segment_of("aaaaaaaa", begin + since, 20, attempt=1)
        written = written.replace(b"manual__1", run_id.encode()).replace(b"GPU-1", gpu)
        log.write_bytes(written.replace(b"GPU-2", gpu + b"0"))
        return account(log, region="francecentral")["shared_with"]

    assert book("first", 0) == []
    assert book("elsewhere", 0, b"GPU-7") == []
    assert book("afterwards", 20) == []
    assert caplog.text.count("a GPU was also") == 0
    assert book("second", 10) == ["nightly/train first", "nightly/train afterwards"]
    assert book("second", 10) == ["nightly/train first", "nightly/train afterwards"]


def test_no_log_at_all_is_refused(ledger):
    with pytest.raises(InvalidOptionError, match="name the log"):
        account([], region="francecentral")


def test_accounting_again_replaces_the_row(log, ledger):
    account(log, region="francecentral")
    account(log, region="polandcentral")

    (entry,) = ledger.recent()
    assert entry.region == "polandcentral"


def test_the_baseline_is_the_connections_default_region(log, ledger, grid):
    values = account(log, region="francecentral")

    assert values["baseline_region"] == "polandcentral"
    assert values["delta_g"] < 0
    assert values["delta_percent"] < -50
    assert ledger.recent()[0].baseline_pue == 1.12


def test_the_dags_own_default_region_goes_first(log, ledger, grid):
    assert account(log, region="francecentral", default_region="westeurope")["baseline_g"] > 0
    assert ledger.recent()[0].baseline_region == "westeurope"


def test_without_a_default_region_the_baseline_is_the_same_place_at_once(log, ledger):
    assert account(log, region="francecentral")["baseline_region"] == "francecentral"


def test_a_plan_brings_place_submission_and_promise(log, ledger):
    submitted = clock.now() - timedelta(hours=5)
    plan = {
        "zone": "FR",
        "region": "francecentral",
        "start": clock.now().isoformat(),
        "submitted_at": submitted.isoformat(),
        "mean_g_per_kwh": 50.0,
        "at_once_g_per_kwh": 60.0,
        "source": "typical",
        "issued_at": submitted.isoformat(),
        "quality": "climatology",
        "reason": "clean",
    }
    account(log, plan=plan)

    (entry,) = ledger.recent()
    assert entry.submitted_at == submitted
    assert (entry.planned_g_per_kwh, entry.at_once_g_per_kwh) == (50.0, 60.0)
    assert (entry.plan_source, entry.plan_reason) == ("typical", "clean")


def test_a_plan_that_came_as_json_text_is_read(log, ledger):
    account(log, plan=json.dumps({"zone": "FR", "region": "francecentral", "reason": "clean"}))

    assert ledger.recent()[0].plan_reason == "clean"


def test_a_zone_without_a_region_has_the_default_overhead(log, ledger):
    account(log, zone="FR")

    (entry,) = ledger.recent()
    assert (entry.region, entry.pue) == (None, 1.18)
    assert entry.pue_source == "default 2022: mean of Microsoft's data centres worldwide"


def test_a_pue_is_kept_with_its_year_and_who_published_it(log, ledger):
    account(log, region="swedencentral")

    (entry,) = ledger.recent()
    assert (entry.pue, entry.pue_source) == (
        1.16,
        "published 2023: measured, Microsoft through GSF",
    )


def test_the_work_and_its_model_are_booked(log, ledger):
    account(
        log,
        region="francecentral",
        model="churn",
        functional_units="2.5",
        functional_unit="thousand samples",
    )

    (entry,) = ledger.recent()
    assert (entry.model, entry.functional_units, entry.functional_unit) == ("churn", 2500, "sample")


def test_without_work_there_is_none_in_the_ledger(log, ledger):
    account(log, region="francecentral", model="None", functional_units="", functional_unit="None")

    (entry,) = ledger.recent()
    assert (entry.model, entry.functional_units, entry.functional_unit) == (None, None, None)


@pytest.mark.parametrize(
    "work",
    [
        {"functional_units": 5},
        {"functional_unit": "epoch"},
        {"functional_units": 0, "functional_unit": "epoch"},
        {"functional_units": "many", "functional_unit": "epoch"},
        {"functional_units": 5, "functional_unit": "7"},
    ],
)
def test_work_without_its_number_or_its_unit_breaks_the_parse(work):
    with pytest.raises(InvalidOptionError, match="functional_unit"):
        EmissionsOperator(task_id="account", measurement="log", region="francecentral", **work)


def test_the_event_of_a_trained_model_carries_its_footprint(log, ledger):
    churn, other = Asset("churn_model"), Asset("other")
    events = OutletEventAccessors()
    events[churn].extra["version"] = 7
    values = account(
        log, events, region="francecentral", model="churn", outlets=[churn, AssetAlias("any")]
    )

    extra = events[churn].extra
    carbon = extra["carbon"]
    assert json.loads(json.dumps(extra)) == extra
    assert extra["version"] == 7
    for name in ("energy_kwh", "emissions_g", "emissions_low_g", "emissions_high_g", "region"):
        assert carbon[name] == values[name]
    assert (carbon["model"], carbon["energy_method"]) == ("churn", "model")
    assert carbon["run"] == {
        "dag_id": "nightly",
        "task_id": "train",
        "run_id": "manual__1",
        "map_index": -1,
        "try_number": 2,
    }
    assert events[other].extra == {}


def marginal(begins, value=700.0):
    """A run of an hour by a marginal signal, and its baseline."""
    hour = (begins.timestamp(), begins.timestamp() + 3600, 3.6e6, "gpu", EnergyQuality.COUNTER)
    profile = EnergyProfile.from_rows([hour])
    series = replace(series_of([value] * 4, begins=begins), signal=Signal.MARGINAL)
    found = Survey(series=series, source="watttime", quality=Quality.ACTUAL)
    part = Part(profile=profile, actual=found, pue=1.1)
    return account_parts(
        profile, [part], baseline=found, baseline_pue=1.2, submitted=begins + timedelta(hours=2)
    )


def test_the_marginal_stands_beside_the_average_and_apart(log, ledger):
    values = account(log, region="francecentral")
    (entry,) = ledger.recent()
    average, _ = marginal(entry.started_at)
    series = replace(average.actual.series, signal=Signal.AVERAGE)
    average = replace(average, actual=replace(average.actual, series=series))
    said = []

    (beside,) = book_beside(
        ledger,
        entry.key,
        average,
        conn_ids=["carbon_marginal", "another"],
        price=lambda _: marginal(entry.started_at),
        warn=said.append,
    )

    assert (beside["signal"], beside["emissions_g"]) == ("marginal", pytest.approx(770))
    assert beside["delta_g"] == pytest.approx(-70)
    (kept,) = Signals(ledger).of(entry.key)
    assert kept.emissions_g == beside["emissions_g"]
    assert kept.baseline_g == pytest.approx(840)
    assert ledger.recent() == [entry]
    assert "another" in said[0]
    assert "there already" in said[0]
    assert values["beside"] == []


def test_a_connection_that_has_no_other_signal_adds_nothing(log, ledger, grid):
    values = account(log, region="francecentral", also="carbon_default")

    assert values["beside"] == []
    assert Signals(ledger).of(ledger.recent()[0].key) == []


def test_a_connection_beside_that_is_not_there_is_said_and_the_run_is_booked(log, ledger):
    with pytest.raises(UnknownConnectionError):
        account(log, region="francecentral", also=["absent"])
    assert len(ledger.recent()) == 1


@pytest.mark.parametrize("plan", ["nonsense", 5, {"start": "2026"}])
def test_what_is_no_plan_is_refused_with_the_remedy(log, ledger, plan):
    with pytest.raises(InvalidOptionError, match=r"plan=wait\.output"):
        account(log, plan=plan)


def test_a_zone_that_nobody_knows_can_not_be_priced_and_nothing_is_written(log, ledger):
    with pytest.raises(ServiceUnavailableError, match="nothing on ATLANTIS"):
        account(log, zone="ATLANTIS")
    assert ledger.recent() == []


def test_a_measurement_that_is_not_there_says_who_must_see_it(tmp_path, ledger):
    with pytest.raises(MeasurementError, match="storage"):
        account(tmp_path / "absent.jsonl", region="francecentral")


def test_an_unknown_ledger_says_how_to_create_it():
    with pytest.raises(UnknownConnectionError, match="connections add other --conn-type postgres"):
        LedgerHook("other").ledger()


def test_a_ledger_of_another_kind_says_which_can_be(monkeypatch):
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", "mysql://a:b@c/d")
    with pytest.raises(InvalidOptionError, match="PostgreSQL or SQLite"):
        LedgerHook().ledger()


def test_a_ledger_that_is_down_never_shows_its_password(monkeypatch):
    monkeypatch.setenv(
        "AIRFLOW_CONN_CARBON_LEDGER", "postgres://ada:canary@127.0.0.1:1/x?connect_timeout=2"
    )
    with pytest.raises(LedgerError) as caught:
        LedgerHook().ledger()
    assert "canary" not in f"{caught.value!r} {caught.value}"


def test_without_a_connection_the_ledger_is_a_file_in_airflows_home(tmp_path):
    code = "from airflow_carbon.hooks.ledger import LedgerHook; LedgerHook().ledger().close()"
    home = tmp_path / "home"
    subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={"PATH": "/usr/bin:/bin", "AIRFLOW_HOME": str(home)},
        check=True,
    )

    assert (home / "carbon.db").exists()


def test_a_run_in_two_regions_is_one_row_priced_where_each_part_ran(log, ledger, tmp_path):
    home, other = tmp_path / "home.jsonl", tmp_path / "other.jsonl"
    seg = json.loads(log.read_text().splitlines()[0])["seg"]
    other.write_text(_later(renamed(log.read_text(), seg, "a0a0a0a0"), 60))
    join(home, log, "swedencentral")
    join(home, other, "polandcentral")

    values = account(home, region="francecentral")

    (entry,) = ledger.recent()
    here, there = values["parts"]
    assert (here["region"], there["region"]) == ("swedencentral", "polandcentral")
    assert here["energy_kwh"] == pytest.approx(there["energy_kwh"])
    assert there["mean_g_per_kwh"] > 5 * here["mean_g_per_kwh"]
    assert entry.emissions_g == pytest.approx(here["emissions_g"] + there["emissions_g"])
    assert entry.pue == pytest.approx((here["pue"] + there["pue"]) / 2)
    alone = account(other, region="polandcentral")
    assert there["emissions_g"] == pytest.approx(alone["emissions_g"])


def _later(text, seconds):
    """Move a log in time."""
    records = [json.loads(line) for line in text.splitlines()]
    for record in (one for one in records if isinstance(one, dict)):  # short ones have no times
        record |= {key: record[key] + seconds for key in ("t", "t0", "t1") if key in record}
    return "".join(f"{json.dumps(record)}\n" for record in records)
