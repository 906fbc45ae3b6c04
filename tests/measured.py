"""A log of the agent, of a run at constant power."""

from __future__ import annotations

from airflow_carbon.meters.counting import Count, Tally
from airflow_carbon.meters.log import Segment, encode_interval, encode_segment

RUN = {"dag_id": "nightly", "task_id": "train", "run_id": "manual__1"}
WATTS = {"GPU-1": 400, "GPU-2": 300, "cpu": 50, "memory": 5}


def segment_of(seg, begin, seconds, *, attempt):
    """What the agent writes of so many seconds at constant power."""
    counters = [
        {device: Count(1000 * watts * second) for device, watts in WATTS.items()}
        for second in range(seconds + 1)
    ]
    known = Segment(
        seg=seg,
        t=begin,
        run=RUN | {"try_number": str(attempt)},
        host="node",
        boot_id="",
        agent="0.1.0",
        interval_s=1.0,
        command="python",
        devices=(),
        raw_mj={},
    )
    lines, tally = [encode_segment(known)], Tally.begin(begin, counters[0])
    for second, readings in enumerate(counters[1:], start=1):
        tally, interval = tally.advance(begin + second, readings)
        lines.append(encode_interval(seg, interval))
    return b"".join(lines)
