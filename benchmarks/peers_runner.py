"""Ask a peer when to start; run in the virtual environment that peers.py makes for the peers.

    python peers_runner.py NAME < questions.json > starts.json

A question is a job (``begin``, ``minutes``, ``deadline``) and the half-hours ahead of it, of
which the first is the one that it comes in (``from``, ``g_per_kwh``).
"""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from typing import Any

STEP = timedelta(minutes=30)


def cats(question: dict[str, Any]) -> datetime:
    """Ask Climate-Aware Task Scheduler, whose end of the window is the latest start."""
    deadline = datetime.fromisoformat(question["deadline"])
    return _cats(question, deadline - timedelta(minutes=question["minutes"]))


def cats_untranslated(question: dict[str, Any]) -> datetime:
    """Ask it with the deadline itself as the end of the window."""
    return _cats(question, datetime.fromisoformat(question["deadline"]))


def _cats(question: dict[str, Any], end_constraint: datetime) -> datetime:
    from cats.forecast import (  # type: ignore[import-not-found] # noqa: PLC0415 - only in its own run
        PointEstimate,
        WindowedForecast,
    )

    first = datetime.fromisoformat(question["from"])
    points = [
        PointEstimate(datetime=first + i * STEP, value=value)
        for i, value in enumerate(question["g_per_kwh"])
    ]
    minutes = question["minutes"]
    begin = datetime.fromisoformat(question["begin"])
    windows = WindowedForecast(points, minutes, begin, end_constraint=end_constraint)
    start: datetime = min(windows).start
    return start


def arboric(question: dict[str, Any]) -> datetime:
    """Ask Arboric for carbon alone; a start in the half-hour that runs already is at once."""
    import pandas as pd  # noqa: PLC0415 - likewise
    from arboric import (  # type: ignore[import-not-found] # noqa: PLC0415 - likewise
        Autopilot,
        OptimizationConfig,
        Workload,
    )

    first = datetime.fromisoformat(question["from"])
    values = question["g_per_kwh"]
    index = pd.date_range(first, periods=len(values), freq=STEP)
    frame = pd.DataFrame({"co2_intensity": values, "price": 0.1}, index=index)
    deadline = datetime.fromisoformat(question["deadline"])
    work = Workload(
        name="job",
        duration_hours=question["minutes"] / 60,
        power_draw_kw=1,
        deadline_hours=(deadline - first) / timedelta(hours=1),
    )
    pilot = Autopilot(OptimizationConfig(cost_weight=0, carbon_weight=1))
    start: datetime = pilot.optimize_schedule(work, frame).optimal_start.to_pydatetime()
    return max(start, datetime.fromisoformat(question["begin"]))


PEERS = {"cats": cats, "cats_untranslated": cats_untranslated, "arboric": arboric}


if __name__ == "__main__":
    ask = PEERS[sys.argv[1]]
    json.dump([ask(question).isoformat() for question in json.load(sys.stdin)], sys.stdout)
