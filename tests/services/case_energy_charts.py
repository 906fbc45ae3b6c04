"""Energy-Charts, as the tests of all services need it."""

from servers.web import Say
from services.case import Case

from airflow_carbon.services.energy_charts import STEP, EnergyCharts


def _routes(points):
    body = {
        "unix_seconds": [int(at.timestamp()) for at, _ in points],
        "co2eq": [None for _ in points],
        "co2eq_forecast": [value for _, value in points],
        "deprecated": False,
    }
    return {"/co2eq": body}


CASE = Case(
    name="energy_charts",
    source=lambda url: EnergyCharts(base_url=url),
    zone="DE",
    step=STEP,
    routes=_routes,
    forecast_path="/co2eq",
    unknown_zone=Say(404, {"detail": "no content available"}),
    fields=("unix_seconds", "co2eq", "co2eq_forecast"),
)
