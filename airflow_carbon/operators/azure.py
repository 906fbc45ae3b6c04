"""``AzureTrainingOperator``: trains in the greenest region's Azure, and waits at no cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_carbon.azure.errors import CAPACITY_CODES
from airflow_carbon.azure.regions import resident
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_duration, parse_number
from airflow_carbon.hooks.azure import DEFAULT_CONN_ID, AzureHook
from airflow_carbon.operators.attending import AttendedTraining
from airflow_carbon.operators.portal import AzurePortalLink
from airflow_carbon.operators.training import (
    check_pausable,
    recall,
    result_of,
    segment_of,
    size_of,
    why,
)
from airflow_carbon.triggers.course import plain_pause
from airflow_carbon.triggers.request import SUBMITTED, is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import timedelta

    from airflow.sdk import Context


class AzureTrainingOperator(AttendedTraining):
    """Runs a command on Azure's GPUs in the region that was chosen, and waits for its end.

    The job's name comes from the DAG, the task, the run and the map index. A retry, a cleared task
    and a second scheduler find the job that runs and wait for it; none launches it twice. A job
    that has failed or was cancelled is launched anew, under the next number; one that has succeeded
    is not: its result is returned again. While the job runs the task is deferred, and costs no
    worker. A user who ends the task ends the job.

    A region without room for the job gives way to the next of the ``targets``, in the order of
    ``ranking`` where one is given. A spot machine that is taken away is no failure: the job is
    launched again, up to ``most_preemptions`` times, and goes on from its own checkpoint.

    With ``pause=`` a job that checkpoints is ended when reality leaves the forecast and a later
    window, or another region, is worth the stop, and launched again then. It is never late for it.

    The XCom is a dictionary, and key by key (``train.output["region"]``): name, region, attempt,
    resource (the job's id), state, said (Azure's word), started_at, ended_at, link, outputs,
    skipped (region: why), size (the machine's, where the target names it), segments (region, name,
    attempt, started_at, ended_at and why it ended).

    :param command: what to run there, by ``/bin/sh``.
    :param targets: where it may run: by region, a mapping with ``kind`` (``machine_learning``,
        ``container_apps`` or ``template``) and that kind's fields.
    :param region: where it shall run, ``choose.output["region"]`` say; the first target without.
    :param ranking: the order in which to try the others, ``choose.output["ranking"]`` say.
    :param residency: where the data must stay, as for ``ChooseRegionOperator``: targets that do
        not lie there are never used.
    :param deny: targets that are never used, whatever it would save and wherever else is no room;
        as for ``ChooseRegionOperator``.
    :param environment: variables of the command.
    :param measure: wrap the command in the measuring agent.
    :param measurement_url: where the agent puts its log at the end: the URL of a container, in
        which each job gets a blob of its own, or of one blob, with a signature (SAS) that
        allows to create and write. It is a secret: take it from a connection
        (``{{ conn.energy_log.password }}``), then Airflow masks it wherever it shows.
    :param measurement: a file into which that log is fetched, for an ``EmissionsOperator``; the
        URL must allow to read, too. Without it, or if it fails, the log is looked for in what a
        job of Azure Machine Learning has printed.
    :param pause: when to pause and go on: a mapping with the sensor's ``duration``, ``deadline``,
        ``max_delay``, ``earliest``, ``policy`` of the whole training; ``stopping``, what a stop
        costs (:class:`~airflow_carbon.core.costs.Stopping`); ``moving``, what a move to the
        region of another target costs, or true for as much, without it the training stays;
        ``drift`` (:class:`~airflow_carbon.core.costs.Drift`), ``min_saving``, ``carbon_conn_id``.
    :param timeout: how long the job may take, from each start on.
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
        "residency",
        "deny",
        "environment",
        "measurement_url",
        "measurement",
        "pause",
        "submitted",
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
        residency: str | Sequence[str] = "all",
        deny: str | Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        measure: bool = True,
        measurement_url: str | None = None,
        measurement: str | None = None,
        pause: Mapping[str, Any] | None = None,
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
        self.residency = residency
        self.deny = deny
        self.environment = environment
        self.measure = measure
        self.measurement_url = measurement_url
        self.measurement = measurement
        self.pause = plain_pause(pause)
        self.submitted = SUBMITTED
        self.timeout = timeout
        self.poll_s = parse_duration("poll_interval", poll_interval).total_seconds()
        self.most_preemptions = int(parse_number("most_preemptions", most_preemptions))
        self.azure_conn_id = azure_conn_id
        self.portal_page = ""
        self._hide()
        if timeout is not None and not is_template(timeout):
            parse_duration("timeout", timeout)
        if not (is_template(targets) or targets):
            raise InvalidOptionError("targets", targets, "name one region or more, and its profile")
        if not any(map(is_template, (targets, residency, deny))):
            resident(list(targets), residency, deny)
        if pause and not is_template(targets):
            check_pausable(targets)

    def execute(self, context: Context) -> None:
        """Find the job or launch it, and wait; a training that is paused stays paused."""
        if self.pause:
            check_pausable(self.targets)
        segments, stopping = recall(context) if self._course() else ([], {})
        if stopping:
            self._stop_and_wait(context, stopping, segments)
        self._launch_and_wait(context, skipped={}, until=self._until(), segments=segments)

    def complete(
        self,
        context: Context,
        event: dict[str, Any],
        until: str | None = None,
        segments: list[dict[str, Any]] | None = None,
        ending: bool = False,  # noqa: FBT001, FBT002 - Airflow gives it by name
    ) -> dict[str, Any]:
        """Return what became of the job; launch it again where that was not its own failure.

        ``ending``: it was found when it had been cancelled, and had not ended.
        """
        over, skipped, view = list(segments or []), dict(event["skipped"]), event["view"]
        if event.get("stop"):
            self._stop_and_wait(context, event, over)
        if view is None:
            self._fail(context, over, event, "unknown", event["error"] or "")
        self.portal_page = view["link"] or self._page(view["resource"])
        job = {"name": event["name"], "region": event["region"], "resource": view["resource"]}
        self._fetch([job])
        if event.get("resume"):
            self._resume(context, event, over)
        if view["state"] == "succeeded":
            self._fetch_again(over)
            over += segment_of(event, "succeeded")
            return result_of(event, over, size_of(self.targets, event["region"]))
        state, code, message = why(AzureHook(self.azure_conn_id), view)
        over += segment_of(event, state)
        lost = sum(one["ended"] == "preempted" for one in over)
        if state == "preempted" and lost <= self.most_preemptions:
            self.log.warning("%s lost its machine: it is launched again", event["name"])
            self._launch_and_wait(context, skipped=skipped, until=until, segments=over)
        if ending and state == "cancelled":
            self.log.info("%s has ended: it is launched anew", event["name"])
            self._launch_and_wait(context, skipped=skipped, until=self._until(), segments=over)
        if state == "cancelled" and (other := self._another(context)):
            self.log.warning("%s was one too many: %s it is", event["name"], other.name)
            self._wait_for(context, other, skipped=skipped, until=until, over=over)
        if code in CAPACITY_CODES:
            skipped[event["region"]] = f"{message} ({code})"
            self.log.warning("no room in %s: %s", event["region"], message)
            self._launch_and_wait(context, skipped=skipped, until=until, segments=over)
        return self._fail(context, over, event, view["said"], message)
