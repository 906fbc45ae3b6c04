"""``CarbonAwareSensor``: a task that waits for its lowest-carbon window, at no worker's cost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseSensorOperator
from airflow.triggers.base import StartTriggerArgs

from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.hooks.pools import pool_policy
from airflow_carbon.sensors.waiting import (
    CARBON_AWARE,
    check_wait,
    fields_in_triggerer,
    start_now,
)
from airflow_carbon.triggers.learning import learning
from airflow_carbon.triggers.request import SUBMITTED, plain_policy
from airflow_carbon.triggers.window import WindowTrigger

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime, timedelta

    from airflow.sdk import Context

    from airflow_carbon.core.policy import Policy


class CarbonAwareSensor(BaseSensorOperator):
    """Waits until the window in which a job of ``duration`` emits least, then succeeds.

    The wait stands in the triggerer alone: no worker starts it, holds it or ends it. It asks
    again at every step of the forecast, and never passes its latest start: a source that
    fails costs carbon, not the deadline. Its XCom is the plan, a dictionary: zone, region,
    start, end, duration_from, mean_g_per_kwh, at_once_g_per_kwh, difference_percent,
    submitted_at, deadline, source, issued_at, quality, signal, reason, would_wait_for.
    Instants are ISO 8601 in UTC, intensities [gCO2eq/kWh].

    All arguments are templated. Lengths of time are a timedelta or text such as ``90m``,
    ``4h``, ``1d12h``, ``PT4H``; instants are aware datetimes or ISO 8601 with an offset.

    :param duration: how long the job takes; or its phases, as pairs of a length and the power
        relative to the other phases: ``[("10m", 0.4), ("3h", 1)]``; or ``auto, else 2h``: the 0.9
        quantile of what it took before, by the ledger, and 2 h while that knows too few runs.
    :param region: the Azure region that it will run in; or
    :param zone: the grid zone, by its Electricity Maps key.
    :param deadline: the instant by which the *work* must have ended; or
    :param max_delay: how long after the DAG run's ``run_after`` (or after ``earliest``,
        where that is later) it may start. Both together, and a policy, hold together.
    :param earliest: the instant before which it may not start.
    :param min_saving: what a wait has to save, as a share of running at once (``0.05``,
        ``5%``); otherwise the job starts, with the reason ``below_min_saving``.
    :param policy: how else it may wait: a :class:`~airflow_carbon.core.policy.Policy`, a
        mapping of the same names, or a workload class (``real_time``, ``window_flexible``,
        ``delay_tolerant``). Without one, that of the task's pool in the configuration
        (``[carbon] pool_policies``).
    :param learn_from: whose past runs tell what is ``auto``: a task's id, ``dag/task``, or a
        mapping with dag, task, size (of machine), quantile (0.9) and newest (30). Without it the
        one task after this one that the ledger knows.
    :param dry_run: decide and say so, but don't wait: the plan's ``would_wait_for`` is the window.
    :param carbon_conn_id: a connection of type ``carbon``; none is needed for the default.
    :param start_from_trigger: False lets a worker start the wait, which then defers. So
        does a mapped task, and one whose templates only a worker can render (``ti``, macros
        of the DAG's own).

    Raises:
        InputError: at DAG parse where the mistake is visible there, otherwise before the
            wait begins.
    """

    template_fields: Sequence[str] = (
        "region",
        "zone",
        "duration",
        "deadline",
        "max_delay",
        "earliest",
        "min_saving",
        "policy",
        "learn_from",
        "is_dry_run",
        "carbon_conn_id",
        "submitted",
        "carbon_aware",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        duration: timedelta | str | Sequence[tuple[timedelta | str, float]],
        region: str | None = None,
        zone: str | None = None,
        deadline: datetime | str | None = None,
        max_delay: timedelta | str | None = None,
        earliest: datetime | str | None = None,
        min_saving: float | str = 0.0,
        policy: Policy | Mapping[str, Any] | str | None = None,
        learn_from: str | Mapping[str, Any] | None = None,
        dry_run: bool | str = False,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        start_from_trigger: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.region = region
        self.zone = zone
        self.duration = duration
        self.deadline = deadline
        self.max_delay = max_delay
        self.earliest = earliest
        self.min_saving = min_saving
        self.carbon_conn_id = carbon_conn_id
        self.policy = self._read_policy(policy)
        self.learn_from = learning(learn_from, duration, self.policy)
        self.is_dry_run = dry_run
        self.submitted = SUBMITTED
        self.carbon_aware = CARBON_AWARE
        check_wait(self)
        trigger_kwargs = fields_in_triggerer({f: getattr(self, f) for f in self.template_fields})
        self.start_from_trigger = start_from_trigger and trigger_kwargs is not None
        if self.start_from_trigger and trigger_kwargs is not None:
            self.start_trigger_args = StartTriggerArgs(
                trigger_cls=f"{WindowTrigger.__module__}.{WindowTrigger.__qualname__}",
                trigger_kwargs={**trigger_kwargs, "ends_task": True},
                next_method="resume",
            )

    def _read_policy(self, policy: Policy | Mapping[str, Any] | str | None) -> object:
        return plain_policy(pool_policy(self.pool) if policy is None else policy)

    def execute(self, context: Context) -> dict[str, Any]:
        """Decide on a worker, and defer where the answer is to wait.

        This is how the wait begins in ``dag.test()``, for mapped tasks, and if asked to.
        """
        plan = start_now(self, context["ti"])
        if plan is None:
            fields = {name: getattr(self, name) for name in self.template_fields}
            self.defer(trigger=WindowTrigger(**fields, ends_task=False), method_name="resume")
        self.log.info(plan.sentence())
        return self.resume(context, plan.as_dict())

    def resume(self, context: Context, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - as above
        """Return the plan."""
        return event
