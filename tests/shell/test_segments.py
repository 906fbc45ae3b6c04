"""What a paused training leaves behind: its work until its very end, and the log of each part."""

from __future__ import annotations

import subprocess
import sys
from datetime import datetime

import pytest
from pausing import PAUSE, TARGETS, Task, training

from airflow_carbon.azure.job import log_url
from airflow_carbon.meters.reading import read_measurement

VIEW = {
    "state": "succeeded",
    "said": "Completed",
    "link": "https://ml/1",
    "outputs": {},
    "started_at": "2026-01-01T02:00:00+00:00",
    "ended_at": "2026-01-01T03:00:00+00:00",
}


def test_the_work_of_a_segment_counts_until_its_teardown_has_ended(azure, grid, request, tmp_path):
    ran, told = tmp_path / "ran", tmp_path / "told"
    teardown = f"sleep 0.7; date -u +%Y-%m-%dT%H:%M:%S.%6N+00:00 > {told}; exit 0"
    command = f"if [ -e {ran} ]; then exit 0; fi; trap '{teardown}' TERM; touch {ran}; "
    task = Task(training(f"{command} while :; do sleep 0.05; done", pause=PAUSE), request.node.name)
    task.work()
    grid.turn_dirty()
    task.step()
    grid.turn_clean()

    resumed = task.step()

    assert resumed["segment"]["ended_at"] >= told.read_text().strip()
    result = task.finish()
    assert result["segments"][0]["ended_at"] == resumed["segment"]["ended_at"]
    begun = datetime.fromisoformat(result["segments"][1]["started_at"])
    assert begun >= datetime.fromisoformat(told.read_text().strip())


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """Two logs of the agent's."""
    folder = tmp_path_factory.mktemp("logs")
    files = [folder / "one", folder / "other"]
    for file in files:
        agent = [
            sys.executable,
            "-m",
            "airflow_carbon.measure",
            "--out",
            file,
            "--",
            "sleep",
            "0.2",
        ]
        subprocess.run(agent, check=True, capture_output=True)
    return [file.read_bytes() for file in files]


def test_the_logs_of_earlier_segments_are_fetched_again_by_the_worker_that_ends_the_task(
    azure, logs, tmp_path
):
    url, file = azure.control.sas("energy", ""), tmp_path / "home" / "energy.jsonl"
    for number, log in enumerate(logs, start=1):
        blob = log_url(url, f"carbon-x-{number}")
        headers = {"x-ms-blob-type": "BlockBlob"}
        azure.control.client.put(blob, content=log, headers=headers).raise_for_status()
    segment = {"region": "swedencentral", "name": "carbon-x-1", "resource": "/jobs/1"}
    times = {"started_at": "2026-01-01T00:00:00+00:00", "ended_at": "2026-01-01T01:00:00+00:00"}
    paused = segment | times | {"attempt": 1, "ended": "paused"}
    given = {"measure": True, "measurement_url": url, "measurement": str(file)}
    event = {"region": "swedencentral", "name": "carbon-x-2", "attempt": 2, "skipped": {}}
    event["view"] = VIEW | {"resource": "/jobs/2"}

    training("true", targets=TARGETS, **given).complete({}, event, segments=[paused])

    assert read_measurement(file).segments == 2
