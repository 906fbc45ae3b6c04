"""What is not there, or went wrong, is said in a sentence that tells what to do."""

from __future__ import annotations

from datetime import timedelta

import pytest
from launching import SIZE, containers, ended, learning, name_of, targets

from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.history import failure_of
from airflow_carbon.azure.job import State, Work
from airflow_carbon.azure.launch import launch
from airflow_carbon.core.errors import RateLimitedError


@pytest.mark.parametrize(
    ("profile", "fields", "sentence"),
    [
        (
            containers,
            {"environment": "none"},
            "managedEnvironments/none.* does not exist.*create it",
        ),
        (learning, {"instance_type": "Standard_X1"}, "Standard_X1.*name a size that Azure has"),
        (learning, {"environment_id": "torch"}, "environment 'torch' does not exist"),
        (learning, {"resource_group": "none"}, "'none' could not be found.*create the resource"),
    ],
)
def test_what_a_target_names_and_azure_does_not_have_is_said(arm, profile, fields, sentence):
    where = profile("swedencentral")
    where["swedencentral"] |= fields

    with pytest.raises(AzureRefusedError, match=sentence):
        launch(arm, targets(where), name_of, Work(command="true"))


def test_a_cluster_that_is_not_there_fails_the_job_and_its_error_says_so(arm, azure):
    where = targets(learning("swedencentral", instance_type=None, compute="a100"))
    view = ended(arm, launch(arm, where, name_of, Work(command="true")))
    assert failure_of(arm, view.resource)[1] == "AzureMLCompute cluster a100 does not exist"

    azure.control.add_compute("ml-swedencentral", "a100")
    again = ended(arm, launch(arm, where, name_of, Work(command="true")))
    assert again.state is State.SUCCEEDED


def test_a_container_that_fails_tells_its_exit_code_and_where_its_output_is(arm):
    launched = launch(arm, targets(containers("swedencentral")), name_of, Work(command="exit 3"))
    view = ended(arm, launched)

    assert (view.state, view.code) == (State.FAILED, "UserError")
    assert view.message.startswith("exit code 3, Terminated; what it printed is in the logs")
    assert view.part in view.message


@pytest.mark.parametrize("status", [400, 404])
def test_azure_that_does_not_tell_why_a_container_failed_is_no_other_failure(arm, azure, status):
    launched = launch(arm, targets(containers("swedencentral")), name_of, Work(command="exit 3"))
    azure.control.fault("GET */executions/*", "status", status=status, times=99)
    view = ended(arm, launched)

    assert view.state is State.FAILED
    assert "its exit code is not told" in view.message


def test_all_executions_of_a_job_are_ended_where_none_is_named(arm, azure):
    (target,) = where = targets(containers("swedencentral"))
    launched = launch(arm, where, name_of, Work(command="sleep 60"))

    arm.send(target.cancel(azure.subscription, launched.name, None))

    assert ended(arm, launched).state is State.CANCELLED


@pytest.mark.parametrize("as_date", [False, True])
def test_how_long_azure_wants_to_be_left_alone_is_told_in_seconds_or_as_a_date(arm, azure, as_date):
    (target,) = targets(containers("swedencentral"))
    azure.control.fault("POST */stop", "status", status=429, retry_after_s=30, as_date=as_date)

    with pytest.raises(RateLimitedError) as caught:
        arm.send(target.cancel(azure.subscription, name_of(1), None))

    assert timedelta(seconds=20) <= caught.value.retry_after <= timedelta(seconds=31)


def test_a_size_is_read_in_any_case(arm):
    where = targets(learning("swedencentral", instance_type=SIZE.lower()))
    assert launch(arm, where, name_of, Work(command="true")).view.state is not State.FAILED
