"""``RetrainGate``: lets a retraining through where a model has decayed and the budget allows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow_carbon.core.budget import Reason
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.gate_errors import UnknownFigureError
from airflow_carbon.core.retraining import Decay, Need, read_metric
from airflow_carbon.operators.budget import CarbonBudgetOperator
from airflow_carbon.operators.outcome import Unknown, finish
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow.sdk import Context


class RetrainGate(CarbonBudgetOperator):
    """Goes on where a decay metric asks for it *and* the budget allows it; else skips.

    It asks the metric first: a model that is fresh costs no look at the ledger.

    The XCom has ``goes_on``, ``reason``, ``metric``, ``threshold`` and ``budget`` (as
    ``CarbonBudgetOperator`` has it; null where it was not asked). The reasons: ``decayed`` goes
    on; ``fresh`` and ``over_budget`` skip; ``no_metric`` and ``ledger_unreachable`` are no
    choice but an outage, and do what ``on_unknown`` says.

    :param metric: a number: an XCom (``evaluate.output``) or a template. Text that is no number,
        NaN and None are no metric.
    :param threshold: from where on the model has decayed, itself included.
    :param decayed_if: ``above`` the threshold (a drift, a drop) or ``below`` it (an accuracy).
    :param limit: the budget; without it the metric alone decides.
    :param on_exceed: ``skip`` or ``fail``.
    :param on_unknown: ``fail`` (the default: Airflow tries again, and somebody sees it),
        ``skip`` (closed: no training in an outage) or ``go`` (open: without a metric the budget
        alone decides, without a ledger the metric alone).

    The others are those of ``CarbonBudgetOperator``.

    Raises:
        InputError: arguments that can't be.
        UnknownFigureError: there is no metric, where ``on_unknown="fail"``.
        LedgerError: the ledger does not answer, where ``on_unknown="fail"``.
    """

    template_fields: Sequence[str] = (
        *CarbonBudgetOperator.template_fields,
        "metric",
        "threshold",
        "decayed_if",
    )
    ui_color = "#f0e8d5"

    def __init__(
        self,
        *,
        metric: Any,
        threshold: float | str,
        decayed_if: str = "above",
        limit: str | None = None,
        on_exceed: str = "skip",
        **kwargs: Any,
    ) -> None:
        if on_exceed == "warn" or kwargs.get("when") == "after":
            remedy = "a gate stands before the training, and shuts: skip or fail"
            raise InvalidOptionError("on_exceed", on_exceed, remedy)
        super().__init__(limit=limit or "0 g", on_exceed=on_exceed, **kwargs)
        self.limit = limit or ""
        self.metric = metric
        self.threshold = threshold
        self.decayed_if = decayed_if
        if not is_template([threshold, decayed_if]):
            self._decay()

    def execute(self, context: Context) -> dict[str, Any]:
        """Ask the metric, then the budget, and act on it."""
        on_exceed, on_unknown = self._actions()
        metric = read_metric(self.metric)
        need = self._decay().need(metric)
        result: dict[str, Any] = {
            "reason": need.value,
            "metric": metric,
            "threshold": self._decay().threshold,
            "budget": None,
        }
        if need is Need.FRESH:
            self.log.info("the model is fresh: %g, and %s", metric, self._rule())
            return finish(self, context, result, "skip", None)
        unknown = None
        if need is Need.NO_METRIC:
            remedy = "see what computes it"
            unknown = UnknownFigureError(f"there is no metric: {self.metric!r}", remedy)
            if on_unknown is not Unknown.GO:
                return finish(self, context, result, on_unknown.value, unknown)
        if not self.limit:
            return finish(self, context, result, None, unknown)
        budget, error = self._held(context)
        result["budget"] = budget
        if error is None:
            return finish(self, context, result, None, unknown)
        result["reason"] = budget["reason"]
        over = budget["reason"] == Reason.OVER_BUDGET
        return finish(self, context, result, (on_exceed if over else on_unknown).value, error)

    def _decay(self) -> Decay:
        return Decay.read(threshold=self.threshold, decayed_if=self.decayed_if)

    def _rule(self) -> str:
        decay = self._decay()
        return f"it has decayed {decay.side} {decay.threshold:g}"
