"""``PlanQueueOperator``: plans a queue of DAG runs together, and starts each at its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon import clock
from airflow_carbon.azure.regions import resident
from airflow_carbon.core.auto import NOT_ASKED
from airflow_carbon.core.errors import RunsNotStartedError
from airflow_carbon.core.estimate import STATED
from airflow_carbon.core.flexibility import parse_flag, parse_instant
from airflow_carbon.core.policy import Policy
from airflow_carbon.core.queue import read_queue, span_of
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.past_runs import history
from airflow_carbon.hooks.runs import RunRequest, start_run
from airflow_carbon.triggers.request import SUBMITTED, is_template, plain_policy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from airflow.sdk import Context

    from airflow_carbon.core.auto import Answer, LearnFrom
    from airflow_carbon.core.estimate import History
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.queue import QueuedRun
    from airflow_carbon.core.queue_plan import QueuePlan, Start
    from airflow_carbon.core.region import Region


class PlanQueueOperator(BaseOperator):
    """Plans DAG runs that share slots, and creates each to start when it emits least.

    A run that waits for its time costs nothing: it is a row in Airflow's database with a
    ``run_after`` to come, no task, no trigger. Its id is ``carbon__`` with this run's id and its
    name in the queue, so that a retry finds the runs of the first try and starts none twice. Its
    ``conf`` has ``carbon_plan`` (region, zone, start, end, mean_g_per_kwh, reason, ...) and
    ``carbon_aware`` false: a ``CarbonAwareSensor`` in it does not wait once more.

    The XCom is a dictionary, and key by key: ``starts`` (the arguments for
    ``TriggerDagRunOperator.partial(...).expand_kwargs``, which starts the runs in place of this
    operator if ``dry_run`` is set), ``total_g``, ``bound_g`` (no plan emits less), ``left_out``
    (region: why) and ``without_slot`` (names).

    :param runs: the queue: mappings with ``dag_id`` and ``duration``, and ``name``,
        ``max_delay``, ``deadline``, ``earliest``, ``policy``, ``power_kw`` or ``energy_kwh``,
        ``regions``, ``pool``, ``conf`` where they are needed. A duration or an energy may be
        ``auto, else 2h``: what past runs tell (``learn_from``: of which of the DAG's tasks).
    :param regions: where runs may go that name no regions; as in ``ChooseRegionOperator``.
    :param residency: where the data must stay; of the ``regions`` only those that lie there.
    :param slots: how many runs at once in each region, a number or a mapping of regions.
    :param slots_by_pool: how many runs at once of each ``pool`` that the runs name.
    :param policy: the policy of runs that name none.
    :param dry_run: plans and says so, but starts nothing.

    Raises:
        InputError: at DAG parse where the mistake is visible there.
    """

    template_fields: Sequence[str] = (
        "runs",
        "regions",
        "residency",
        "slots",
        "slots_by_pool",
        "policy",
        "is_dry_run",
        "carbon_conn_id",
        "submitted",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        runs: Sequence[Mapping[str, Any]],
        regions: str | Sequence[str] = "all",
        residency: str | Sequence[str] = "all",
        slots: int | Mapping[str, int] | None = None,
        slots_by_pool: Mapping[str, int] | None = None,
        policy: Policy | Mapping[str, Any] | str | None = None,
        dry_run: bool | str = False,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault("multiple_outputs", True)
        super().__init__(**kwargs)
        self.runs = runs
        self.regions = regions
        self.residency = residency
        self.slots = slots
        self.slots_by_pool = slots_by_pool
        self.policy = plain_policy(policy)
        self.is_dry_run = dry_run
        self.carbon_conn_id = carbon_conn_id
        self.submitted = SUBMITTED
        if not (is_template(regions) or is_template(residency)):
            resident(regions, residency)
        if not (is_template(runs) or is_template(policy)):
            read_queue(runs, Policy.read(self.policy))

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask for each region's forecast, plan, and create the runs."""
        from airflow_carbon.core.queue_plan import plan_queue

        submitted = parse_instant("submitted", self.submitted)
        answers, queue = self._taught(read_queue(self.runs, Policy.read(self.policy)))
        usual = resident(self.regions, self.residency)
        allowed = {run.name: self._regions(run) or usual for run in queue}
        everywhere = list(dict.fromkeys(one for regions in allowed.values() for one in regions))
        forecasts = self._forecasts(everywhere, queue, submitted) if queue else {}
        planned = plan_queue(
            queue,
            allowed,
            forecasts,
            submitted=submitted,
            now=clock.now(),
            slots=self._slots(everywhere),
            pool_slots=self.slots_by_pool,
        )
        self._say(planned)
        requests = [
            _request(one, context["run_id"], answers[one.run.name]) for one in planned.starts
        ]
        if not parse_flag("dry_run", self.is_dry_run):
            self._start(requests)
        return _outcome(planned, requests)

    def _taught(self, queue: Sequence[QueuedRun]) -> tuple[dict[str, Answer], list[QueuedRun]]:
        """Ask the ledger for what is ``auto``, once for each task."""
        hook = CarbonHook(self.carbon_conn_id)
        known: dict[LearnFrom, History] = {}
        answers: dict[str, Answer] = {}
        for run in queue:
            asked, answers[run.name] = run.question, NOT_ASKED
            if asked is None:
                continue
            if asked.learn_from not in known:
                known[asked.learn_from] = history(asked.learn_from, hook)
            answers[run.name] = asked.answer(known[asked.learn_from])
            self.log.info("%s: %s", run.name, answers[run.name].sentence())
        return answers, [run.taught(answers[run.name]) for run in queue]

    def _regions(self, run: QueuedRun) -> list[Region]:
        return resident(run.regions, self.residency) if run.regions else []

    def _slots(self, regions: Sequence[Region]) -> Mapping[str, int] | None:
        if self.slots is None or isinstance(self.slots, Mapping):
            return self.slots
        return {str(region.name): self.slots for region in regions}

    def _forecasts(
        self, regions: Sequence[Region], queue: Sequence[QueuedRun], submitted: datetime
    ) -> dict[Region, Forecast | None]:
        """Ask once for each grid zone, as far ahead as any run may run."""
        whole = span_of(queue, submitted, min(submitted, clock.now()))
        hook = CarbonHook(self.carbon_conn_id)
        known = {
            zone: hook.forecast(zone, whole, strict=True)
            for zone in sorted({region.zone for region in regions})
        }
        return {region: known[region.zone] for region in regions}

    def _say(self, planned: QueuePlan) -> None:
        for region, why in planned.left_out.items():
            self.log.info("%s is left out: %s", region.name, why)
        for start in planned.starts:
            say = self.log.info if start.has_slot else self.log.warning
            say(start.sentence())
        if planned.fleet is not None:
            self.log.info(
                "%d runs are expected to emit %.1f g; no plan emits over %.2f %% less",
                len(planned.fleet.assignments),
                planned.fleet.total_g,
                100 * planned.fleet.gap,
            )

    def _start(self, requests: Sequence[RunRequest]) -> None:
        """Create every run that can be, then tell of the others."""
        from airflow.sdk.exceptions import AirflowRuntimeError

        failed: dict[str, str] = {}
        for request in requests:
            try:
                at = start_run(request)
            except AirflowRuntimeError as exc:
                failed[request.run_id] = f"{request.dag_id}: {exc}"
                self.log.error("%s was not created: %s", request.run_id, exc)  # noqa: TRY400
                continue
            if at is not None:
                self.log.info("%s is there already, for %s", request.run_id, at.isoformat())
        if failed:
            raise RunsNotStartedError(failed)


def _request(start: Start, run_id: str, answer: Answer) -> RunRequest:
    origin = answer.duration.origin if answer.duration else STATED
    plan = start.as_dict() | {"duration_from": origin}
    conf = {"carbon_aware": False, **start.run.conf, "carbon_plan": plan}
    return RunRequest(
        dag_id=start.run.dag_id,
        run_id=f"carbon__{run_id}__{start.run.name}",
        run_after=start.at,
        conf=conf,
    )


def _outcome(planned: QueuePlan, requests: Sequence[RunRequest]) -> dict[str, Any]:
    fleet = planned.fleet
    return {
        "starts": [request.as_trigger() for request in requests],
        "total_g": round(fleet.total_g, 3) if fleet else None,
        "bound_g": round(fleet.bound_g, 3) if fleet else None,
        "left_out": {str(region.name): why for region, why in planned.left_out.items()},
        "without_slot": [one.run.name for one in planned.starts if not one.has_slot],
    }
