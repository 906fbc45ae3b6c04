"""Durations and energies that the ledger's past runs tell: sensor, trigger, operators."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.serialization.serialized_objects import DagSerialization
from hanging import first_event
from remembered import past_entry, remember

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, PlanQueueOperator, clock
from airflow_carbon.cli.main import main
from airflow_carbon.core.auto import NOT_ASKED, LearnFrom
from airflow_carbon.core.errors import InputError, InvalidOptionError, NoFeasibleWindowError
from airflow_carbon.core.queue import QueuedRun
from airflow_carbon.hooks import past_runs
from airflow_carbon.hooks.archive import ARCHIVES
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.triggers.window import WindowTrigger

TRAIN = {"dag": "nightly", "task": "train"}
HOUR = timedelta(hours=1)


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)
    with LedgerHook().ledger() as opened:
        yield opened


@pytest.fixture
def no_ledger(monkeypatch, tmp_path):
    value = json.dumps({"conn_type": "sqlite", "host": str(tmp_path)})
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", value)


def trigger_of(**fields) -> WindowTrigger:
    given = {
        "carbon_conn_id": "carbon_default",
        "region": None,
        "zone": "DE",
        "duration": "auto, else 2h",
        "deadline": None,
        "max_delay": None,
        "earliest": None,
        "policy": "real_time",
        "submitted": clock.now().isoformat(),
        "ends_task": False,
        "learn_from": TRAIN,
    }
    return WindowTrigger(**{**given, **fields})


def plan_of(**fields):
    """Return the plan that a trigger fires with at once."""
    event = first_event(trigger_of(**fields))
    return event and event.payload


def length(plan):
    begin, end = (datetime.fromisoformat(plan[name]) for name in ("start", "end"))
    return end - begin


def sensor(**changes) -> CarbonAwareSensor:
    given = {"zone": "DE", "duration": "auto, else 2h", "policy": "real_time", **changes}
    return CarbonAwareSensor(task_id="wait", **given)


def test_a_wait_in_the_triggerer_takes_the_duration_that_past_runs_tell(ledger):
    remember(ledger, [1, 1, 1, 1, 1, 1, 1, 1, 3])

    plan = plan_of()

    assert length(plan) == 3 * HOUR
    assert plan["duration_from"] == "0.9 quantile of 9 past runs"


def test_a_wait_with_too_few_past_runs_takes_the_fallback_and_says_so(ledger):
    remember(ledger, [1] * 8)

    plan = plan_of()

    assert length(plan) == 2 * HOUR
    assert plan["duration_from"] == "fallback: 8 past runs of the 9 that it takes"


def test_a_stated_duration_asks_no_ledger(no_ledger):
    assert plan_of(duration="1h", learn_from=None)["duration_from"] == "stated"


def test_a_ledger_that_is_away_costs_no_wait(no_ledger):
    plan = plan_of()

    assert length(plan) == 2 * HOUR
    assert plan["duration_from"].startswith("fallback: the ledger")


def test_the_event_loop_goes_on_while_a_ledger_does_not_answer(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgres://ada@127.0.0.1:{silent.getsockname()[1]}/carbon"
        monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", url)
        monkeypatch.setattr(past_runs, "PATIENCE_S", 0.3)
        ticks = []

        async def tick():
            while True:
                ticks.append(1)
                await asyncio.sleep(0.01)

        async def ask():
            ticking = asyncio.create_task(tick())
            found = await past_runs.ahistory(LearnFrom.read(TRAIN), CarbonHook())
            ticking.cancel()
            silent.close()  # whoever still asks is refused
            return found

        found = asyncio.run(ask())

    assert found.fault == "the ledger did not answer within 0.3 s"
    assert len(ticks) > 3


def test_a_job_that_grew_too_long_for_its_deadline_starts_at_once(ledger):
    remember(ledger, [9] * 9)
    deadline = clock.now() + 5 * HOUR

    plan = plan_of(policy=None, deadline=deadline.isoformat())

    assert plan["reason"] == "deadline"
    assert plan["deadline"] == deadline.isoformat()
    assert plan["duration_from"] == "0.9 quantile of 9 past runs, more than the deadline leaves"


def test_a_fallback_that_does_not_fit_is_a_mistake_like_any_stated_duration(ledger):
    with pytest.raises(NoFeasibleWindowError):
        plan_of(policy=None, deadline=(clock.now() + HOUR).isoformat())


def test_a_mass_to_save_is_weighed_by_the_energy_that_past_runs_tell(ledger, monkeypatch, tmp_path):
    begin = clock.now().replace(minute=0, second=0, microsecond=0)
    rows = [f"{(begin + i * HOUR).isoformat()},{200 if i == 3 else 300}" for i in range(24)]
    (tmp_path / "dip.csv").write_text("\n".join(["at,DE", *rows]))
    extra = {"replay_file": str(tmp_path / "dip.csv"), "replay_starts_at": begin.isoformat()}
    value = json.dumps({"conn_type": "carbon", "extra": extra})
    monkeypatch.setenv("AIRFLOW_CONN_DIP", value)
    remember(ledger, [1] * 9, kwh=5)
    policy = {"max_delay": "10h", "energy_kwh": "auto, else 50"}

    def decides(grams):
        wait = {"carbon_conn_id": "dip", "duration": "1h", "is_dry_run": True}
        return plan_of(policy={**policy, "min_saving_g": grams}, **wait)["reason"]

    assert decides(400) == "dry_run"  # 100 g/kWh x 5 kWh: it would wait
    assert decides(600) == "below_min_saving"


def test_a_worker_decides_as_the_triggerer_does(ledger):
    remember(ledger, [3] * 9)
    wait = sensor(learn_from=TRAIN)
    wait.submitted, wait.carbon_aware = clock.now().isoformat(), True

    plan = wait.execute({"ti": None})

    assert length(plan) == 3 * HOUR
    assert plan["duration_from"] == "0.9 quantile of 9 past runs"


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"duration": "auto"}, "'auto, else 2h'"),
        ({"duration": "auto, else soon"}, "duration='soon'"),
        ({"policy": {"max_delay": "4h", "energy_kwh": "auto"}}, "'auto, else 3.5'"),
        ({"learn_from": {"tsak": "train"}}, "learn_from='tsak'"),
        ({"learn_from": {"quantile": 0.99}}, "takes 99 runs"),
    ],
)
def test_a_mistake_that_is_visible_at_parse_breaks_the_parse(changes, says):
    with pytest.raises(InputError, match=says):
        sensor(**changes)


def rendered(wait: CarbonAwareSensor) -> WindowTrigger:
    """Return the trigger as the triggerer has it: of the serialised DAG, and rendered."""
    dag = DagSerialization.from_dict(DagSerialization.to_dict(wait.dag))
    task = dag.get_task(wait.task_id)
    fields = {**wait.start_trigger_args.trigger_kwargs, "submitted": "2026-01-01T00:00Z"}
    trigger = WindowTrigger(**fields)
    trigger.task_instance = SimpleNamespace(task=task, task_id=task.task_id, dag_id=dag.dag_id)
    run = SimpleNamespace(run_after=clock.now(), conf={})
    trigger.render_template_fields({"task": task, "dag": dag, "dag_run": run, "params": {"h": 3}})
    return trigger


def test_without_a_word_the_tasks_that_come_after_are_learnt_from():
    with DAG("nightly", schedule=None):
        BaseOperator(task_id="before") >> (wait := sensor())
        wait >> BaseOperator(task_id="train") >> BaseOperator(task_id="account")

    assert wait.start_from_trigger
    assert LearnFrom.read(rendered(wait).learn_from).tasks == ("account", "train")
    assert LearnFrom.read(rendered(wait).learn_from).dag == "nightly"


@pytest.mark.parametrize(
    ("said", "dag", "task"),
    [
        ("train", "nightly", "train"),
        ("weekly/train", "weekly", "train"),
        ({"task": "train", "quantile": 0.8}, "nightly", "train"),
        ({"dag": "weekly"}, "weekly", None),
    ],
)
def test_whose_runs_may_be_said_in_a_word(said, dag, task):
    with DAG("nightly", schedule=None):
        wait = sensor(learn_from=said, duration="auto, else {{ params.h }}h")

    trigger = rendered(wait)
    assert (trigger.learn_from["dag"], trigger.learn_from.get("task")) == (dag, task)
    assert trigger.duration == "auto, else 3h"


def test_a_duration_that_is_stated_carries_no_question_along():
    assert sensor(duration="2h").learn_from is None
    assert sensor(duration="{{ params.h }}h").learn_from is not None


def choose(**arguments):
    given = {"regions": "francecentral", "max_delay": "12h", "learn_from": TRAIN, **arguments}
    operator = ChooseRegionOperator(task_id="choose", **given)
    operator.submitted = clock.now().isoformat()
    return operator.execute({})


def test_a_choice_of_region_learns_and_hands_the_duration_on(ledger):
    remember(ledger, [3] * 9)

    chosen = choose(duration="auto, else 2h")

    assert (chosen["duration"], chosen["duration_from"]) == (
        "3:00:00",
        "0.9 quantile of 9 past runs",
    )
    assert sensor(duration=chosen["duration"]).duration == "3:00:00"
    assert choose(duration="2h", learn_from=None)["duration_from"] == "stated"


MACHINES = [
    {"name": "slow", "duration": "4h", "energy_kwh": 2.0},
    {"name": "fast", "duration": "2h", "energy_kwh": 3.0},
]


def weighed(**arguments):
    given = {"duration": "auto", "energy_kwh": "auto", "objective": {"machines": MACHINES}}
    return choose(**{**given, **arguments})


def by_size(ledger, kwh=1.0, size="fast", hours=1.0):
    remember(ledger, [hours] * 9, kwh=kwh, machine_size=size)


def test_the_size_is_chosen_by_what_its_own_runs_drew(ledger):
    assert weighed()["machine"] == "slow"

    by_size(ledger, kwh=0.5)
    chosen = weighed()

    assert (chosen["machine"], chosen["duration"]) == ("fast", "1:00:00")
    assert chosen["terms"]["energy_kwh"] == 0.5
    assert chosen["duration_from"] == "0.9 quantile of 9 past runs"
    assert chosen["energy_from"] == "median of 9 past runs"
    assert json.loads(json.dumps(chosen)) == chosen


def test_a_size_that_never_ran_is_as_declared_and_says_so(ledger):
    by_size(ledger, kwh=9)

    chosen = weighed()

    assert (chosen["machine"], chosen["duration"]) == ("slow", "4:00:00")
    assert chosen["energy_from"] == "fallback: 0 past runs of the 5 that it takes"


def test_a_size_on_which_it_takes_too_long_is_left_to_the_others(ledger):
    by_size(ledger, kwh=0.1, hours=20)

    chosen = weighed(deadline=(clock.now() + 10 * HOUR).isoformat(), max_delay=None)

    assert chosen["machine"] == "slow"


def test_where_it_takes_too_long_on_every_size_it_starts_at_once(ledger):
    for size in ("fast", "slow"):
        by_size(ledger, size=size, hours=20)
    deadline = clock.now() + 10 * HOUR

    chosen = weighed(deadline=deadline.isoformat(), max_delay=None)

    assert chosen["end"] == deadline.isoformat()


def test_the_longest_wait_holds_for_each_size_by_its_own_duration(ledger):
    chosen = weighed(duration="2h", max_delay="1h", regions="germanywestcentral")

    begins = [datetime.fromisoformat(one["start"]) for one in chosen["ranking"]]
    assert max(begins) <= clock.now() + HOUR


def test_a_size_without_a_duration_needs_a_fallback_at_parse():
    objective = {"machines": [*MACHINES, {"name": "new"}]}

    with pytest.raises(InvalidOptionError, match="'auto, else 2h'"):
        ChooseRegionOperator(task_id="c", duration="auto", max_delay="1h", objective=objective)


def test_a_queue_learns_each_dags_duration_and_energy(ledger):
    remember(ledger, [3] * 9)
    ledger.write(past_entry(0, dag_id="weekly", task_id="fit"))
    job = {"duration": "auto, else 2h", "energy_kwh": "auto, else 4", "max_delay": "20h"}
    operator = PlanQueueOperator(
        task_id="plan",
        runs=[{"dag_id": "nightly", **job}, {"dag_id": "weekly", **job, "learn_from": "fit"}],
        regions="swedencentral",
        dry_run=True,
    )
    operator.submitted = clock.now().isoformat()

    nightly, weekly = (
        one["conf"]["carbon_plan"] for one in operator.execute({"run_id": "r"})["starts"]
    )

    assert (length(nightly), length(weekly)) == (3 * HOUR, 2 * HOUR)
    assert nightly["duration_from"] == "0.9 quantile of 9 past runs"
    assert weekly["duration_from"] == "fallback: 1 past run of the 9 that it takes"


def test_the_energy_of_a_queued_run_is_its_mean_power():
    run = QueuedRun(dag_id="d", duration="4h", energy_kwh="6 kWh").taught(NOT_ASKED)

    assert run.power_kw == 1.5


def test_the_command_line_learns_too(ledger, capsys):
    remember(ledger, [3] * 9)
    plan = ["plan", "--within", "20h", "--region", "swedencentral"]
    auto = ["--duration", "auto, else 2h"]

    assert main([*plan, *auto, "--learn-from", "nightly/train", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["duration"], told["duration_from"]) == ("3:00:00", "0.9 quantile of 9 past runs")

    assert main([*plan, *auto, "--learn-from", "weekly/train"]) == 0
    assert "the job takes 2:00:00: fallback: 0 past runs" in capsys.readouterr().out
    assert main([*plan, *auto]) == 2
    assert "--learn-from nightly/train" in capsys.readouterr().err
    assert main([*plan, "--duration", "auto", "--learn-from", "nightly/train"]) == 2
    assert "'auto, else 2h'" in capsys.readouterr().err


def test_a_ledger_is_open_once_for_many_questions(ledger):
    hook, asked = CarbonHook(), LearnFrom.read(TRAIN)
    past_runs.history(asked, hook)
    before = dict(ARCHIVES.opened)
    past_runs.history(asked, hook)

    assert ARCHIVES.opened == before
