"""The Carbon Aware SDK, as the tests of all services need it."""

from datetime import timedelta

from servers.web import Say
from services.case import NOW, Case

from airflow_carbon.services.carbon_aware_sdk import CarbonAwareSDK

STEP = timedelta(minutes=5)


def _routes(points):
    data = [
        {"location": "DE", "timestamp": at.isoformat(), "duration": 5, "value": value}
        for at, value in points
    ]
    body = {
        "requestedAt": NOW.isoformat(),
        "generatedAt": min(NOW, max(at for at, _ in points)).isoformat(),
        "location": "germanywestcentral",
        "windowSize": 5,
        "optimalDataPoints": data[:1],
        "forecastData": data,
    }
    return {"/emissions/forecasts/current": [body]}


CASE = Case(
    name="carbon_aware_sdk",
    source=lambda url: CarbonAwareSDK(base_url=url),
    zone="DE",
    step=STEP,
    routes=_routes,
    forecast_path="/emissions/forecasts/current",
    unknown_zone=Say(400, {"title": "ArgumentException", "detail": "Unknown Location: 'x'"}),
    fields=("generatedAt", "forecastData", "timestamp", "duration", "value"),
)
