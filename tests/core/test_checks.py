"""What an installation is judged by."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from strategies import T0, forecast_of

from airflow_carbon.core.checks import (
    SKEW,
    Check,
    Verdict,
    airflow_check,
    clock_check,
    failed,
    gpu_check,
    horizon_check,
    ledger_check,
    provider_check,
    triggerer_check,
    worst,
)
from airflow_carbon.core.errors import AccessRefusedError, ServiceUnavailableError
from airflow_carbon.core.intensity import Quality

VERDICTS = st.sampled_from(Verdict)


@given(st.lists(VERDICTS, min_size=1))
def test_the_whole_is_as_bad_as_its_worst_part(verdicts):
    whole = worst(Check(name="x", verdict=one, says="") for one in verdicts)

    assert whole in verdicts
    order = list(Verdict)
    assert all(order.index(one) <= order.index(whole) for one in verdicts)


def test_nothing_checked_is_nothing_wrong():
    assert worst([]) is Verdict.OK


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("3.3.0", "ok"), ("3.10.1", "ok"), ("4.0.0rc1", "ok"), ("3.2.9", "fail"), ("2.11.0", "fail")],
)
def test_airflow_has_to_be_new_enough(version, verdict):
    assert airflow_check(version, "3.11.7").verdict == verdict


@pytest.mark.parametrize(
    ("version", "plugin", "errors", "verdict", "says"),
    [
        ("0.1.0", True, [], "ok", "registered"),
        (None, True, [], "fail", "install it with pip"),
        ("0.1.0", False, [], "fail", "entry point"),
        ("0.1.0", True, ["airflow_carbon: ImportError: x"], "fail", "ImportError"),
    ],
)
def test_airflow_has_to_know_provider_and_plugin(version, plugin, errors, verdict, says):
    found = provider_check(version, plugin=plugin, errors=errors)

    assert found.verdict == verdict
    assert says in found.says


@pytest.mark.parametrize(
    ("hours", "quality", "services", "verdict"),
    [
        (48, Quality.ISSUED, True, "ok"),
        (6, Quality.ISSUED, True, "warn"),
        (48, Quality.STALE, True, "warn"),
        (48, Quality.CLIMATOLOGY, True, "warn"),
        (48, Quality.CLIMATOLOGY, False, "warn"),
        (48, Quality.ISSUED, False, "ok"),  # a replay
    ],
)
def test_a_forecast_is_judged_by_its_reach_and_by_who_issued_it(hours, quality, services, verdict):
    forecast = replace(forecast_of([100.0] * hours), quality=quality)

    found = horizon_check("c", "DE", forecast, now=T0, asks_services=services)

    assert found.verdict == verdict
    assert f"{hours} h ahead" in found.says


def test_no_forecast_at_all_is_a_failure():
    found = horizon_check("c", "DE", None, now=T0, asks_services=True)

    assert found.verdict is Verdict.FAIL


@given(st.timedeltas(min_value=timedelta(days=-2), max_value=timedelta(days=2)))
def test_a_clock_is_wrong_either_way(off):
    ahead, behind = clock_check("x", T0 + off, T0), clock_check("x", T0, T0 + off)

    assert ahead.verdict == behind.verdict
    assert (ahead.verdict is Verdict.OK) == (abs(off) <= SKEW)


@pytest.mark.parametrize(
    ("version", "verdict", "says"),
    [
        ("0007", "ok", "1 run, 1,200 archived forecasts"),
        ("0005", "warn", "ledger migrate"),
        (None, "ok", "no tables yet"),
    ],
)
def test_a_ledger_that_is_behind_is_told_how_to_catch_up(version, verdict, says):
    found = ledger_check("sqlite:////x", version, "0007", 1, 1200)

    assert found.verdict == verdict
    assert says in found.says


@pytest.mark.parametrize(
    ("methods", "complaint", "verdict"),
    [
        ({}, "", "skipped"),
        ({"A100 GPU-1": "counter", "A100 GPU-2": "counter"}, "", "ok"),
        ({"A100 GPU-1": "counter", "P100 GPU-2": "power"}, "", "warn"),
        ({"A100 1g.10gb MIG-1": "model"}, "", "warn"),
        ({"A100 GPU-1": "counter", "gpu1": "missing"}, "", "fail"),
        ({"unknown gpu": "missing"}, "there is a GPU: pip install nvidia-ml-py", "fail"),
    ],
)
def test_a_gpu_is_judged_by_how_its_energy_is_told(methods, complaint, verdict):
    found = gpu_check("550.1" if methods else None, methods, complaint)

    assert found.verdict == verdict
    assert complaint in found.says


@pytest.mark.parametrize(
    ("database", "status", "beat", "verdict", "says"),
    [
        ("healthy", "healthy", "2026-01-01T00:00:00", "ok", "alive"),
        ("healthy", "unhealthy", "2026-01-01T00:00:00", "fail", "last heard of 2026-01-01"),
        ("healthy", None, None, "fail", "never run"),
        ("unhealthy", "unhealthy", None, "fail", "airflow db check"),
    ],
)
def test_waits_need_a_triggerer_that_is_alive(database, status, beat, verdict, says):
    health = {
        "metadatabase": {"status": database},
        "triggerer": {"status": status, "latest_triggerer_heartbeat": beat},
    }

    found = triggerer_check(health)

    assert found.verdict == verdict
    assert says in found.says


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ServiceUnavailableError("em", "host: ConnectError"), "HTTPS_PROXY"),
        (AccessRefusedError("em", "401"), "em"),
        (ZeroDivisionError("1/0"), "ZeroDivisionError: 1/0"),
        (ValueError("two\nlines"), "two lines"),
    ],
)
def test_an_error_is_one_line(error, says):
    found = failed("key", error, "c")

    assert says in found.says
    assert "\n" not in found.says
    assert found.as_dict()["verdict"] == "fail"
