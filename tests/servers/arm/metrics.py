"""Azure Monitor metrics of a workspace, api-version 2024-02-01: ``GpuEnergyJoules`` by run.

Monitor's own errors are bare: a code and a message with no ``error`` around them.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

from servers.arm.jobs import WORKSPACE
from servers.arm.lives import KIND
from servers.arm.wire import Call, Room, no_resource, reply

from airflow_carbon.clock import now

room = Room()
METRIC = "GpuEnergyJoules"
HELP = "Interval energy in Joules on a GPU node. Energy is reported at one minute intervals."


@room.arm("GET", WORKSPACE + "/providers/Microsoft.Insights/metrics", "2024-02-01")
async def metrics(call: Call) -> Any:
    """Metrics_List: joules by minute in the timespan, of the run of the filter or of all."""
    where = (call.subscription.lower(), call.params["group"].lower())
    workspace = call.world.workspaces.get((*where, call.params["workspace"].lower()))
    if workspace is None:
        raise no_resource(KIND, call.params["workspace"], call.params["group"])
    asked = call.query.get("metricnames", METRIC)
    if asked.lower() != METRIC.lower():
        return _bad(
            f"Failed to find metric configuration for provider: {KIND.split('/')[0]}, resource "
            f"Type: workspaces, metric: {asked}, Valid metrics: {METRIC}",
        )
    try:
        begin, end = _span(call.query.get("timespan"))
        runs = [run for run in call.world.metrics if _wanted(call.query.get("$filter"), run)]
    except ValueError as exc:
        return _bad(f"Invalid query: {exc}")
    scope = f"{call.id(inside=KIND)}/{workspace['name']}"
    series = [_series(run, call.world.metrics[run], begin, end) for run in runs]
    return {
        "cost": 0,
        "timespan": f"{begin:%FT%TZ}/{end:%FT%TZ}",
        "interval": call.query.get("interval", "PT1M"),
        "namespace": KIND,
        "resourceregion": workspace["location"],
        "value": [
            {
                "id": f"{scope}/providers/Microsoft.Insights/metrics/{METRIC}",
                "type": "Microsoft.Insights/metrics",
                "name": {"value": METRIC, "localizedValue": METRIC},
                "displayDescription": HELP,
                "unit": "Count",
                "timeseries": [one for one in series if one["data"]],
                "errorCode": "Success",
            }
        ],
    }


def _series(
    run: str, points: list[tuple[datetime, float]], begin: datetime, end: datetime
) -> dict[str, Any]:
    name = {"value": "runid", "localizedValue": "runid"}
    return {
        "metadatavalues": [{"name": name, "value": run}],
        "data": [
            {"timeStamp": f"{at:%FT%TZ}", "total": joules}
            for at, joules in points
            if begin <= at < end
        ],
    }


def _wanted(asked: str | None, run: str) -> bool:
    if asked is None:
        return True
    found = re.fullmatch(r"\s*runId\s+eq\s+'([^']*)'\s*", asked, re.IGNORECASE)
    if not found:
        raise ValueError(asked)
    return found[1] in {"*", run}


def _span(asked: str | None) -> tuple[datetime, datetime]:
    if asked is None:
        return now() - timedelta(hours=1), now()
    begin, end = (datetime.fromisoformat(part) for part in asked.split("/"))
    return begin, end


def _bad(message: str) -> Any:
    return reply(400, {"code": "BadRequest", "message": message})
