"""The sensor as the DAG author meets it: at parse."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from airflow.sdk import DAG, BaseOperator
from airflow.serialization.serialized_objects import DagSerialization

from airflow_carbon import CarbonAwareSensor, ChooseRegionOperator, EmissionsOperator
from airflow_carbon.core.errors import (
    InputError,
    InvalidDurationError,
    InvalidInstantError,
    InvalidOptionError,
    UnknownRegionError,
)
from airflow_carbon.triggers.window import WindowTrigger

GOOD = {"region": "swedencentral", "duration": "2h", "max_delay": "12h"}


def sensor(**changes) -> CarbonAwareSensor:
    arguments = {k: v for k, v in {**GOOD, **changes}.items() if v is not None}
    return CarbonAwareSensor(task_id="wait", **arguments)


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"region": "swedncentral"}, UnknownRegionError, "did you mean swedencentral"),
        ({"region": None}, InvalidOptionError, "exactly one of region= .* and zone="),
        ({"zone": "SE-SE3"}, InvalidOptionError, "exactly one of region= .* and zone="),
        ({"duration": "0h"}, InvalidDurationError, "duration='0h'"),
        ({"duration": timedelta(hours=-1)}, InvalidDurationError, "duration="),
        ({"duration": 3600}, InvalidDurationError, "write a timedelta"),
        ({"max_delay": "soon"}, InvalidDurationError, "max_delay='soon'"),
        ({"max_delay": None}, InvalidOptionError, "give deadline="),
        ({"policy": "patient"}, InvalidOptionError, "write real_time, window_flexible, delay_"),
        ({"policy": {"max_dealy": "4h"}}, InvalidOptionError, "policy='max_dealy'"),
        ({"policy": {"done_by": {"at": "nine"}}}, InvalidOptionError, "time of day such as 09:00"),
        (
            {"policy": {"done_by": {"at": "09:00", "time_zone": "Europe/Berln"}}},
            InvalidOptionError,
            "time_zone='Europe/Berln'.*IANA",
        ),
        ({"policy": {"min_saving_g": 500}}, InvalidOptionError, "power_kw"),
        ({"policy": {"blackouts": {"hours": "all"}}}, InvalidOptionError, "09:00-17:00"),
        ({"dry_run": "perhaps"}, InvalidOptionError, "dry_run='perhaps'.*true or false"),
        (
            {"deadline": datetime(2030, 1, 1), "max_delay": None},  # noqa: DTZ001 - naive
            InvalidInstantError,
            "with a time zone",
        ),
        ({"earliest": "2030-01-01T00:00"}, InvalidInstantError, "earliest="),
        ({"min_saving": "much"}, InvalidOptionError, r"min_saving='much'.*write a share"),
        ({"min_saving": 5}, InvalidOptionError, r"min_saving=5.*such as 0.05 or '5%'"),
    ],
)
def test_a_mistake_that_is_visible_at_parse_breaks_the_parse(changes, error, says):
    with pytest.raises(error, match=says) as caught:
        sensor(**changes)
    assert isinstance(caught.value, InputError)


@pytest.mark.parametrize("region", ["swedencentral", "Sweden Central", "SWEDENCENTRAL"])
def test_a_region_may_be_spelled_as_azure_does_anywhere(region):
    assert sensor(region=region).region == region


def test_a_wait_starts_in_the_triggerer_by_default():
    wait = sensor()

    assert wait.start_from_trigger
    assert wait.start_trigger_args.trigger_kwargs["ends_task"] is True
    assert "run_after" in wait.start_trigger_args.trigger_kwargs["submitted"]


@pytest.mark.parametrize(
    ("text", "starts_in_triggerer"),
    [
        ("{{ params.duration }}", True),
        ("{{ var.value.duration }}", True),
        ("{{ dag_run.conf.duration }}", True),
        ("{{ ti.xcom_pull('other') }}", False),
        ("{{ my_macro() }}", False),
        ("{{ prev_start_date_success }}", False),
    ],
)
def test_what_only_a_worker_can_render_starts_on_a_worker(text, starts_in_triggerer):
    assert sensor(duration=text).start_from_trigger is starts_in_triggerer


def test_another_tasks_output_starts_in_the_triggerer_and_orders_the_tasks():
    with DAG("d", schedule=None):
        choose = ChooseRegionOperator(task_id="choose", duration="2h", max_delay="12h")
        wait = CarbonAwareSensor(
            task_id="wait", region=choose.output["region"], duration="2h", max_delay="12h"
        )

    assert wait.upstream_task_ids == {"choose"}
    assert wait.start_from_trigger
    text = wait.start_trigger_args.trigger_kwargs["region"]
    assert text == "{{ ti.xcom_pull(task_ids='choose', key='region', map_indexes=-1) }}"


def test_the_output_of_a_mapped_task_starts_on_a_worker():
    with DAG("d", schedule=None):
        choose = ChooseRegionOperator.partial(task_id="choose", duration="2h").expand(
            max_delay=["1h", "2h"]
        )
        wait = CarbonAwareSensor(
            task_id="wait", region=choose.output, duration="2h", max_delay="12h"
        )

    assert not wait.start_from_trigger


def test_a_dag_with_the_operators_survives_airflows_serialisation():
    with DAG("d", schedule=None) as dag:
        choose = ChooseRegionOperator(task_id="choose", duration="2h", max_delay="12h")
        wait = CarbonAwareSensor(
            task_id="wait",
            region=choose.output["region"],
            duration=timedelta(hours=2),
            deadline="{{ dag_run.run_after + macros.timedelta(hours=9) }}",
        )
        account = EmissionsOperator(task_id="account", measurement="m.jsonl", plan=wait.output)
        wait >> BaseOperator(task_id="train") >> account

    back = DagSerialization.from_dict(DagSerialization.to_dict(dag))

    there = back.get_task("wait")
    assert there.start_from_trigger is True
    assert there.start_trigger_args.trigger_cls.endswith("WindowTrigger")
    assert back.get_task("account").upstream_task_ids == {"wait", "train"}


def test_a_trigger_survives_the_way_through_airflows_database():
    trigger = WindowTrigger(
        carbon_conn_id="carbon_default",
        region=None,
        zone="DE",
        duration=timedelta(hours=2),
        deadline=datetime(2030, 1, 1, tzinfo=UTC),
        max_delay=None,
        earliest=None,
        submitted="2029-12-31T00:00:00+00:00",
        ends_task=True,
    )
    path, kwargs = trigger.serialize()

    assert path == "airflow_carbon.triggers.window.WindowTrigger"
    assert WindowTrigger(**kwargs).serialize() == (path, kwargs)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"regions": "Atlantis"}, "unknown Azure region 'Atlantis'"),
        ({"regions": []}, "unknown Azure region"),
        ({"regions": ["westeurope", "nowhere"]}, "'nowhere'"),
        ({"duration": "never"}, "duration='never'"),
    ],
)
def test_a_mistake_in_the_choice_of_regions_breaks_the_parse(arguments, says):
    with pytest.raises(InputError, match=says):
        ChooseRegionOperator(task_id="c", **{"duration": "1h", "max_delay": "1h", **arguments})


def test_an_account_needs_a_place():
    with pytest.raises(InvalidOptionError, match="exactly one of region="):
        EmissionsOperator(task_id="a", measurement="m.jsonl")
    with pytest.raises(UnknownRegionError, match="westeurope"):
        EmissionsOperator(task_id="a", measurement="m", region="westus", default_region="westeurop")
