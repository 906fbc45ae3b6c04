"""Electricity Maps, as the tests of all services need it."""

from datetime import timedelta

from servers.web import Say
from services.case import CANARY, NOW, Case

from airflow_carbon.services.electricity_maps import ElectricityMaps


def _routes(points):
    rows = [{"carbonIntensity": value, "datetime": at.isoformat()} for at, value in points]
    body = {
        "zone": "DE",
        "forecast": rows,
        "updatedAt": min(NOW, max(at for at, _ in points)).isoformat(),
        "temporalGranularity": "hourly",
    }
    return {"/carbon-intensity/forecast": body}


CASE = Case(
    name="electricity_maps",
    source=lambda url: ElectricityMaps(token=CANARY, base_url=url),
    zone="DE",
    step=timedelta(hours=1),
    routes=_routes,
    forecast_path="/carbon-intensity/forecast",
    unknown_zone=Say(404, {"error": "Zone 'DE' does not exist"}),
    fields=("zone", "forecast", "carbonIntensity", "datetime"),
    wrong_unit=lambda body: {**body, "emissionFactorType": "direct", "forecast": [
        {**row, "emissionFactorType": "direct"} for row in body["forecast"]
    ]},
)  # fmt: skip
