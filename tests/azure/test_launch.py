"""Trainings on a stand-in for Azure, through the real SDK over TLS: one job, found or launched."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace

import pytest
from launching import SIZE, containers, ended, learning, name_of, targets

from airflow_carbon.azure.arm import Arm
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.history import failure_of
from airflow_carbon.azure.job import State, Work
from airflow_carbon.azure.launch import launch
from airflow_carbon.azure.logs import fetch, printed
from airflow_carbon.core.errors import AccessRefusedError, RateLimitedError, ServiceUnavailableError
from airflow_carbon.meters.spoken import heard
from airflow_carbon.meters.upload import upload


@pytest.mark.parametrize("profile", [learning, containers])
def test_a_command_runs_and_its_end_is_seen(arm, azure, tmp_path, profile):
    work = Work(command=f"echo $WORD > {tmp_path}/done", environment={"WORD": "green"})

    launched = launch(arm, targets(profile("swedencentral")), name_of, work)

    assert not launched.found
    assert launched.attempt == 1
    assert ended(arm, launched).state is State.SUCCEEDED
    assert (tmp_path / "done").read_text() == "green\n"
    assert azure.control.starts(launched.name) == 1


@pytest.mark.parametrize("profile", [learning, containers])
def test_who_died_after_submitting_finds_the_job_again(arm, azure, profile):
    where = targets(profile("swedencentral"))
    first = launch(arm, where, name_of, Work(command="sleep 1"))

    again = launch(arm, where, name_of, Work(command="sleep 1"))

    assert again.found
    assert again.name == first.name
    ended(arm, again)
    assert azure.control.starts(first.name) == 1


def test_a_container_job_whose_creator_died_before_starting_it_is_started(arm, azure):
    (target,) = targets(containers("swedencentral"))
    arm.send(target.submit(azure.subscription, name_of(1), Work(command="true")))
    waits = []

    def pause(seconds):
        waits.append(seconds)
        time.sleep(seconds / 100)

    launched = launch(arm, [target], name_of, Work(command="true"), pause=pause)

    assert launched.found
    assert sum(waits) >= 30
    assert ended(arm, launched).state is State.SUCCEEDED
    assert azure.control.starts(name_of(1)) == 1


def test_who_comes_a_moment_later_with_another_body_gets_the_job_that_is_there(arm, azure):
    (target,) = targets(learning("swedencentral"))
    first = Work(command="sleep 1", environment={"URL": "one"})
    arm.send(target.submit(azure.subscription, name_of(1), first))
    azure.control.fault("GET */jobs/*", "status", status=404)  # looked before the first came

    late = launch(arm, [target], name_of, Work(command="sleep 1", environment={"URL": "two"}))

    assert late.found
    assert ended(arm, late).state is State.SUCCEEDED
    assert azure.control.starts(name_of(1)) == 1


def test_a_job_that_azure_does_not_take_says_why(arm):
    with pytest.raises(AzureRefusedError, match="command"):
        launch(arm, targets(learning("swedencentral")), name_of, Work(command=""))


def test_what_has_failed_is_launched_anew_and_what_has_succeeded_is_not(arm, azure):
    where = targets(learning("swedencentral"))
    failed = launch(arm, where, name_of, Work(command="exit 3"))
    assert ended(arm, failed).state is State.FAILED

    second = launch(arm, where, name_of, Work(command="true"))
    assert (second.attempt, second.found) == (2, False)
    assert ended(arm, second).state is State.SUCCEEDED

    third = launch(arm, where, name_of, Work(command="true"))
    assert (third.attempt, third.found) == (2, True)
    assert azure.control.starts(second.name) == 1


def test_a_job_in_another_region_is_found_there(arm, azure):
    launch(arm, targets(learning("westeurope")), name_of, Work(command="sleep 2"))
    where = targets(learning("swedencentral"), learning("westeurope"))

    again = launch(arm, where, name_of, Work(command="sleep 2"))

    assert again.found
    assert again.target.region == "westeurope"


def test_a_workspace_that_is_not_there_is_said(arm):
    where = targets(learning("swedencentral", workspace="nowhere"))

    with pytest.raises(AzureRefusedError, match="nowhere"):
        launch(arm, where, name_of, Work(command="true"))


def test_a_login_that_does_not_work_is_said_without_its_secret(login, azure):
    wrong = replace(login, client_secret=f"hush-{1}")
    with Arm(wrong) as arm, pytest.raises(AccessRefusedError) as caught:
        launch(arm, targets(learning("swedencentral")), name_of, Work(command="true"))

    assert "the login does not work" in str(caught.value)
    assert "hush" not in str(caught.value) + repr(wrong)


def test_a_token_that_expired_is_renewed(arm, azure):
    where = targets(learning("swedencentral"))
    launched = launch(arm, where, name_of, Work(command="true"))
    azure.control.revoke_tokens()

    assert ended(arm, launched).state is State.SUCCEEDED


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "status", "status": 503}, ServiceUnavailableError),
        ({"kind": "drop"}, ServiceUnavailableError),
        ({"kind": "status", "status": 429, "retry_after_s": 7}, RateLimitedError),
    ],
)
def test_azure_that_is_unwell_is_no_refusal_and_a_start_is_never_sent_twice(
    arm, azure, fault, error
):
    (target,) = targets(containers("swedencentral"))
    subscription = azure.subscription
    arm.send(target.submit(subscription, name_of(1), Work(command="true")))
    azure.control.fault("POST */start", **fault)

    with pytest.raises(error):
        arm.send(target.start(subscription, name_of(1)))

    assert azure.control.count("POST */start") == 1


def test_whatever_asks_azure_asks_in_this_packages_name(login, azure, tmp_path):
    azure.control.reset()
    azure.control.expire_tokens()
    url = azure.control.sas("logs", "run.jsonl", base=azure.plain_url)
    (tmp_path / "log").write_text("{}\n")

    with Arm(login) as fresh:
        launched = launch(
            fresh, targets(learning("swedencentral")), name_of, Work(command="exit 3")
        )
        failure_of(fresh, ended(fresh, launched).resource)
    assert upload(tmp_path / "log", url)
    fetch(url)

    asked = azure.control.asked()
    assert any("/oauth2/" in line for line in asked)
    assert any(line.startswith("PUT /logs") or "run.jsonl" in line for line in asked)
    assert all("airflow-carbon/" in agent for agent in azure.control.order("agents"))


def test_a_cancelled_job_ends_its_command(arm, azure):
    where = targets(learning("swedencentral"))
    launched = launch(arm, where, name_of, Work(command="sleep 60"))

    arm.send(launched.target.cancel(azure.subscription, launched.name, None))

    assert ended(arm, launched).state is State.CANCELLED


def test_what_a_job_died_of_is_told_in_its_own_words(arm):
    where = targets(learning("swedencentral"))
    launched = launch(arm, where, name_of, Work(command="echo no data at /mnt; exit 3"))
    view = ended(arm, launched)

    code, message = failure_of(arm, view.resource)

    assert code == "UserError"
    assert "exited with status code 3" in message
    assert "no data at /mnt" in message


@pytest.mark.parametrize(
    "resource", ["/subscriptions/x", "/subscriptions/s/workspaces/w/jobs/none"]
)
def test_what_nobody_can_say_is_left_empty(arm, resource):
    assert failure_of(arm, resource) == ("", "")


def soon(seconds):
    """Rest for less long than production does, and long enough for the stand-in."""
    time.sleep(min(seconds, 0.3))


def test_a_region_without_room_for_an_app_job_gives_way_and_is_named(arm, azure):
    azure.control.no_capacity("swedencentral", "SkuNotAvailable", SIZE)
    where = targets(containers("swedencentral"), containers("westeurope"))

    launched = launch(arm, where, name_of, Work(command="true"), pause=soon)

    assert launched.target.region == "westeurope"
    assert "SkuNotAvailable" in launched.skipped["swedencentral"]
    again = launch(arm, where, name_of, Work(command="true"), pause=soon)
    assert again.found
    assert again.target.region == "westeurope"
    assert azure.control.starts(name_of(1)) == 1


def test_no_room_anywhere_says_so(arm, azure):
    azure.control.no_capacity("swedencentral", "QuotaExceeded", SIZE)

    with pytest.raises(AzureRefusedError, match="name more regions or sizes in targets="):
        launch(arm, targets(containers("swedencentral")), name_of, Work(command="true"))


def test_a_log_is_fetched_and_no_error_tells_its_signature(azure):
    url = azure.control.sas("logs", "run.jsonl")

    with pytest.raises(ServiceUnavailableError) as caught:
        fetch(url, azure.ca)
    assert "sig=" not in str(caught.value)

    azure.control.client.put(url, content=b"one\n", headers={"x-ms-blob-type": "BlockBlob"})
    assert fetch(url, azure.ca) == b"one\n"


def test_a_log_that_went_nowhere_is_found_among_what_the_job_printed(arm, azure):
    agent = f"{sys.executable} -m airflow_carbon.measure --out energy.jsonl --"
    work = Work(
        command=f"echo first; {agent} sleep 0.3; cat energy.jsonl; echo last",
        environment={"AIRFLOW_CARBON_SAY_LOG": "1"},
    )
    launched = launch(arm, targets(learning("swedencentral")), name_of, work)
    ended(arm, launched)

    text = printed(arm, launched.view.resource)
    log = heard(text)
    assert log is not None
    assert json.loads(log.splitlines()[-1])["type"] == "end"
    assert log.decode() in text
