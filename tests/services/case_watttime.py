"""WattTime, as the tests of all services need it."""

from datetime import timedelta

from servers.web import Say
from services.case import CANARY, NOW, Case

from airflow_carbon.services.watttime import G_PER_KWH, WattTime


def _routes(points):
    body = {
        "data": [{"point_time": at.isoformat(), "value": value} for at, value in points],
        "meta": {
            "data_point_period_seconds": 300,
            "region": "CAISO_NORTH",
            "warnings": [],
            "signal_type": "co2_moer",
            "model": {"date": "2023-03-01"},
            "units": "lbs_co2_per_mwh",
            "generated_at_period_seconds": 300,
            "generated_at": min(NOW, max(at for at, _ in points)).isoformat(),
        },
    }

    def forecast(ask):
        signed = ask.headers.get("authorization") == f"Bearer {CANARY}-token"
        return body if signed else Say(401, {"error": "no token"})

    return {
        "/login": {"token": f"{CANARY}-token"},
        "/v3/region-from-loc": {"region": "CAISO_NORTH"},
        "/v3/forecast": forecast,
    }


CASE = Case(
    name="watttime",
    source=lambda url: WattTime(username="me", password=CANARY, base_url=url),
    zone="US-CAL-CISO",
    step=timedelta(minutes=5),
    routes=_routes,
    forecast_path="/v3/forecast",
    unknown_zone=Say(404, {"error": "Region not found"}),
    fields=("data", "meta", "units", "generated_at", "point_time", "value"),
    wrong_unit=lambda body: {**body, "meta": {**body["meta"], "units": "gco2_per_kwh"}},
    unit=G_PER_KWH,
)
