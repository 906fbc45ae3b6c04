"""When a run of a schedule begins: somewhere in the slack after its clock time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.decision import NO_RULES, StartNow, decide
from airflow_carbon.core.window import startable

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.decision import Rules
    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast

GRACE: Final = timedelta(minutes=10)
"""A window that began so short a while ago is still taken: the scheduler was busy meanwhile."""


def start_within(
    forecast: Forecast | None, flex: Flexibility, *, now: datetime, rules: Rules = NO_RULES
) -> datetime:
    """Return when a run begins that may begin in ``flex.starts``; always inside of them.

    By :func:`~airflow_carbon.core.decision.decide`, asked once, as of now or, before the run
    may begin at all, as of the first such instant. Where nothing is known of those hours the run
    begins at once, and so does one whose slack is over; where all that is known is above the
    limit of the rules, it begins at its latest start.
    """
    first, last = flex.starts[0][0], flex.latest_start
    if now > last:
        return first
    since = max(now - GRACE, first)
    opens = next(max(begin, since) for begin, end in flex.starts if since <= end)
    if forecast is None or not startable(forecast.series, flex):
        return opens
    answer = decide(forecast, flex, now=opens, rules=replace(rules, doubt=0.0))
    if isinstance(answer, StartNow):
        return opens
    return last if answer.window is None else answer.window.start
