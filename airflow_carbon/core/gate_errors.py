"""What keeps a gate shut; each writes its own sentence, as all errors of the package do."""

from __future__ import annotations

from airflow_carbon.core.errors import CarbonError


class BudgetExceededError(CarbonError):
    """More was emitted, or would be, than the budget allows."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return (
            f"over budget: {self.sentence}; wait for the next period, raise limit=, or let it "
            "pass with on_exceed='warn'"
        )


class EnergyRegressionError(CarbonError):
    """A unit of work took more energy than it used to."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence

    def __str__(self) -> str:
        return (
            f"{self.sentence}; see what has changed (code, data, machine, batch size), or let it "
            "pass with on_regression='warn'"
        )


class UnknownFigureError(CarbonError):
    """A decision lacks the number that it turns on."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}, or say with on_unknown= what happens then"
