"""A wait for a threshold: whether the grid got there, and what happens where it did not."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping


class OnTimeout(StrEnum):
    """What happens where the grid has not got below the threshold in time."""

    GO = "go"
    """The work starts: an outage or a dirty week costs carbon, never the deadline."""
    FAIL = "fail"
    SKIP = "skip"


NOT_WAITED: Final = frozenset({"real_time", "opted_out", "dry_run"})
"""Reasons by which somebody wanted it to go on, whatever the grid does. As text, since the enum's
module loads numpy, and a sensor imports this one."""


def read_on_timeout(value: object) -> OnTimeout:
    """Read what happens when the time is over.

    Raises:
        InvalidOptionError: another word.
    """
    try:
        return OnTimeout(str(value).strip().lower())
    except ValueError as exc:
        raise InvalidOptionError("on_timeout", value, f"write {', '.join(OnTimeout)}") from exc


def is_below(plan: Mapping[str, Any]) -> bool:
    """Tell whether a plan's window is at or below its limit; what is not known is not below."""
    mean, limit = plan["mean_g_per_kwh"], plan.get("limit_g_per_kwh")
    return mean is not None and limit is not None and mean <= limit


def outcome(plan: Mapping[str, Any], on_timeout: object) -> OnTimeout:
    """Return what happens by a plan that has ended its wait.

    Raises:
        InvalidOptionError: ``on_timeout`` is another word.

    >>> plan = {"reason": "deadline", "mean_g_per_kwh": 310.0, "limit_g_per_kwh": 200.0}
    >>> str(outcome(plan, "skip")), str(outcome(plan | {"mean_g_per_kwh": 200.0}, "skip"))
    ('skip', 'go')
    """
    otherwise = read_on_timeout(on_timeout)
    if is_below(plan) or plan["reason"] in NOT_WAITED:
        return OnTimeout.GO
    return otherwise


def outcome_sentence(plan: Mapping[str, Any]) -> str:
    """Say that the grid has not got below the threshold, and what the work could expect."""
    mean, limit = plan["mean_g_per_kwh"], plan.get("limit_g_per_kwh")
    place = plan["region"] or plan["zone"]
    sought = "its percentile of the last week, which nobody knows"
    if limit is not None:
        sought = f"{limit:.0f} g/kWh"
    expected = "nobody knows what it is" if mean is None else f"it expects {mean:.0f} g/kWh"
    return (
        f"{place} is not at or below {sought}: {expected} ({plan['reason']}); raise the limit, "
        "give it longer (max_delay=, deadline=), or let it go on (on_timeout='go')"
    )
