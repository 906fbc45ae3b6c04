"""What the pages show, to whom, and what they say where there is nothing to show."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
import waiting
from hypothesis import given
from hypothesis import strategies as st
from seeding import BENT, HOSTILE, TEAM, entry

from airflow_carbon import clock
from airflow_carbon.core.decision import WaitUntil, decide
from airflow_carbon.core.flexibility import Flexibility
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.operators.page_link import run_query

HTML = {"accept": "text/html"}
DAGS = {dag_id for dag_id, *_ in TEAM}


def text_of(client, path):
    reply = client.get(f"/carbon/{path}", headers=HTML)
    assert reply.status_code == 200, reply.text
    return reply.text


def run_path(key):
    query = run_query(
        dag_id=key.dag_id,
        task_id=key.task_id,
        run_id=key.run_id,
        map_index=key.map_index,
        try_number=key.try_number,
    )
    return f"run?{query}"


@pytest.mark.parametrize("by", ["task", "dag", "model", "region"])
def test_a_reader_sees_the_rows_of_their_dags_alone(visit, seeded, use, by):
    use(seeded[0])
    month = f"{clock.now() - timedelta(days=40):%Y-%m}"
    all_of_it = text_of(visit("everybody"), f"accounts?by={by}&month={month}")
    narrow = text_of(visit("narrow"), f"accounts?by={by}&month={month}")
    words = {"task": "train", "dag": "nightly_retraining", "model": "churn", "region": "SE-SE3"}
    assert words[by] in all_of_it
    assert words[by] not in narrow
    assert {"task": "score", "dag": "batch_scoring", "model": "no model", "region": "NL"}[
        by
    ] in narrow
    assert "or none of a DAG that you may read" in text_of(visit("nobody"), f"accounts?by={by}")


@pytest.mark.parametrize("path", ["", "accounts", "budgets", "promises"])
def test_a_reader_of_one_dag_meets_no_other_name(visit, seeded, use, path):
    use(seeded[0])
    shown = text_of(visit("narrow"), path)
    for hidden in (DAGS - {"batch_scoring"}) | {"recommender", "churn", "onerror"}:
        assert hidden not in shown


def test_a_runs_page_is_for_those_who_may_read_its_dag(visit, seeded, use):
    use(seeded[0])
    path = run_path(seeded[1].key)
    assert "GPU-0 (H100)" in text_of(visit("everybody"), path)
    refused = text_of(visit("narrow"), path)
    assert "GPU-0" not in refused
    assert "no row in the ledger" in refused


def test_hostile_names_are_text(page):
    for path in ("accounts?by=dag", "accounts?by=task", "accounts?by=model", "promises"):
        shown = text_of(page, path)
        assert "<img" not in shown
        assert "&lt;img src=x onerror=" in shown
    key = RunKey(dag_id=HOSTILE, task_id=BENT, run_id=HOSTILE)
    shown = text_of(page, run_path(key))
    assert "<img" not in shown
    assert "<bdi>quotes&#34;&#39;&amp;\u202eesrever</bdi>" in shown


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("", "CarbonAwareSensor"),
        ("accounts", "EmissionsOperator"),
        ("months", "EmissionsOperator"),
        ("budgets", "CarbonBudgetOperator"),
        ("promises", "plan=wait.output"),
        ("run?dag_id=a&run_id=b&task_id=c", "not accounted for yet"),
    ],
)
def test_an_empty_ledger_says_what_to_do(visit, use, tmp_path, path, said):
    use(tmp_path / "empty.db")
    assert said in text_of(visit("everybody"), path)


@pytest.mark.parametrize("path", ["", "accounts", "months", "budgets", "promises", "regions"])
def test_a_ledger_that_cannot_be_read_says_what_to_do(visit, use, tmp_path, path):
    broken = tmp_path / "broken.db"
    broken.write_text("this is no database, and long enough to be taken for one" * 40)
    use(broken)
    reply = visit("everybody").get(f"/carbon/{path}", headers=HTML)
    assert reply.status_code == 503
    assert "it is no SQLite file" in reply.text
    assert visit("everybody").get(f"/carbon/{path}").json()["detail"].count("no SQLite file") == 1


@pytest.mark.parametrize("path", ["accounts?month=October", "accounts?by=colour", "run"])
def test_a_question_that_cannot_be_is_refused_with_a_remedy(page, path):
    reply = page.get(f"/carbon/{path}", headers=HTML)
    assert reply.status_code in {400, 422}
    assert len(reply.text) > 30


def test_the_months_of_the_page_are_the_sums_of_the_ledger(visit, use, tmp_path):
    file = tmp_path / "small.db"
    now = clock.now()
    with Ledger.open(f"sqlite:///{file}") as ledger:
        for number, grams in enumerate((100.0, 20.0, 3.0)):
            key = RunKey(dag_id="d", task_id="t", run_id=f"r{number}")
            ledger.write(entry(now, key=key, started_at=now, ended_at=now, emissions_g=grams))
    use(file)
    shown = text_of(visit("everybody"), "months")
    assert 'data-y="123.0"' in shown
    assert "123 g" in shown


@pytest.fixture
def waits(metadata, seeded, use, monkeypatch):
    """Two waits, one of which has a template that only the triggerer renders."""
    use(seeded[0])
    now = clock.now()
    run_id = f"manual__{now.isoformat()}"
    for dag_id in ("batch_scoring", "nightly_retraining"):
        waiting.wait(metadata, now, dag_id=dag_id, task_id=f"w_{dag_id}", run_id=run_id)
    waiting.wait(
        metadata,
        now,
        dag_id="batch_scoring",
        task_id="w_template",
        run_id=f"{run_id}_template",
        duration="{{ params.duration }}",
    )
    return now


def test_waits_are_shown_with_the_window_that_the_policy_chooses(waits, visit):
    shown = text_of(visit("everybody"), "")
    assert "w_batch_scoring" in shown
    assert "duration: a template" in shown
    reply = visit("everybody").get("/carbon/api/outlook?zone=DE").json()
    flex = Flexibility(
        duration=timedelta(hours=3), earliest=waits, deadline=waits + timedelta(hours=33)
    )
    now = clock.now()
    answer = decide(CarbonHook().forecast("DE", flex), flex, now=now)
    assert isinstance(answer, WaitUntil)
    windows = {one["task"]: one["window"] for one in reply["waits"]}
    ours = windows["batch_scoring / w_batch_scoring"]
    assert ours["start"] == answer.window.start.isoformat()
    assert ours["mean_g_per_kwh"] == pytest.approx(answer.window.mean_g_per_kwh, abs=0.1)


def test_waits_of_dags_that_one_may_not_read_are_not_shown(waits, visit):
    assert "w_nightly_retraining" not in text_of(visit("narrow"), "")
    reply = visit("narrow").get("/carbon/api/outlook?zone=DE").json()
    assert {one["task"].split(" / ")[0] for one in reply["waits"]} == {"batch_scoring"}


def test_a_curve_reaches_two_days_ahead_and_says_where_it_is_from(page):
    reply = page.get("/carbon/api/outlook?zone=NL").json()
    assert reply["source"] == "typical"
    assert reply["cleanest"]["mean_g_per_kwh"] <= min(g for _, g in reply["curve"]) + 0.1
    assert reply["curve"][0][0] < reply["now"] < reply["until"]
    assert reply["curve"][-1][0] < reply["until"]
    assert len(reply["curve"]) >= 48


@pytest.mark.parametrize(
    "asked",
    [{"zone": HOSTILE}, {"zone": "DE", "conn": "postgres_default"}, {"zone": "NL", "conn": "nil"}],
)
def test_no_grid_and_no_connection_is_asked_that_is_not_in_use(page, asked):
    reply = page.get("/carbon/api/outlook?" + urlencode(asked))
    assert reply.status_code == 404
    assert reply.json() == {"detail": f"{asked['zone']}: no grid in use"}
    assert reply.headers["content-type"] == "application/json"


def test_rows_of_a_dag_that_airflow_forgot_stay_visible_to_who_may_read_all(page):
    assert "embeddings_weekly" in text_of(page, "promises")


names = st.text(min_size=1, max_size=30)


@given(dag_id=names, task_id=names, run_id=names, index=st.integers(-1, 9), number=st.integers(1))
def test_a_runs_address_names_it(dag_id, task_id, run_id, index, number):
    query = run_query(
        dag_id=dag_id, task_id=task_id, run_id=run_id, map_index=index, try_number=number
    )
    read = parse_qs(urlsplit(f"/run?{query}").query, strict_parsing=True)
    assert (read["dag_id"], read["task_id"], read["run_id"]) == ([dag_id], [task_id], [run_id])
    assert read.get("map_index", ["-1"]) == [str(index)]
    assert read["try_number"] == [str(number)]
