"""``AzureTrainingOperator``: trains in the greenest region's Azure, and waits at no cost."""

from __future__ import annotations

import shlex
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from airflow.sdk import BaseOperator
from airflow.sdk.log import mask_secret

from airflow_carbon import clock
from airflow_carbon.azure.errors import TrainingFailedError
from airflow_carbon.core.errors import InvalidOptionError, ServiceUnavailableError
from airflow_carbon.core.flexibility import parse_duration, parse_number
from airflow_carbon.hooks.azure import DEFAULT_CONN_ID, AzureHook
from airflow_carbon.operators.portal import AzurePortalLink
from airflow_carbon.triggers.azure import AzureJobTrigger
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_carbon.azure.job import Target, Work
    from airflow_carbon.azure.launch import Launched

UPLOAD_URL: Final = "AIRFLOW_CARBON_UPLOAD_URL"

MEASURED: Final = "python -m airflow_carbon.measure --out carbon-energy.jsonl -- /bin/sh -c {}"
"""How a command is wrapped in the agent; the image needs this package, or ``measure=False``."""


class AzureTrainingOperator(BaseOperator):
    """Runs a command on Azure's GPUs in the region that was chosen, and waits for its end.

    The job's name comes from the DAG, the task, the run and the map index. A retry, a cleared task
    and a second scheduler find the job that runs and wait for it; none launches it twice. A job
    that has failed or was cancelled is launched anew, under the next number; one that has succeeded
    is not: its result is returned again. While the job runs the task is deferred, and costs no
    worker. A user who ends the task ends the job.

    A region without room for the job gives way to the next of the ``targets``, in the order of
    ``ranking`` where one is given. A spot machine that is taken away is no failure: the job is
    launched again, up to ``most_preemptions`` times, and goes on from its own checkpoint.

    The XCom is a dictionary, and key by key (``train.output["region"]``): name, region, attempt,
    resource (the job's id), state, said (Azure's word), started_at, ended_at, link, outputs,
    skipped (region: why), size (the machine's, where the target names it).

    :param command: what to run there, by ``/bin/sh``.
    :param targets: where it may run: by region, a mapping with ``kind`` (``machine_learning``,
        ``container_apps`` or ``template``) and that kind's fields.
    :param region: where it shall run, ``choose.output["region"]`` say; the first target without.
    :param ranking: the order in which to try the others, ``choose.output["ranking"]`` say.
    :param environment: variables of the command.
    :param measure: wrap the command in the measuring agent.
    :param measurement_url: where the agent puts its log at the end: a blob's URL with a signature
        (SAS) that allows to write. It is a secret: take it from a connection
        (``{{ conn.energy_log.password }}``), then Airflow masks it wherever it shows.
    :param measurement: a file into which that log is fetched, for an ``EmissionsOperator``; the
        URL must allow to read, too.
    :param timeout: how long the job may take, from now on.
    :param poll_interval: how often to look.
    :param azure_conn_id: an Airflow connection of type ``azure``.

    Raises:
        InputError: arguments that can't be.
        TrainingFailedError: the job failed, was cancelled, or was preempted too often.
        AzureRefusedError: Azure refuses the job, or no region has room.
    """

    template_fields: Sequence[str] = (
        "command",
        "targets",
        "region",
        "ranking",
        "environment",
        "measurement_url",
        "measurement",
        "timeout",
        "azure_conn_id",
    )
    operator_extra_links = (AzurePortalLink(),)
    ui_color = "#d5e8f0"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        command: str,
        targets: Mapping[str, Mapping[str, Any]],
        region: str | None = None,
        ranking: Sequence[Any] | None = None,
        environment: Mapping[str, str] | None = None,
        measure: bool = True,
        measurement_url: str | None = None,
        measurement: str | None = None,
        timeout: timedelta | str | None = None,
        poll_interval: timedelta | str = "30s",
        most_preemptions: int = 10,
        azure_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.command = command
        self.targets = targets
        self.region = region
        self.ranking = ranking
        self.environment = environment
        self.measure = measure
        self.measurement_url = measurement_url
        self.measurement = measurement
        self.timeout = timeout
        self.poll_s = parse_duration("poll_interval", poll_interval).total_seconds()
        self.most_preemptions = int(parse_number("most_preemptions", most_preemptions))
        self.azure_conn_id = azure_conn_id
        self.portal_page = ""
        if timeout is not None and not is_template(timeout):
            parse_duration("timeout", timeout)
        if not (is_template(targets) or targets):
            raise InvalidOptionError("targets", targets, "name one region or more, and its profile")

    def execute(self, context: Context) -> None:
        """Find the job or launch it, and wait."""
        if self.measurement_url:
            mask_secret(self.measurement_url)
        self._launch_and_wait(context, skipped={}, until=self._until())

    def complete(
        self, context: Context, event: dict[str, Any], until: str | None = None
    ) -> dict[str, Any]:
        """Return what became of the job; launch it again where that was not its own failure."""
        from airflow_carbon.azure.errors import CAPACITY_CODES

        skipped, view = dict(event["skipped"]), event["view"]
        if view is None:
            page = self._page("")
            raise TrainingFailedError(event["name"], "unknown", event["error"] or "", page)
        self.portal_page = view["link"] or self._page(view["resource"])
        self._fetch()
        if view["state"] == "succeeded":
            return _result(event) | {"size": self._size(event["region"])}
        state, code, message = self._why(view)
        if state == "preempted" and event["attempt"] <= self.most_preemptions:
            self.log.warning("%s lost its machine: it is launched again", event["name"])
            self._launch_and_wait(context, skipped=skipped, until=until)
        if code in CAPACITY_CODES:
            skipped[event["region"]] = f"{message} ({code})"
            self.log.warning("no room in %s: %s", event["region"], message)
            self._launch_and_wait(context, skipped=skipped, until=until)
        error = TrainingFailedError(event["name"], view["said"], message, self.portal_page)
        self.log.error("%s", error)
        raise error

    def on_kill(self) -> None:
        """Cancel nothing: while the job is found or launched, a retry will find it again."""

    def _launch_and_wait(
        self, context: Context, *, skipped: dict[str, str], until: str | None
    ) -> None:
        from airflow_carbon.azure.job import job_name
        from airflow_carbon.azure.launch import launch

        ti = context["ti"]
        key: dict[str, Any] = {
            "dag_id": ti.dag_id,
            "run_id": ti.run_id,
            "task_id": ti.task_id,
            "map_index": -1 if ti.map_index is None else ti.map_index,
        }
        with AzureHook(self.azure_conn_id).arm() as arm:
            targets = self._targets(skipped)
            launched = launch(
                arm,
                targets,
                lambda attempt: job_name(**key, attempt=attempt),
                self._work(context),
            )
        self._say(launched)
        self.portal_page = launched.view.link or self._page(launched.view.resource)
        ti.xcom_push(key=AzurePortalLink().xcom_key, value=self.portal_page)
        self.defer(
            trigger=AzureJobTrigger(
                azure_conn_id=self.azure_conn_id,
                targets={name: dict(profile) for name, profile in self.targets.items()},
                region=launched.target.region,
                name=launched.name,
                attempt=launched.attempt,
                poll_s=self.poll_s,
                until=until,
                skipped=skipped | dict(launched.skipped),
            ),
            method_name="complete",
            kwargs={"until": until},
        )

    def _targets(self, skipped: Mapping[str, str]) -> list[Target]:
        """Return where to try, in order."""
        from airflow_carbon.azure.regions import region
        from airflow_carbon.azure.target import read_targets

        targets = read_targets(self.targets)
        wanted = [self.region] if self.region else []
        wanted += [one["region"] if hasattr(one, "items") else one for one in self.ranking or []]
        order = [str(region(str(name)).name) for name in wanted]
        if self.region and order[0] not in targets:
            remedy = f"targets= has profiles for {', '.join(targets)}"
            raise InvalidOptionError("region", self.region, remedy)
        names = dict.fromkeys([*(name for name in order if name in targets), *targets])
        return [targets[name] for name in names if name not in skipped]

    def _size(self, region: str) -> str | None:
        from airflow_carbon.azure.target import read_targets

        return read_targets(self.targets)[region].size

    def _work(self, context: Context) -> Work:
        from airflow_carbon.azure.job import Work

        ti = context["ti"]
        environment = {str(k): str(v) for k, v in (self.environment or {}).items()}
        environment |= {
            "AIRFLOW_CTX_DAG_ID": ti.dag_id,
            "AIRFLOW_CTX_TASK_ID": ti.task_id,
            "AIRFLOW_CTX_DAG_RUN_ID": ti.run_id,
        }
        if self.measurement_url:
            environment[UPLOAD_URL] = self.measurement_url
        command = MEASURED.format(shlex.quote(self.command)) if self.measure else self.command
        return Work(
            command=command,
            environment=environment,
            labels={"dag": ti.dag_id, "task": ti.task_id, "run": ti.run_id},
            timeout_s=self._timeout_s(),
        )

    def _timeout_s(self) -> int | None:
        if self.timeout in {None, "", "None"}:
            return None
        return max(1, round(parse_duration("timeout", self.timeout).total_seconds()))

    def _until(self) -> str | None:
        seconds = self._timeout_s()
        return None if seconds is None else (clock.now() + timedelta(seconds=seconds)).isoformat()

    def _fetch(self) -> None:
        """Bring the agent's log home; a training that succeeded does not fail for its log."""
        from pathlib import Path

        from airflow_carbon.azure.history import fetch

        if not (self.measurement and self.measurement_url):
            return
        login = AzureHook(self.azure_conn_id).login()
        try:
            fetch(self.measurement_url, Path(self.measurement), login.ca_file)
        except (ServiceUnavailableError, OSError) as exc:
            self.log.warning("the measurement was not fetched: %s", exc)

    def _why(self, view: Mapping[str, Any]) -> tuple[str, str, str]:
        """Return how a job ended, and the code and the message of why."""
        from airflow_carbon.azure.history import failure_of
        from airflow_carbon.azure.job import State, final_state

        code, message = view["code"], view["message"]
        if not message:
            with AzureHook(self.azure_conn_id).arm() as arm:
                code, message = failure_of(arm, view["resource"])
        return final_state(State(view["state"]), code, message).value, code, message

    def _page(self, resource: str) -> str:
        return AzureHook(self.azure_conn_id).login().portal(resource)

    def _say(self, launched: Launched) -> None:
        for region, why in launched.skipped.items():
            self.log.warning("no room in %s: %s", region, why)
        word = "is there already" if launched.found else "is launched"
        self.log.info(
            "%s %s in %s: %s", launched.name, word, launched.target.region, launched.view.said
        )


def _result(event: Mapping[str, Any]) -> dict[str, Any]:
    view = event["view"]
    kept = ("resource", "state", "said", "started_at", "ended_at", "link", "outputs")
    return {
        "name": event["name"],
        "region": event["region"],
        "attempt": event["attempt"],
        "skipped": event["skipped"],
        **{key: view[key] for key in kept},
    }
