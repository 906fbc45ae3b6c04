"""A wait on a real Airflow, by the forecast of a service that goes away meanwhile."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta

import pytest
from servers.web import Say, serving

from airflow_carbon import clock

pytestmark = pytest.mark.trial

MINUTE = timedelta(minutes=1)
CANARY = "canary-5e0d71"


@pytest.fixture
def grid():
    """Serve WattTime: one-minute steps, the first that is 40 s away or more is clean."""
    clean = (clock.now() + timedelta(seconds=100)).replace(second=0, microsecond=0)
    begins = clean - 2 * MINUTE
    meta = {
        "data_point_period_seconds": 60,
        "region": "CAISO_NORTH",
        "signal_type": "co2_moer",
        "units": "lbs_co2_per_mwh",
        "generated_at": (begins - 6 * MINUTE).isoformat(),
    }
    points = [
        {
            "point_time": (begins + i * MINUTE).isoformat(),
            "value": 100.0 if begins + i * MINUTE == clean else 900.0,
        }
        for i in range(30)
    ]
    with serving() as web:
        web.routes = {
            "/login": {"token": f"{CANARY}-token"},
            "/v3/forecast": {"data": points, "meta": meta},
            "/v3/historical": {"data": [], "meta": meta},
        }
        yield web, clean


def test_a_triggerer_that_starts_while_the_service_is_down_knows_what_the_database_knows(
    airflow, grid
):
    web, clean = grid
    airflow.connect(
        "served",
        sources="watttime",
        watttime_username="me",
        watttime_password=CANARY,
        watttime_url=web.url,
    )
    run_id = airflow.trigger("served")
    airflow.until(
        lambda: any("waits to" in line for line in airflow.log("served", run_id, "wait")),
        40,
        "the wait does not stand",
    )

    web.mood = lambda _: Say(503, "down")
    for process in airflow.component("triggerer"):
        process.send_signal(signal.SIGKILL)
    asked = len(web.asked)
    airflow.start("triggerer")
    airflow.succeeds("served", run_id, 240)

    plan = airflow.xcom("served", run_id, "wait")
    assert len(web.asked) > asked, "the second triggerer never asked"
    assert (plan["source"], plan["quality"], plan["reason"]) == ("watttime", "stale", "clean")
    assert plan["signal"] == "marginal"
    assert clean <= datetime.fromisoformat(plan["start"]) < clean + MINUTE

    (instance,) = airflow.task_instances("served", run_id)
    logs = b"".join(file.read_bytes() for file in airflow.home.rglob("*.log"))
    assert b"503" in logs
    assert CANARY.encode() not in logs
    assert CANARY not in f"{instance} {plan}"
