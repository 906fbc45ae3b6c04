"""``EnergyRegressionOperator``: an alarm where work takes more energy than it used to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, SkipMixin

from airflow_carbon.core.errors import LedgerError
from airflow_carbon.core.flexibility import parse_number, parse_share
from airflow_carbon.core.gate_errors import EnergyRegressionError, UnknownFigureError
from airflow_carbon.core.regression import Trend, compare
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.operators.outcome import Exceeded, Unknown, finish, given, read_actions
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context

    from airflow_carbon.core.regression import Finding
    from airflow_carbon.ledger.efficiency import Work


class EnergyRegressionOperator(BaseOperator, SkipMixin):
    """Holds the energy of a functional unit against the median of the runs before.

    It stands after an ``EmissionsOperator`` with ``functional_units=`` and compares what this
    DAG run took for an epoch, a sample or an inference with the like runs of the ledger: of the
    same task, model and unit, measured by the same method. It alarms where that is over the
    median by more than ``tolerance``, and by more than the runs usually scatter.

    The XCom has ``reason`` (``usual``, ``regressed``, ``too_few``, ``no_figure``,
    ``ledger_unreachable``), ``goes_on`` and ``findings``: by task ``unit``,
    ``joules_per_unit``, ``median_j``, ``spread_j`` (median absolute deviation), ``limit_j``,
    ``change_percent``, ``runs`` and ``other_devices`` (the runs before were on other hardware).

    :param model: the work of this model alone.
    :param tolerance: how far over the median is too far: ``"25%"``.
    :param runs: of how many runs the median is.
    :param least_runs: below that there is no alarm.
    :param on_regression: ``fail``, ``skip`` or ``warn``.
    :param on_unknown: what happens where this run has no figure or the ledger does not answer:
        ``fail`` (the default), ``skip`` or ``go``. An alarm that only warns goes on.
    :param ledger_conn_id: the ledger's connection.

    Raises:
        InputError: arguments that can't be.
        EnergyRegressionError: as the cause, where ``on_regression="fail"``.
        UnknownFigureError: no figure of this run, where ``on_unknown="fail"``.
        LedgerError: the ledger does not answer, where ``on_unknown="fail"``.
    """

    inherits_from_skipmixin = True
    template_fields: Sequence[str] = (
        "model",
        "tolerance",
        "runs",
        "least_runs",
        "on_regression",
        "on_unknown",
        "ledger_conn_id",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        model: str | None = None,
        tolerance: float | str = "25%",
        runs: int | str = 20,
        least_runs: int | str = 5,
        on_regression: str = "fail",
        on_unknown: str | None = None,
        ledger_conn_id: str = LEDGER_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.model = model
        self.tolerance = tolerance
        self.runs = runs
        self.least_runs = least_runs
        self.on_regression = on_regression
        self.on_unknown = on_unknown
        self.ledger_conn_id = ledger_conn_id
        if not is_template([tolerance, runs, least_runs]):
            self._numbers()
        if not is_template([on_regression, on_unknown]):
            self._actions()

    def execute(self, context: Context) -> dict[str, Any]:
        """Read, compare, and act on it."""
        on_regression, on_unknown = self._actions()
        try:
            findings = self._findings(context)
        except LedgerError as exc:
            result = {"reason": "ledger_unreachable", "findings": {}}
            return finish(self, context, result, on_unknown.value, exc)
        if not findings:
            what = "the ledger has no energy per functional unit of this DAG run"
            remedy = "run this after an EmissionsOperator with functional_units="
            result = {"reason": "no_figure", "findings": {}}
            unknown = UnknownFigureError(what, remedy)
            return finish(self, context, result, on_unknown.value, unknown)
        return self._say(context, findings, on_regression)

    def _numbers(self) -> tuple[float, int, int]:
        return (
            parse_share("tolerance", self.tolerance),
            int(parse_number("runs", self.runs)),
            int(parse_number("least_runs", self.least_runs)),
        )

    def _actions(self) -> tuple[Exceeded, Unknown]:
        return read_actions("on_regression", self.on_regression, self.on_unknown)

    def _findings(self, context: Context) -> list[tuple[Work, Finding, bool]]:
        from airflow_carbon.ledger.budgets import Scope
        from airflow_carbon.ledger.efficiency import Efficiency

        ti = context["ti"]
        model = given(self.model)
        scope = Scope(
            model=None if model is None else str(model),
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            map_index=ti.map_index if ti.map_index is not None and ti.map_index >= 0 else None,
        )
        tolerance, runs, least_runs = self._numbers()
        found = []
        with LedgerHook(self.ledger_conn_id).ledger() as ledger:
            efficiency = Efficiency(ledger)
            for work in efficiency.of(scope):
                past = efficiency.before(work, runs)
                finding = compare(
                    work.joules_per_unit,
                    [one.joules_per_unit for one in past],
                    tolerance=tolerance,
                    least_runs=least_runs,
                )
                elsewhere = bool(past) and work.devices not in {one.devices for one in past}
                found.append((work, finding, elsewhere))
        return found

    def _say(
        self,
        context: Context,
        findings: list[tuple[Work, Finding, bool]],
        on_regression: Exceeded,
    ) -> dict[str, Any]:
        trends = {finding.trend for _, finding, _ in findings}
        order = (Trend.REGRESSED, Trend.USUAL, Trend.TOO_FEW)
        worst = next(trend for trend in order if trend in trends)
        result = {
            "reason": worst.value,
            "findings": {_label(work): _xcom(work, f, other) for work, f, other in findings},
        }
        for work, finding, other in findings:
            self.log.info("%s", _sentence(work, finding, other=other))
        if worst is not Trend.REGRESSED:
            return finish(self, context, result, None, None)
        said = "; ".join(
            _sentence(work, finding, other=other)
            for work, finding, other in findings
            if finding.trend is Trend.REGRESSED
        )
        return finish(self, context, result, on_regression.value, EnergyRegressionError(said))


def _label(work: Work) -> str:
    index = work.key.map_index
    return work.key.task_id if index < 0 else f"{work.key.task_id}[{index}]"


def _xcom(work: Work, finding: Finding, other: bool) -> dict[str, Any]:  # noqa: FBT001
    change = finding.change
    return {
        "trend": finding.trend.value,
        "unit": work.unit,
        "joules_per_unit": finding.value,
        "median_j": finding.median,
        "spread_j": finding.spread,
        "limit_j": finding.limit,
        "change_percent": None if change is None else 100 * change,
        "runs": finding.runs,
        "other_devices": other,
    }


def _sentence(work: Work, finding: Finding, *, other: bool) -> str:
    text = f"{_label(work)} took {finding.value:.3g} J per {work.unit}"
    if finding.median is None:
        return f"{text}; too few runs to compare it with: {finding.runs}"
    change = "" if finding.change is None else f", {100 * finding.change:+.0f} %"
    devices = "; the runs before were on other devices" if other else ""
    return (
        f"{text}{change} against the median {finding.median:.3g} J of {finding.runs} runs "
        f"(alarm over {finding.limit:.3g} J){devices}"
    )
