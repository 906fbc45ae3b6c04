"""Time climate-aware-task-scheduler: run by speed.py, in an environment that has it.

Reads JSON from stdin: when the series begin, their values at 5 minutes, and jobs as minutes
(arrival, length, slack); prints the seconds that all jobs took in all series.
"""

import json
import sys
import time
from datetime import datetime, timedelta

from cats.forecast import PointEstimate, WindowedForecast


def main() -> None:
    """Plan each job in each series, keep the least."""
    asked = json.load(sys.stdin)
    begins, minute = datetime.fromisoformat(asked["begins"]), timedelta(minutes=1)
    series = [
        [PointEstimate(value, begins + 5 * i * minute) for i, value in enumerate(values)]
        for values in asked["series"]
    ]
    begin = time.perf_counter()
    for arrival, length, slack in asked["jobs"]:
        start = begins + arrival * minute
        for points in series:
            min(WindowedForecast(points, length, start, slack or 1))
    print(time.perf_counter() - begin)


if __name__ == "__main__":
    main()
