"""Great Britain's Carbon Intensity API, as the tests of all services need it."""

from datetime import timedelta

from servers.web import Say
from services.case import NOW, Case

from airflow_carbon.services.uk_carbon_intensity import STEP, UKCarbonIntensity

PATH = f"/regional/intensity/{NOW:%Y-%m-%dT%H:%MZ}/fw48h/regionid/13"


def _row(at, value):
    text = "{:%Y-%m-%dT%H:%MZ}".format
    intensity = {"forecast": value, "index": "moderate"}
    return {"from": text(at), "to": text(at + STEP), "intensity": intensity}


def _routes(points):
    data = {"regionid": 13, "data": [_row(at, value) for at, value in points]}
    routes = {PATH: {"data": data}}
    for minutes in (-10, 10):
        now = NOW + timedelta(minutes=minutes)
        routes[PATH.replace(f"{NOW:%H:%M}", f"{now:%H:%M}")] = {"data": data}
    return routes


CASE = Case(
    name="uk_carbon_intensity",
    source=lambda url: UKCarbonIntensity(base_url=url),
    zone="GB-13",
    step=STEP,
    routes=_routes,
    forecast_path="/regional/intensity/",
    unknown_zone=Say(400, {"error": {"code": "400 Bad Request", "message": "no such region"}}),
    fields=("data", "from", "to", "intensity", "forecast"),
)
