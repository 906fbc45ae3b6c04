"""How a task attends its training: launched, deferred to a trigger, stopped, launched again."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from airflow.sdk import BaseOperator
from airflow.sdk.log import mask_secret

from airflow_carbon import clock
from airflow_carbon.azure.errors import LaunchStoppedError, TrainingFailedError
from airflow_carbon.core.errors import CarbonError
from airflow_carbon.core.flexibility import parse_duration
from airflow_carbon.hooks.azure import AzureHook
from airflow_carbon.operators.portal import AzurePortalLink
from airflow_carbon.operators.training import (
    allowed,
    bring_home,
    hide,
    log_of,
    names_of,
    remember,
    targets_of,
    work_of,
)
from airflow_carbon.triggers.azure import SECOND, AzureJobTrigger
from airflow_carbon.triggers.course import Course, plain_pause, promise_of
from airflow_carbon.triggers.pausing import FollowedJobTrigger, PausedJobTrigger

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from airflow.sdk import Context

    from airflow_carbon.azure.launch import Launched

KILL_PATIENCE_S: Final = 3.5
"""How long a task that is ended looks for a job whose creation may be under way [s]."""


class AttendedTraining(BaseOperator):
    """A task whose work is a job in Azure; its fields are those of ``AzureTrainingOperator``.

    Between any two of its steps the process may be killed. What is to be done next is then in
    the deferred trigger's fields, and for a new try in Airflow's task state store; what has been
    done is seen in Azure, where a job keeps its name.
    """

    command: str
    targets: Mapping[str, Mapping[str, Any]]
    region: str | None
    ranking: Sequence[Any] | None
    residency: str | Sequence[str]
    deny: str | Sequence[str]
    environment: Mapping[str, str] | None
    measure: bool
    measurement_url: str | None
    measurement: str | None
    pause: Any
    submitted: str
    timeout: timedelta | str | None
    poll_s: float
    azure_conn_id: str
    portal_page: str
    _killed: bool = False
    _stop: Callable[..., list[str]] | None = None

    def _do_render_template_fields(self, *args: Any, **kwargs: Any) -> None:
        """Render, and mask the signatures before Airflow shows what was rendered."""
        super()._do_render_template_fields(*args, **kwargs)
        self._hide()

    def _hide(self) -> None:
        for value in (self.measurement_url, self.command, self.environment, self.targets):
            hide(value)

    def _stop_and_wait(
        self, context: Context, event: Mapping[str, Any], segments: list[dict[str, Any]]
    ) -> NoReturn:
        """Let a trigger stop the job and wait; what it is to do is kept before it is done."""
        kept = {key: event[key] for key in ("region", "name", "attempt", "skipped", "stop")}
        self.log.info("%s", kept["stop"]["said"])
        remember(context, segments, kept)
        trigger = PausedJobTrigger(
            **self._attended(kept["region"]),
            **kept,
            until=None,
            pause=self._pausing(),
            segments=segments,
        )
        self.defer(trigger=trigger, method_name="complete", kwargs={"segments": segments})

    def _resume(
        self, context: Context, event: Mapping[str, Any], segments: list[dict[str, Any]]
    ) -> None:
        """Launch a training again that was paused, where it shall go on."""
        resume, last = event["resume"], event["segment"]
        self._launch_and_wait(
            context,
            skipped=dict(event["skipped"]),
            until=self._until(),
            segments=[*segments, *([last] if last else [])],
            region=resume["region"],
            first=event["attempt"] + 1,
            follow=resume["because"] != "deadline",
        )

    def _launch_and_wait(  # noqa: PLR0913 - what is launched, where, and after what
        self,
        context: Context,
        *,
        skipped: dict[str, str],
        until: str | None,
        segments: list[dict[str, Any]],
        region: str | None = None,
        first: int = 1,
        follow: bool = True,
    ) -> NoReturn:
        from airflow_carbon.azure.alive import stop
        from airflow_carbon.azure.launch import launch
        from airflow_carbon.azure.regions import check_cloud

        if self.measurement_url:
            mask_secret(self.measurement_url)
        hook = AzureHook(self.azure_conn_id)
        name_of = names_of(context, hook.installation())
        profiles = allowed(self.targets, self.residency, self.deny)
        targets = targets_of(profiles, region or self.region, self.ranking, skipped)
        others = [one for one in targets_of(profiles, None, None, {}) if one not in targets]
        work = work_of(
            context["ti"],
            self.command,
            self.environment,
            measure=self.measure,
            log_url=self.measurement_url,
            timeout_s=self._timeout_s(),
        )
        check_cloud(profiles, hook.login().cloud)
        self._stop = partial(stop, hook.login(), [*targets, *others], name_of, first)
        with hook.arm() as arm:
            launched = launch(
                arm, targets, name_of, work, first=first, others=others, going=self._going
            )
        if self._killed:
            self._stop(patience_s=0)
            self._going()
        self._say(launched)
        over = [one for one in segments if one["attempt"] < launched.attempt]
        if self.pause:
            remember(context, over, None)
        self._wait_for(context, launched, skipped=skipped, until=until, over=over, follow=follow)

    def _wait_for(  # noqa: PLR0913 - as above
        self,
        context: Context,
        launched: Launched,
        *,
        skipped: dict[str, str],
        until: str | None,
        over: list[dict[str, Any]],
        follow: bool = True,
    ) -> NoReturn:
        from airflow_carbon.azure.job import CANCELLING

        self.portal_page = launched.view.link or self._page(launched.view.resource)
        context["ti"].xcom_push(key=AzurePortalLink().xcom_key, value=self.portal_page)
        course = self._course() if follow and not launched.view.state.is_final else None
        trigger = self._trigger(launched, over, course, until=until, skipped=skipped)
        more: dict[str, Any] = {"until": until, "segments": over}
        if launched.found and launched.view.said == CANCELLING:
            more["ending"] = True
        self.defer(trigger=trigger, method_name="complete", kwargs=more)

    def _another(self, context: Context) -> Launched | None:
        """Return a job of this training that runs elsewhere, for which another was cancelled."""
        from airflow_carbon.azure.launch import other

        hook = AzureHook(self.azure_conn_id)
        name_of = names_of(context, hook.installation())
        profiles = allowed(self.targets, self.residency, self.deny)
        with hook.arm() as arm:
            return other(arm, targets_of(profiles, None, None, {}), name_of)

    def on_kill(self) -> None:
        """End the training that is found or launched just now, also if its creation is under way.

        Airflow waits for 5 s before it kills the process.
        """
        self._killed = True
        if self._stop is not None:
            ended = self._stop(patience_s=KILL_PATIENCE_S)
            self.log.info("cancelled: %s", ", ".join(ended) or "nothing was launched")

    def _going(self) -> None:
        if self._killed:
            raise LaunchStoppedError(self.task_id)

    def _trigger(
        self,
        launched: Launched,
        over: list[dict[str, Any]],
        course: Course | None,
        *,
        until: str | None,
        skipped: dict[str, str],
    ) -> AzureJobTrigger:
        """Return who attends the job: to its end, or with a course until it should stop."""
        fields: dict[str, Any] = {
            **self._attended(launched.target.region),
            "region": launched.target.region,
            "name": launched.name,
            "attempt": launched.attempt,
            "until": until,
            "skipped": skipped | dict(launched.skipped),
        }
        if course is None:
            return AzureJobTrigger(**fields)
        promised = promise_of(course, launched.target.region, self.log)
        return FollowedJobTrigger(**fields, pause=self._pausing(), segments=over, promised=promised)

    def _attended(self, region: str) -> dict[str, Any]:
        """Return what every trigger has to know: also of a region that has since been denied."""
        whole = allowed(self.targets, "all", ())
        targets = allowed(self.targets, self.residency, self.deny)
        return {
            "azure_conn_id": self.azure_conn_id,
            "targets": {region: whole[region], **targets},
            "poll_s": self.poll_s,
        }

    def _pausing(self) -> dict[str, Any]:
        return {**plain_pause(self.pause), "submitted": self.submitted}

    def _course(self) -> Course | None:
        """Return how the training may be paused; raises for what can't be, before it runs."""
        return Course.read(self._pausing()) if self.pause else None

    def _timeout_s(self) -> int | None:
        if self.timeout in {None, "", "None"}:
            return None
        return max(1, round(parse_duration("timeout", self.timeout).total_seconds()))

    def _until(self) -> str | None:
        seconds = self._timeout_s()
        return None if seconds is None else (clock.now() + timedelta(seconds=seconds)).isoformat()

    def _fetch(self, segments: Sequence[Mapping[str, Any]]) -> None:
        """Bring the agent's logs home; a training that succeeded does not fail for its log."""
        if not (self.measure and self.measurement):
            return
        hook = AzureHook(self.azure_conn_id)
        for segment in segments:
            try:
                log = log_of(hook, segment["name"], segment["resource"], self.measurement_url)
                bring_home(log, Path(self.measurement), segment["region"])
            except (CarbonError, OSError) as exc:
                self.log.warning("the log of %s was not fetched: %s", segment["name"], exc)

    def _fetch_again(self, segments: Sequence[Mapping[str, Any]]) -> None:
        """Do so for the jobs before: what another worker has fetched is perhaps not here."""
        from airflow_carbon.azure.job import log_url

        url = self.measurement_url
        if url is None or log_url(url, "job") != url:
            self._fetch(segments)

    def _fail(
        self,
        context: Context,
        segments: list[dict[str, Any]],
        event: Mapping[str, Any],
        said: str,
        message: str,
    ) -> NoReturn:
        if self.pause:
            remember(context, segments, None)
        error = TrainingFailedError(
            event["name"], said, message, self.portal_page or self._page("")
        )
        self.log.error("%s", error)
        raise error

    def _page(self, resource: str) -> str:
        return AzureHook(self.azure_conn_id).login().portal(resource)

    def _say(self, launched: Launched) -> None:
        for region, why in launched.skipped.items():
            self.log.warning("no room in %s: %s", region, why)
        for region in launched.ended:
            self.log.warning(SECOND, region, launched.name, launched.target.region)
        word = "is there already" if launched.found else "is launched"
        self.log.info(
            "%s %s in %s: %s", launched.name, word, launched.target.region, launched.view.said
        )
