"""Profiles as DAG authors write them, names that every scheduler gives alike, and what is asked."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_carbon.azure.arm import Reply
from airflow_carbon.azure.job import State, Work, final_state, job_name
from airflow_carbon.azure.target import read_targets
from airflow_carbon.core.errors import InputError, MalformedReplyError

LEARNING = {
    "kind": "machine_learning",
    "resource_group": "ml",
    "workspace": "green",
    "environment_id": "/subscriptions/s/environments/torch/versions/1",
    "instance_type": "Standard_NC24ads_A100_v4",
    "tier": "Spot",
}
CONTAINERS = {
    "kind": "container_apps",
    "resource_group": "aca",
    "environment": "gpu",
    "image": "registry/train:1",
    "workload_profile": "gpu-a100",
}
TEMPLATE = {
    "kind": "template",
    "resource_group": "vms",
    "template": {"resources": [], "parameters": {"command": {"type": "string"}}},
    "parameters": {"size": "Standard_NC24ads_A100_v4"},
}
WORK = Work(command="python train.py", environment={"LR": "0.1"}, timeout_s=3600)


def target(profile, region="Sweden Central"):
    (found,) = read_targets({region: profile}).values()
    return found


def test_a_profile_is_read_by_the_regions_plain_name():
    assert target(LEARNING).region == "swedencentral"


@pytest.mark.parametrize(
    ("profile", "size"),
    [
        (LEARNING, "Standard_NC24ads_A100_v4"),
        ({**LEARNING, "compute": "a100"}, None),
        (CONTAINERS, "gpu-a100"),
        (TEMPLATE, None),
    ],
)
def test_a_profile_tells_the_machines_size_where_it_names_it(profile, size):
    assert target(profile).size == size


@pytest.mark.parametrize(
    ("targets", "says"),
    [
        ({}, "write a mapping of regions"),
        ({"atlantis": LEARNING}, "unknown Azure region"),
        ({"swedencentral": "ml"}, "write a mapping with kind"),
        ({"swedencentral": {}}, "kind is one of machine_learning, container_apps, template"),
        ({"swedencentral": {"kind": "batch"}}, "kind is one of"),
        ({"swedencentral": {**LEARNING, "workspace": None}}, "needs 'workspace'"),
        ({"swedencentral": {**LEARNING, "gpu": 1}}, "has no 'gpu'"),
        ({"swedencentral": {**TEMPLATE, "machine": "gpu"}}, "write {name} in it"),
    ],
)
def test_a_profile_that_can_not_be_says_what_is_wrong(targets, says):
    with pytest.raises(InputError, match=says):
        read_targets(targets)


def test_a_learning_job_names_its_machine_and_its_environment():
    ask = target(LEARNING).submit("sub", "carbon-1", WORK)

    properties = ask.body["properties"]
    assert ask.method == "PUT"
    assert ask.path.endswith("/workspaces/green/jobs/carbon-1")
    assert properties["jobType"] == "Command"
    assert properties["command"] == "python train.py"
    assert properties["resources"]["instanceType"] == "Standard_NC24ads_A100_v4"
    assert properties["queueSettings"] == {"jobTier": "Spot"}
    assert properties["limits"] == {"jobLimitsType": "Command", "timeout": "PT3600S"}
    assert properties["environmentVariables"] == {"LR": "0.1"}


def test_a_learning_job_on_a_cluster_names_it_by_its_id():
    on_cluster = {**LEARNING, "instance_type": None, "tier": None, "compute": "a100"}
    properties = target(on_cluster).submit("sub", "carbon-1", WORK).body["properties"]

    assert properties["computeId"].endswith("/workspaces/green/computes/a100")
    assert "resources" not in properties


def test_a_container_job_runs_the_command_once_and_in_time():
    ask = target(CONTAINERS).submit("sub", "carbon-1", WORK)

    properties = ask.body["properties"]
    (container,) = properties["template"]["containers"]
    assert properties["environmentId"].endswith("/Microsoft.App/managedEnvironments/gpu")
    assert properties["configuration"]["replicaTimeout"] == 3600
    assert properties["configuration"]["replicaRetryLimit"] == 0
    assert container["command"] + container["args"] == ["/bin/sh", "-c", "python train.py"]
    assert container["env"] == [{"name": "LR", "value": "0.1"}]


def test_a_template_is_given_the_parameters_that_it_declares():
    ask = target(TEMPLATE).submit("sub", "carbon-1", WORK)

    assert ask.body["properties"]["parameters"] == {
        "command": {"value": "python train.py"},
        "size": {"value": "Standard_NC24ads_A100_v4"},
    }


def test_a_templates_script_is_the_environment_and_the_command():
    declared = {"resources": [], "parameters": {"script": {"type": "secureString"}}}
    url = "https://a.example/logs?sr=c&sig=x"
    work = Work(command="python train.py", environment={"WORD": "it's"}, log_url=url, is_one=True)
    body = target({**TEMPLATE, "template": declared}).submit("sub", "carbon-1", work).body

    script = body["properties"]["parameters"]["script"]["value"]
    assert script.splitlines() == [
        "export WORD='it'\"'\"'s'",
        "export AIRFLOW_CARBON_UPLOAD_URL='https://a.example/logs/carbon-1.jsonl?sr=c&sig=x'",
        "exec python train.py",
    ]


@pytest.mark.parametrize("profile", [LEARNING, CONTAINERS, TEMPLATE])
def test_no_secret_of_a_job_is_in_its_repr(profile):
    secret = Work(command="x", environment={"KEY": "hush-hush"})
    work = target({**profile, **({"parameters": {"k": "hush"}} if "template" in profile else {})})

    asked = repr(work.submit("sub", "carbon-1", secret))
    assert "hush" not in repr(secret) + repr(work) + asked


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("NotStarted", State.PENDING),
        ("Queued", State.PENDING),
        ("Paused", State.PENDING),
        ("a word of tomorrow", State.PENDING),
        ("Running", State.RUNNING),
        ("CancelRequested", State.RUNNING),
        ("Completed", State.SUCCEEDED),
        ("Failed", State.FAILED),
        ("Canceled", State.CANCELLED),
    ],
)
def test_what_machine_learning_says_of_a_job(said, state):
    view = target(LEARNING).look("sub", "j").read(reply(properties={"status": said}))

    assert view.state is state
    assert view.said == said


def reply(status=200, **body):
    return Reply(status=status, headers={}, body={"id": "/subscriptions/sub/x", **body})


def test_a_spot_machine_that_was_taken_away_is_no_failure():
    services = {"Studio": {"endpoint": "https://ml", "errorMessage": "The node was preempted."}}
    view = (
        target(LEARNING)
        .look("sub", "j")
        .read(reply(properties={"status": "Failed", "services": services}))
    )

    assert view.state is State.PREEMPTED
    assert view.link == "https://ml"
    assert view.message == "The node was preempted."


@pytest.mark.parametrize("said", ["KeyError: 'eviction_policy'", "the gate was preempted"])
def test_a_job_that_failed_by_itself_was_not_taken_away_whatever_its_log_says(said):
    message = f"Execution failed. User process 'sh' exited with status code 1. Error: {said}"

    assert final_state(State.FAILED, "UserError", message) is State.FAILED
    assert final_state(State.FAILED, "ServiceError", message) is State.PREEMPTED


def test_a_deployment_that_failed_gives_the_innermost_reason():
    error = {
        "code": "DeploymentFailed",
        "message": "At least one resource deployment operation failed.",
        "details": [{"code": "SkuNotAvailable", "message": "No A100 in westeurope."}],
    }
    view = (
        target(TEMPLATE)
        .look("sub", "j")
        .read(reply(properties={"provisioningState": "Failed", "error": error}))
    )

    assert view.state is State.FAILED
    assert (view.code, view.message) == ("SkuNotAvailable", "No A100 in westeurope.")


def test_a_container_job_is_its_first_execution():
    def execution(name, status, at):
        return {"name": name, "properties": {"status": status, "startTime": at}}

    view = (
        target(CONTAINERS)
        .look("sub", "j")
        .read(
            reply(
                value=[
                    execution("late", "Running", "2026-11-20T12:00:00+00:00"),
                    execution("first", "Succeeded", "2026-11-20T11:00:00+00:00"),
                ]
            )
        )
    )

    assert (view.state, view.part) == (State.SUCCEEDED, "first")


key = st.text(min_size=1, max_size=250)


@given(key, key, key, st.integers(-1, 10_000), st.integers(1, 100))
def test_a_name_is_always_one_that_azure_takes(dag, run, task, index, attempt):
    name = job_name(dag_id=dag, run_id=run, task_id=task, map_index=index, attempt=attempt)

    assert len(name) <= 32
    assert name == name.lower()
    assert name.replace("-", "").isalnum()
    assert name[0].isalpha()
    assert name == job_name(dag_id=dag, run_id=run, task_id=task, map_index=index, attempt=attempt)


def test_trainings_that_differ_in_anything_have_different_names():
    known = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "attempt": 1}
    others = [{**known, key: value} for key, value in [("dag_id", "e"), ("run_id", "s")]]
    others += [{**known, "task_id": "u"}, {**known, "map_index": 0}, {**known, "attempt": 2}]

    assert len({job_name(**one) for one in [known, *others]}) == 6


@pytest.mark.parametrize("profile", [LEARNING, CONTAINERS, TEMPLATE])
def test_an_answer_of_another_shape_is_no_answer(profile):
    ask = target(profile).look("sub", "j")

    with pytest.raises((KeyError, TypeError, MalformedReplyError)):
        ask.read(Reply(status=200, headers={}, body={"surprise": 1}))
