"""The pool's operator against a stand-in for Airflow's API, which may be away or refuse."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowException
from servers.web import Say, serving

from airflow_carbon import CarbonPoolOperator, clock
from airflow_carbon.core.errors import (
    AccessRefusedError,
    InputError,
    InvalidOptionError,
    ServiceUnavailableError,
    UnknownConnectionError,
)
from airflow_carbon.hooks.airflow_api import AirflowApiHook
from airflow_carbon.services.gate import GATES


class Airflow:
    """Airflow's API: a token for a password, and pools for a token."""

    def __init__(self, web):
        self.web, self.pools, self.changes = web, {"gpu/big": 8}, []
        web.routes |= {"/auth/token": self.login}
        web.mood = self.answer

    def login(self, ask):
        if ask.method == "POST" and ask.body != {"username": "ada", "password": "secret"}:
            return Say(401, {"detail": "Invalid credentials"})
        return Say(201, {"access_token": "t1" if ask.method == "POST" else "anybody"})

    def answer(self, ask):
        if not ask.path.startswith("/api/v2/pools/"):
            return None
        if ask.headers.get("authorization") not in {"Bearer t1", "Bearer own"}:
            return Say(403, {"detail": "Forbidden"})
        name = ask.path.removeprefix("/api/v2/pools/").replace("%2F", "/")
        if name not in self.pools:
            return Say(404, {"detail": "not found"})
        if ask.method == "PATCH":
            if set(ask.body) != {"pool", "slots", "include_deferred"}:
                return Say(422, {"detail": [{"type": "missing", "msg": "Field required"}]})
            assert ask.query == {"update_mask": "slots"}
            assert ask.body["include_deferred"] is True
            self.pools[name] = ask.body["slots"]
            self.changes.append(ask.body["slots"])
        return Say(body={"name": name, "slots": self.pools[name], "include_deferred": True})


@pytest.fixture
def airflow_api(monkeypatch):
    with serving() as web:
        port = int(web.url.rpartition(":")[2])
        connect(monkeypatch, "airflow_api", host="127.0.0.1", port=port)
        connect(monkeypatch, "with_token", host=web.url, login="", extra={"token": "own"})
        connect(monkeypatch, "wrong", host=web.url, password="guess")  # noqa: S106 - a stand-in's
        yield Airflow(web)


def connect(monkeypatch, conn_id, **fields):
    known = {"conn_type": "http", "login": "ada", "password": "secret"}
    monkeypatch.setenv(f"AIRFLOW_CONN_{conn_id.upper()}", json.dumps({**known, **fields}))


@pytest.fixture
def grid(monkeypatch, tmp_path):
    """Lay a grid of one intensity, then others."""

    def lay(*values):
        index = pd.date_range(clock.now(), periods=len(values), freq="h", name="at")
        file = tmp_path / f"{len(list(tmp_path.iterdir()))}.csv"
        pd.DataFrame({"DE": values}, index=index).to_csv(file)
        extra = {"sources": "replay", "replay_file": str(file)}
        extra["replay_starts_at"] = index[0].isoformat()
        connect(monkeypatch, "carbon_default", conn_type="carbon", extra=extra)

    return lay


def operator(**fields) -> CarbonPoolOperator:
    known = {"target_pool": "gpu/big", "zone": "DE", "min_slots": 2, "max_slots": 16}
    limits = {"clean_below": 100, "dirty_above": 300}
    return CarbonPoolOperator(task_id="width", **{**known, **limits, **fields})


def test_a_pool_is_widened_while_the_grid_is_clean_and_narrowed_while_it_is_not(airflow_api, grid):
    grid(50, 400)
    wide = operator().execute({})
    grid(400, 50)
    narrow = operator().execute({})

    assert airflow_api.changes == [16, 2]
    assert (wide["slots"], wide["previous_slots"], wide["because"]) == (16, 8, "clean")
    assert narrow == {
        "pool": "gpu/big",
        "zone": "DE",
        "slots": 2,
        "because": "dirty",
        "g_per_kwh": 400,
        "clean_below": 100,
        "dirty_above": 300,
        "previous_slots": 16,
        "changed": True,
        "source": narrow["source"],
        "quality": "issued",
    }
    assert narrow["source"].startswith("replay:")
    json.dumps(narrow)


