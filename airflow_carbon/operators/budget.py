"""``CarbonBudgetOperator``: warns, skips or fails where a carbon budget is exceeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator, SkipMixin

from airflow_carbon import clock
from airflow_carbon.core.budget import Budget, Per, Reason, expectation, judge, read_word
from airflow_carbon.core.errors import InvalidOptionError, LedgerError
from airflow_carbon.core.gate_errors import BudgetExceededError, UnknownFigureError
from airflow_carbon.core.quantities import parse_mass
from airflow_carbon.hooks.ledger import DEFAULT_CONN_ID as LEDGER_CONN_ID
from airflow_carbon.hooks.ledger import LedgerHook
from airflow_carbon.operators.outcome import (
    Exceeded,
    Unknown,
    When,
    finish,
    g_per_it_kwh,
    given,
    read_actions,
)
from airflow_carbon.triggers.request import is_template

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from airflow.sdk import Context

    from airflow_carbon.core.budget import Emitted, Verdict
    from airflow_carbon.ledger.budgets import Asker, Budgets, Scope
    from airflow_carbon.ledger.store import Ledger


class CarbonBudgetOperator(BaseOperator, SkipMixin):
    """Holds what was emitted, and what the next run is expected to emit, against a limit.

    Before a training (``when="before"``) it counts what the ledger has, what runs that were let
    through are expected to emit, and what the next run is; it remembers what it lets through, so
    that runs which ask at the same time see one another. After it (``"after"``) it counts what
    the ledger has. ``docs/how-to/budgets.md`` says what counts.

    The XCom has ``reason`` (``within``, ``over_budget``, ``no_figure``, ``mixed_signals``,
    ``ledger_unreachable``), ``goes_on``, the limit, ``used_g``, ``expected_g``, ``left_g`` with
    what they are made of, and ``notes`` on what the sum lacks. A skip skips the tasks right
    behind this one; others go by their trigger rules.

    :param limit: a mass with its unit: ``"20 kg"``.
    :param per: ``month``, ``model`` (all that was ever spent on it), ``run`` (this DAG run), or
        an amount of work such as ``"thousand inferences"`` (of this DAG run).
    :param model: whose emissions count: those that ``EmissionsOperator(model=...)`` booked on
        it, in whatever DAG. Without it, this DAG's.
    :param of_dag: those of this DAG alone; ``"*"`` for all that the ledger has.
    :param on_exceed: ``fail``, ``skip`` or ``warn``.
    :param on_unknown: what happens where a figure is missing or the ledger does not answer:
        ``fail`` (the default: Airflow tries again), ``skip`` or ``go``. An operator that only
        warns goes on.
    :param when: ``before`` or ``after``; by default before for a month and a model, after for
        a run and an amount of work.
    :param expected: what the next run will emit, ``"2 kg"``; without it the median of the last
        20 runs of this DAG; where none is known only what was used counts.
    :param plan: the XCom of the sensor or of ``ChooseRegionOperator``: then the median of their
        energy counts, at the planned intensity.
    :param bound: ``central``, ``low`` or ``high``: which value of each figure counts.
    :param time_zone: of the month: ``Europe/Berlin``.
    :param signal: ``average`` or ``marginal``: count only what was priced by it. Without it all
        counts, and a ledger that has both gives no verdict.
    :param ledger_conn_id: the ledger's connection.

    Raises:
        InputError: arguments that can't be.
        BudgetExceededError: as the cause, where ``on_exceed="fail"``; it is not tried again.
        UnknownFigureError: there is no figure, where ``on_unknown="fail"``.
        LedgerError: the ledger does not answer, where ``on_unknown="fail"``.
    """

    inherits_from_skipmixin = True
    template_fields: Sequence[str] = (
        "limit",
        "per",
        "model",
        "of_dag",
        "on_exceed",
        "on_unknown",
        "expected",
        "plan",
        "bound",
        "time_zone",
        "signal",
        "ledger_conn_id",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        limit: str,
        per: str = "month",
        model: str | None = None,
        of_dag: str | None = None,
        on_exceed: str = "fail",
        on_unknown: str | None = None,
        when: str | None = None,
        expected: str | None = None,
        plan: Mapping[str, Any] | None = None,
        bound: str = "central",
        time_zone: str = "UTC",
        signal: str | None = None,
        ledger_conn_id: str = LEDGER_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.limit = limit
        self.per = per
        self.model = model
        self.of_dag = of_dag
        self.on_exceed = on_exceed
        self.on_unknown = on_unknown
        self.when = when
        self.expected = expected
        self.plan = plan
        self.bound = bound
        self.time_zone = time_zone
        self.signal = signal
        self.ledger_conn_id = ledger_conn_id
        if when is not None:
            read_word("when", when, When)
        if not is_template([on_exceed, on_unknown]):
            self._actions()
        if not is_template([limit, per, bound, time_zone]):
            self._when(self._budget())
        if not is_template(signal):
            self._signal()
        if expected is not None and not is_template(expected):
            parse_mass("expected", expected)

    def execute(self, context: Context) -> dict[str, Any]:
        """Add up, judge, and act on it."""
        on_exceed, on_unknown = self._actions()
        result, error = self._held(context)
        action = on_exceed.value if result["reason"] == Reason.OVER_BUDGET else on_unknown.value
        return finish(self, context, result, action if error else None, error)

    def _actions(self) -> tuple[Exceeded, Unknown]:
        return read_actions("on_exceed", self.on_exceed, self.on_unknown)

    def _budget(self) -> Budget:
        return Budget.read(
            limit=self.limit, per=self.per, bound=self.bound, time_zone=self.time_zone
        )

    def _when(self, budget: Budget) -> When:
        if self.when is None:
            return When.BEFORE if budget.per in {Per.MONTH, Per.MODEL} else When.AFTER
        when = read_word("when", self.when, When)
        if when is When.BEFORE and budget.per is Per.UNITS:
            remedy = "how much work a run does is known after it: leave when= out"
            raise InvalidOptionError("when", self.when, remedy)
        return when

    def _held(self, context: Context) -> tuple[dict[str, Any], Exception | None]:
        """Return the XCom, and what is wrong, if anything is."""
        budget = self._budget()
        before = self._when(budget) is When.BEFORE
        asker, scope = self._asker(context), self._scope(context, budget)
        try:
            with LedgerHook(self.ledger_conn_id).ledger() as ledger:
                from airflow_carbon.ledger.budgets import Budgets

                self._note(ledger, asker, scope, budget)
                verdict = self._verdict(Budgets(ledger), asker, scope, budget, before=before)
        except LedgerError as exc:
            return {"reason": "ledger_unreachable", "said": str(exc)}, exc
        result = _xcom(verdict, scope)
        if verdict.reason is Reason.OVER_BUDGET:
            return result, BudgetExceededError(verdict.sentence())
        if verdict.reason is Reason.NO_FIGURE:
            return result, UnknownFigureError(*_no_figure(budget))
        if verdict.reason is Reason.MIXED_SIGNALS:
            what = f"{' and '.join(verdict.spent.kinds)} intensities don't add up"
            return result, UnknownFigureError(what, "write signal='average' or signal='marginal'")
        self.log.info("%s", verdict.sentence())
        return result, None

    def _note(self, ledger: Ledger, asker: Asker, scope: Scope, budget: Budget) -> None:
        """Let the carbon page know of a budget that stands."""
        from airflow_carbon.ledger.standing import Standing, StandingBudgets

        if budget.per in {Per.MONTH, Per.MODEL}:
            StandingBudgets(ledger).note(
                Standing(
                    dag_id=asker.dag_id,
                    task_id=self.task_id,
                    budget=budget,
                    scope=scope,
                    asked_at=clock.now(),
                )
            )

    def _verdict(
        self, budgets: Budgets, asker: Asker, scope: Scope, budget: Budget, *, before: bool
    ) -> Verdict:
        now = clock.now()
        span = budget.span(now)
        if not before:
            return judge(budget, budgets.spent(scope, span))
        expected = self._expected(budgets, asker)
        if budget.per is Per.RUN:
            return judge(budget, budgets.spent(scope), expected)
        lenient = self._actions()[0] is Exceeded.WARN

        def choice(spent: Any) -> tuple[Verdict, bool]:
            verdict = judge(budget, spent, expected)
            return verdict, lenient or verdict.reason is Reason.WITHIN

        return budgets.decide(asker, scope, choice, expected=expected, span=span, now=now)

    def _expected(self, budgets: Budgets, asker: Asker) -> Emitted | None:
        from airflow_carbon.core.budget import Emitted

        if (text := given(self.expected)) is not None:
            grams = parse_mass("expected", text)
            return Emitted(g=grams, low_g=grams, high_g=grams)
        return expectation(
            budgets.past(asker, signal=self._signal()), g_per_it_kwh(given(self.plan))
        )

    def _asker(self, context: Context) -> Asker:
        from airflow_carbon.ledger.budgets import Asker

        ti = context["ti"]
        return Asker(
            dag_id=ti.dag_id,
            run_id=ti.run_id,
            map_index=-1 if ti.map_index is None else ti.map_index,
            model=_name(self.model),
        )

    def _scope(self, context: Context, budget: Budget) -> Scope:
        from airflow_carbon.ledger.budgets import Scope

        model, dag_id, asker = _name(self.model), _name(self.of_dag), self._asker(context)
        if budget.per in {Per.RUN, Per.UNITS}:
            mapped = asker.map_index if asker.map_index >= 0 else None
            return Scope(
                model=model,
                dag_id=asker.dag_id,
                run_id=asker.run_id,
                map_index=mapped,
                unit=budget.unit,
                signal=self._signal(),
            )
        if dag_id is None and model is None:
            dag_id = asker.dag_id
        every = None if dag_id == "*" else dag_id
        return Scope(model=model, dag_id=every, signal=self._signal())

    def _signal(self) -> str | None:
        name = _name(self.signal)
        if name not in {None, "average", "marginal"}:
            raise InvalidOptionError("signal", name, "write average or marginal")
        return name


def _name(value: object) -> str | None:
    name = given(value)
    return None if name is None else str(name)


def _no_figure(budget: Budget) -> tuple[str, str]:
    if budget.per is Per.UNITS:
        return (
            f"the ledger has no {budget.unit} of this DAG run",
            "give EmissionsOperator functional_units= and functional_unit=, and run this after it",
        )
    return "the ledger has no figure of this DAG run", "run this after an EmissionsOperator"


def _xcom(verdict: Verdict, scope: Scope) -> dict[str, Any]:
    budget, spent = verdict.budget, verdict.spent
    used, expected = verdict.used, verdict.expected
    return {
        "reason": verdict.reason.value,
        "limit_g": budget.limit_g,
        "per": budget.per.value if budget.unit is None else f"{budget.units:g} {budget.unit}",
        "bound": budget.bound.value,
        "model": scope.model,
        "of_dag": scope.dag_id,
        "used_g": used.g,
        "used_low_g": used.low_g,
        "used_high_g": used.high_g,
        "pending_g": spent.pending.g,
        "expected_g": None if expected is None else expected.g,
        "counted_g": verdict.counted_g,
        "left_g": verdict.left_g,
        "runs": spent.runs,
        "pending_runs": spent.pending_runs + spent.pending_unknown,
        "without_figure": spent.without_figure,
        "partly_measured": spent.partly_measured,
        "notes": verdict.notes(),
    }
