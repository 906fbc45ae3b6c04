"""What a training in Azure is made of: where it may run, what runs, what is kept of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, quote_plus, unquote_plus

from airflow.sdk.log import mask_secret

from airflow_carbon.core.errors import (
    InvalidOptionError,
    MeasurementError,
    ServiceUnavailableError,
)
from airflow_carbon.core.handover import SAY_LOG

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_carbon.azure.job import Target, Work
    from airflow_carbon.hooks.azure import AzureHook

MEASURED: Final = "python -m airflow_carbon.measure --out carbon-energy.jsonl -- /bin/sh -c {}"
"""How a command is wrapped in the agent; the image needs this package, or ``measure=False``."""

_SIGNATURE: Final = re.compile(r"[?&]sig=([\w%+/=.~-]{8,})")
"""What authorises who has a URL with a shared access signature (Microsoft, "Create a service
SAS", 2025)."""

STATE: Final = "carbon_training"
"""The key in Airflow's task state store, which outlives a try."""


def allowed(
    profiles: object, residency: str | Sequence[str], deny: str | Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the targets by region's name, without those that are denied.

    Raises:
        InputError: a profile or a place that can't be; none is left.
    """
    from airflow_carbon.azure.regions import region, resident
    from airflow_carbon.azure.target import read_targets

    left = {str(one.name) for one in resident(list(read_targets(profiles)), residency, deny)}
    given: Mapping[str, Any] = profiles  # type: ignore[assignment] # a mapping, as it was read
    named = {str(region(name).name): dict(profile) for name, profile in given.items()}
    return {name: profile for name, profile in named.items() if name in left}


def targets_of(
    profiles: object, region: str | None, ranking: Sequence[Any] | None, skipped: Mapping[str, str]
) -> list[Target]:
    """Return where to try, in order.

    Raises:
        InputError: a profile or a region that can't be.
    """
    from airflow_carbon.azure.regions import region as region_by_name
    from airflow_carbon.azure.target import read_targets

    targets = read_targets(profiles)
    wanted = [region] if region else []
    wanted += [one["region"] if hasattr(one, "items") else one for one in ranking or []]
    order = [str(region_by_name(str(name)).name) for name in wanted]
    if region and order[0] not in targets:
        remedy = f"targets= has profiles for {', '.join(targets)}"
        raise InvalidOptionError("region", region, remedy)
    names = dict.fromkeys([*(name for name in order if name in targets), *targets])
    return [targets[name] for name in names if name not in skipped]


def check_pausable(profiles: Any) -> None:
    """Refuse what can't be paused: a deployment that can't be told from its machine.

    Raises:
        InvalidOptionError: a target of the kind ``template`` that names no ``machine``.
    """
    for name, profile in getattr(profiles, "items", dict)():
        is_template = hasattr(profile, "get") and profile.get("kind") == "template"
        if is_template and not profile.get("machine"):
            remedy = "pause= needs the template's machine= to be named, or it would train on"
            option = f"targets[{name!r}]"
            raise InvalidOptionError(option, "template", remedy)


def names_of(context: Context, installation: str) -> Callable[[int], str]:
    """Return what names the attempts at the training of a task instance, whichever try asks."""
    from airflow_carbon.azure.job import job_name

    ti = context["ti"]
    training = {
        "dag_id": ti.dag_id,
        "run_id": ti.run_id,
        "task_id": ti.task_id,
        "map_index": -1 if ti.map_index is None else ti.map_index,
        "installation": installation,
    }
    return lambda attempt: job_name(attempt=attempt, **training)


def work_of(  # noqa: PLR0913 - each is a word of the DAG author's
    ti: Any,
    command: str,
    environment: Mapping[str, str] | None,
    *,
    measure: bool,
    log_url: str | None,
    timeout_s: int | None,
) -> Work:
    """Return what is to run for a task instance."""
    from airflow_carbon.azure.job import Work

    variables = {str(k): str(v) for k, v in (environment or {}).items()}
    variables |= {
        "AIRFLOW_CTX_DAG_ID": ti.dag_id,
        "AIRFLOW_CTX_TASK_ID": ti.task_id,
        "AIRFLOW_CTX_DAG_RUN_ID": ti.run_id,
    }
    if measure:
        variables[SAY_LOG] = "1"
    return Work(
        command=MEASURED.format(shlex.quote(command)) if measure else command,
        environment=variables,
        log_url=log_url,
        labels={"dag": ti.dag_id, "task": ti.task_id, "run": ti.run_id},
        timeout_s=timeout_s,
        is_one=measure,
    )


def hide(value: object) -> None:
    """Keep the signatures of URLs (SAS) out of the logs and the rendered fields, however nested.

    ``value``: whatever an author of a DAG writes; a signature is masked as it stands, and decoded.
    """
    if isinstance(value, str):
        for written in _SIGNATURE.findall(value):
            signature = unquote_plus(written)
            for secret in {written, signature, quote(signature, safe=""), quote_plus(signature)}:
                mask_secret(secret)
    elif isinstance(value, Mapping):
        for one in value.values():
            hide(one)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for one in value:
            hide(one)


def log_of(hook: AzureHook, name: str, resource: str, url: str | None) -> bytes:
    """Return the agent's log of a job: from its blob, else from what the job has printed.

    Raises:
        CarbonError: it can't be had.
    """
    from airflow_carbon.azure.job import log_url
    from airflow_carbon.azure.logs import fetch, printed
    from airflow_carbon.meters.spoken import heard

    missing = "measurement_url= is not given"
    if url:
        blob = log_url(url, name)
        mask_secret(blob)
        try:
            return fetch(blob, hook.login().ca_file)
        except ServiceUnavailableError as exc:
            missing = str(exc)
    with hook.arm() as arm:
        log = heard(printed(arm, resource))
    if log is None:
        fault = f"the job has printed no log of the agent's, and {missing}"
        raise MeasurementError(resource, fault)
    return log


def why(hook: AzureHook, view: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return how a job ended, and the code and the message of why."""
    from airflow_carbon.azure.history import failure_of
    from airflow_carbon.azure.job import State, final_state

    code, message = view["code"], view["message"]
    if not message:
        with hook.arm() as arm:
            code, message = failure_of(arm, view["resource"])
    return final_state(State(view["state"]), code, message).value, code, message


def bring_home(log: bytes, to: Path, region: str) -> None:
    """Join the agent's log of a segment to those of the segments before.

    Raises:
        OSError: the file can't be written.
    """
    from airflow_carbon.meters.joining import join

    to.parent.mkdir(parents=True, exist_ok=True)
    fetched = to.with_name(f"{to.name}.fetched")
    fetched.write_bytes(log)
    join(to, fetched, region)
    fetched.unlink()


def segment_of(event: Mapping[str, Any], state: str) -> list[dict[str, Any]]:
    """Return the segment of a job that is over, as plain values; none where it never ran."""
    view = event["view"]
    if not (view["started_at"] and view["ended_at"]):
        return []
    segment = {
        "region": event["region"],
        "name": event["name"],
        "attempt": event["attempt"],
        "started_at": view["started_at"],
        "ended_at": view["ended_at"],
        "ended": state,
        "resource": view["resource"],
    }
    return [segment]


def size_of(profiles: object, region: str) -> str | None:
    """Return the machine's size, where the target of a region names it."""
    from airflow_carbon.azure.target import read_targets

    return read_targets(profiles)[region].size


def result_of(
    event: Mapping[str, Any], segments: Sequence[Mapping[str, Any]], size: str | None
) -> dict[str, Any]:
    """Return the XCom."""
    view = event["view"]
    kept = ("resource", "state", "said", "started_at", "ended_at", "link", "outputs")
    return {
        "name": event["name"],
        "region": event["region"],
        "attempt": event["attempt"],
        "skipped": event["skipped"],
        "size": size,
        "segments": [dict(one) for one in segments],
        **{key: view[key] for key in kept},
    }


def remember(context: Context, segments: list[dict[str, Any]], stop: dict[str, Any] | None) -> None:
    """Keep for the next try which segments are over, and which job is being stopped."""
    store = context.get("task_state_store")
    if store is not None:
        kept: Any = {"segments": segments, "stop": stop or {}}
        store.set(STATE, kept)


def recall(context: Context) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return what an earlier try has kept: the segments, and the job that was being stopped."""
    store = context.get("task_state_store")
    kept: Any = store.get(STATE) if store is not None else None
    if not kept:
        return [], {}
    return list(kept["segments"]), dict(kept["stop"])