def test_a_pool_that_has_its_width_is_left_alone(airflow_api, grid):
    grid(50, 400)

    assert [operator().execute({})["changed"] for _ in range(3)] == [True, False, False]
    assert airflow_api.changes == [16]


def test_a_dry_run_says_what_it_would_do_and_does_nothing(airflow_api, grid):
    grid(50, 400)
    said = operator(dry_run="true").execute({})

    assert (said["slots"], said["changed"]) == (16, False)
    assert airflow_api.pools == {"gpu/big": 8}
    assert airflow_api.changes == []


def test_of_a_grid_that_nobody_knows_the_safe_width_holds(airflow_api):
    said = operator(zone="ATLANTIS", safe_slots=5).execute({})

    assert (said["slots"], said["because"], said["source"]) == (5, "no_data", None)
    assert airflow_api.changes == [5]


def test_a_token_of_ones_own_is_used_as_it_is(airflow_api, grid):
    grid(50, 400)
    operator(airflow_conn_id="with_token").execute({})

    assert airflow_api.changes == [16]
    assert airflow_api.web.paths()["/auth/token"] == 0


def test_a_wrong_password_and_a_user_without_the_right_are_told_what_to_mend(
    airflow_api, grid, monkeypatch
):
    grid(50, 400)
    with pytest.raises(AccessRefusedError, match="may edit pools"):
        operator(airflow_conn_id="wrong").execute({})
    connect(monkeypatch, "airflow_api", host=airflow_api.web.url, login="")
    with pytest.raises(AccessRefusedError, match=r"403.*may edit pools"):
        operator().execute({})
    assert airflow_api.changes == []


def test_a_pool_that_is_not_there_is_said_with_the_command_that_makes_it(airflow_api, grid):
    grid(50, 400)
    with pytest.raises(InvalidOptionError, match="airflow pools set 'tpu'"):
        operator(target_pool="tpu").execute({})


def test_an_airflow_that_is_away_fails_the_task_and_a_retry_sets_the_pool(airflow_api, grid):
    grid(50, 400)
    answer, airflow_api.web.mood = airflow_api.web.mood, lambda _: Say(503)
    with pytest.raises(ServiceUnavailableError):
        operator().execute({})
    GATES.gates.clear()
    airflow_api.web.mood = answer
    operator().execute({})

    assert airflow_api.changes == [16]


def test_without_a_connection_the_api_server_of_the_tasks_is_asked(monkeypatch):
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://api:8080/path/execution/")

    assert AirflowApiHook().pools().url == "http://api:8080/path"
    with pytest.raises(UnknownConnectionError, match="nowhere"):
        AirflowApiHook("nowhere").pools()


@pytest.mark.parametrize(
    "fields",
    [
        {"zone": None},
        {"region": "swedencentral"},
        {"min_slots": 17},
        {"safe_slots": 1},
        {"clean_below": None},
        {"dry_run": "perhaps"},
        {"pool": "gpu/big", "min_slots": 0},
    ],
)
def test_what_can_not_be_is_said_when_the_dag_is_read(fields):
    with pytest.raises((InputError, AirflowException)):
        operator(**fields)


def test_what_a_template_fills_in_is_checked_when_it_is_known(airflow_api, grid):
    grid(50, 400)
    with DAG("d", schedule=None):
        made = operator(max_slots="{{ params.most }}")
    made.render_template_fields({"params": {"most": 12}})

    assert made.execute({})["slots"] == 12


def test_a_slow_answer_of_a_grid_in_short_steps_is_an_answer(airflow_api, monkeypatch, tmp_path):
    begins = clock.now()
    index = pd.date_range(begins, periods=40_000, freq="100us", name="at")
    file = tmp_path / "short.csv"
    pd.DataFrame({"DE": 50.0}, index=index).to_csv(file)  # reading it takes many of its steps
    extra = {"sources": "replay", "replay_file": str(file), "replay_starts_at": begins.isoformat()}
    connect(monkeypatch, "carbon_default", conn_type="carbon", extra=extra)

    assert operator(horizon="10s").execute({})["because"] == "clean"
