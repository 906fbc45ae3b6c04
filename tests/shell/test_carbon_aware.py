"""``@carbon_aware`` as the DAG author meets it: at parse, and when Airflow runs what it made."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace

import pandas as pd
import pytest
from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.providers.standard.sensors.time_delta import TimeDeltaSensor
from airflow.sdk import DAG, TaskGroup, setup, task, task_group
from airflow.sdk.exceptions import AirflowTaskTimeout, TaskDeferred
from airflow.serialization.serialized_objects import DagSerialization

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, carbon_aware, clock
from airflow_carbon.core.errors import InvalidDurationError, InvalidOptionError
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.listener.choice import Choice
from airflow_carbon.triggers.waiting import WaitTrigger

GOOD = {"zone": "DE", "duration": "1h", "max_delay": "10h"}


def dag(**options):
    return DAG("d", schedule=None, **options)


@task
def load() -> int:
    return 7


def plus(value: int = 1) -> int:
    return value + 1


def trained(value=1, **options):
    return carbon_aware(**{**GOOD, **options})(task(plus))(value)


def test_a_task_waits_in_the_triggerer_and_stays_what_it_is():
    with dag() as made:
        result = trained(load())
        result >> BashOperator(task_id="after", bash_command="true")

    op = made.get_task("plus")
    assert (op.upstream_task_ids, op.downstream_task_ids) == ({"load"}, {"after"})
    assert (op.task_type, op.operator_name) == ("_PythonDecoratedOperator", "@task")
    assert op.start_from_trigger
    assert op.start_trigger_args.trigger_cls.endswith("WaitTrigger")
    assert op.start_trigger_args.next_method == "carbon_resume"
    assert set(made.task_ids) == {"load", "plus", "after"}


def test_it_survives_airflows_serialisation():
    with dag() as made:
        trained(load())

    back = DagSerialization.from_dict(DagSerialization.to_dict(made)).get_task("plus")

    assert back.start_from_trigger is True
    fields = back.start_trigger_args.trigger_kwargs
    assert "run_after" in json.dumps(fields)
    assert back.execution_timeout is None


def test_the_fields_of_the_trigger_survive_airflows_database():
    path, kwargs = WaitTrigger(carbon_wait={**GOOD, "policy": None}).serialize()

    assert path == "airflow_carbon.triggers.waiting.WaitTrigger"
    assert WaitTrigger(**kwargs).serialize() == (path, kwargs)


def test_an_operator_a_partial_and_a_mapped_task_are_made_aware_likewise():
    aware = carbon_aware(**GOOD)
    with dag() as made:
        bash = aware(BashOperator(task_id="bash", bash_command="true"))
        mapped = aware(BashOperator.partial(task_id="mapped")).expand(bash_command=["a", "b"])
        flow = aware(task(plus)).override(task_id="flow").expand(value=load())

    assert made.get_task("bash") is bash
    assert isinstance(bash, BashOperator)
    assert bash.start_from_trigger
    for op in (mapped, flow.operator):
        assert not op.start_from_trigger  # Airflow 3.3 starts none of these in the triggerer
        assert "carbon_wait" in op.template_fields
        assert op.operator_class.carbon_wait["zone"] == "DE"
    assert made.get_task("flow").upstream_task_ids == {"load"}
    DagSerialization.from_dict(DagSerialization.to_dict(made))


def test_another_tasks_output_may_say_where_and_comes_before():
    with dag() as made:
        choose = ChooseRegionOperator(task_id="choose", duration="1h", max_delay="10h")
        trained(zone=None, region=choose.output["region"])

    op = made.get_task("plus")
    assert op.upstream_task_ids == {"choose"}
    rendered = op.start_trigger_args.trigger_kwargs["carbon_wait"]["region"]
    assert rendered == "{{ ti.xcom_pull(task_ids='choose', key='region', map_indexes=-1) }}"


def test_a_template_that_only_a_worker_can_render_starts_there():
    with dag():
        assert not trained(duration="{{ my_macro() }}").operator.start_from_trigger


def test_what_is_not_said_is_from_default_args():
    with dag(default_args={"zone": "FR", "policy": "delay_tolerant", "max_delay": "2h"}):
        op = carbon_aware(duration="1h", max_delay="3h")(task(plus))(1).operator

    assert (op.carbon_wait["zone"], op.carbon_wait["max_delay"]) == ("FR", "3h")
    assert op.carbon_wait["policy"] == {"workload": "delay_tolerant"}


def test_auto_learns_from_the_task_itself():
    with dag():
        op = trained(duration="auto, else 1h").operator

    assert op.carbon_wait["learn_from"] == {"dag": "{{ dag.dag_id }}", "task": "plus"}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: carbon_aware(plus), "with its arguments"),
        (lambda: task(carbon_aware(**GOOD)(plus)), "above @task or @task_group"),
        (lambda: carbon_aware(**GOOD)(3), "a task, an operator or a task group"),
        (lambda: trained(region="westeurope"), "exactly one of region= "),
        (lambda: trained(max_delay=None), "give deadline="),
        (lambda: trained(policy="patient"), "write real_time"),
        (lambda: carbon_aware(**GOOD)(carbon_aware(**GOOD)(task(plus)))(1), "waits already"),
        (lambda: carbon_aware(**GOOD)(EmptyOperator(task_id="e")), "never run"),
        (
            lambda: carbon_aware(**GOOD)(TimeDeltaSensor(task_id="s", delta=timedelta(1))),
            "a sensor waits already",
        ),
        (lambda: carbon_aware(**GOOD)(setup(plus))(1), "setup or teardown"),
        (lambda: group_of(make=lambda _: None)(1), "no task"),
    ],
)
def test_a_mistake_is_a_sentence_when_the_dag_is_read(make, says):
    with dag(), pytest.raises(InvalidOptionError, match=says):
        make()


def test_a_wait_without_a_length_is_refused():
    with dag(), pytest.raises(InvalidDurationError, match="duration=None"):
        carbon_aware(zone="DE", max_delay="1h")(task(plus))(1)


def test_python_and_bash_are_measured_others_when_asked():
    class Elsewhere(BashOperator.__base__):
        def execute(self, context):
            return None

    with dag():
        python = trained(model="m").operator
        silent = trained(measure=False).operator
        bash = carbon_aware(**GOOD)(BashOperator(task_id="bash", bash_command="true"))
        other = carbon_aware(**GOOD)(Elsewhere(task_id="other"))
        asked = carbon_aware(**GOOD, measure=True)(Elsewhere(task_id="asked"))

    accounts = [op.carbon_account for op in (python, silent, bash, other, asked)]
    usual = {"carbon_conn_id": "carbon_default"}
    assert accounts == [usual | {"model": "m"}, None, usual, None, usual]
    choice = Choice(operators=frozenset({"BashOperator", "@task"}))
    assert [choice.takes(op) for op in (python, silent, bash)] == [False, True, False]


def test_a_function_that_is_run_as_text_is_run_without_the_line():
    with dag():

        @carbon_aware(**GOOD)
        @task.virtualenv(requirements=[])
        def elsewhere():
            return 1

        op = elsewhere().operator

    assert op.get_python_source().startswith("def elsewhere()")


# Groups


def three(value):
    first = task(plus).override(task_id="first")(value)
    last = task(plus).override(task_id="last")(first)
    BashOperator(task_id="second", bash_command="true") >> last


def group_of(make=three, **options):
    return carbon_aware(**{**GOOD, **options})(task_group(group_id="work")(make))


def test_a_group_waits_once_before_its_first_tasks():
    with dag() as made:
        group = group_of()(load())
        BashOperator(task_id="before", bash_command="true") >> group
        group >> BashOperator(task_id="after", bash_command="true")

    wait = made.get_task("work.carbon_wait")
    assert isinstance(wait, CarbonAwareSensor)
    assert wait.start_from_trigger
    assert wait.upstream_task_ids == {"load", "before"}
    assert wait.downstream_task_ids == {"work.first", "work.second"}
    assert made.get_task("after").upstream_task_ids == {"work.last"}
    assert made.get_task("work.last").upstream_task_ids == {"work.first", "work.second"}
    for name in ("first", "second", "last"):
        assert made.get_task(f"work.{name}").carbon_account["plan"].operator is wait
    DagSerialization.from_dict(DagSerialization.to_dict(made))


def test_what_a_group_returns_has_the_wait_behind_what_comes_before():
    @carbon_aware(**GOOD, measure=False)
    @task_group
    def work():
        return task(plus)(1)

    with dag() as made:
        result = work()
        load() >> result
        trained_on = task(plus).override(task_id="read")(result)

    assert made.get_task("work.carbon_wait").upstream_task_ids == {"load"}
    assert made.get_task("work.plus").upstream_task_ids == {"work.carbon_wait"}
    assert trained_on.operator.upstream_task_ids == {"work.plus"}
    DagSerialization.from_dict(DagSerialization.to_dict(made))


def test_a_mapped_group_has_its_wait_in_each_instance():
    with dag() as made:
        group_of().expand(value=load())

    assert made.get_task("work.carbon_wait").upstream_task_ids == {"load"}
    assert made.get_task("work.carbon_wait").get_closest_mapped_task_group() is not None
    DagSerialization.from_dict(DagSerialization.to_dict(made))


def test_a_complete_task_group_and_one_without_a_prefix_wait_too():
    with dag() as made:
        with TaskGroup("plain", prefix_group_id=False) as group:
            BashOperator(task_id="work", bash_command="true")
        assert carbon_aware(**GOOD)(group) is group

    assert made.get_task("work").upstream_task_ids == {"plain_carbon_wait"}


def test_a_group_whose_first_task_would_not_wait_is_refused():
    def always(value):
        BashOperator(task_id="always", bash_command=value, trigger_rule="always")

    with dag(), pytest.raises(InvalidOptionError, match="trigger rule"):
        group_of(make=always)("true")


# What runs


@pytest.fixture
def grid(monkeypatch, tmp_path):
    """A grid whose cleanest hour is now, by DE, or in three hours, by FR; a ledger."""
    now = clock.now()
    falling, rising = [300.0] * 3 + [200.0] * 20, [200.0] + [300.0] * 22
    index = pd.date_range(now, periods=23, freq="h", name="at")
    file = tmp_path / "grid.csv"
    pd.DataFrame({"DE": rising, "FR": falling}, index=index).to_csv(file)
    extra = {"replay_file": str(file), "replay_starts_at": now.isoformat()}
    monkeypatch.setenv(
        "AIRFLOW_CONN_CARBON_DEFAULT", json.dumps({"conn_type": "carbon", "extra": extra})
    )
    ledger = {"conn_type": "sqlite", "host": str(tmp_path / "carbon.db")}
    monkeypatch.setenv("AIRFLOW_CONN_CARBON_LEDGER", json.dumps(ledger))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("AIRFLOW__CARBON__MEASURED_FOLDER", str(tmp_path / "measured"))
    return now


class Instance(SimpleNamespace):
    """A task instance that keeps its XComs."""

    def __init__(self, task_id):
        super().__init__(id="1", dag_id="d", task_id=task_id, run_id="r", map_index=-1)
        self.try_number, self.pushed = 1, {}

    def xcom_push(self, key, value):
        self.pushed[key] = value


def run(op, now, method="execute", **given):
    """Run an operator as a worker does that has rendered its templates."""
    op.carbon_wait = {**op.carbon_wait, "submitted": now.isoformat(), "carbon_aware": True}
    ti = Instance(op.task_id)
    context = {"ti": ti, "dag_run": SimpleNamespace(run_after=now), "outlet_events": {}}
    if method == "execute":
        return op.execute(context), ti.pushed
    return op.resume_execution(method, given, context), ti.pushed


def test_in_its_window_it_works_is_measured_and_leaves_plan_and_footprint(grid):
    with dag():
        op = trained(6, model="m").operator
    value, pushed = run(op, grid)

    assert value == 7
    assert pushed["carbon_plan"]["reason"] == "clean"
    with LedgerHook().ledger() as ledger:
        (entry,) = ledger.of_run("d", "r")
    assert (entry.key.task_id, entry.model, entry.zone) == ("plus", "m", "DE")
    assert entry.plan_reason == "clean"
    assert pushed["carbon_footprint"]["emissions_g"] == entry.emissions_g


def test_out_of_its_window_it_defers_and_works_when_it_resumes(grid):
    with dag():
        op = trained(6, zone="FR", measure=False).operator
    with pytest.raises(TaskDeferred) as deferred:
        run(op, grid)
    plan = {"zone": "FR", "reason": "clean"}
    value, pushed = run(op, grid, deferred.value.method_name, event=plan)

    assert (value, pushed) == (7, {"carbon_plan": plan})


def test_the_execution_timeout_is_the_works_and_not_the_waits(grid):
    def forever():
        while True:
            pass

    with dag():
        short = task(execution_timeout=timedelta(seconds=0.2))
        op = carbon_aware(**GOOD, measure=False)(short(forever))().operator

    assert op.execution_timeout is None
    with pytest.raises(AirflowTaskTimeout):
        run(op, grid)


def test_a_measured_task_takes_the_plan_of_its_wait(grid):
    with dag():
        op = carbon_aware(**GOOD)(task.measured(plus))(6).operator
    value, pushed = run(op, grid)

    assert value == 7
    assert pushed["carbon_footprint"]["zone"] == "DE"
    assert op.carbon_account is None
