"""Each service by replies in its own shape: exact series, and each trap that is known of it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from servers.web import Say, serving
from services.case import CANARY, NOW

from airflow_carbon.core.errors import (
    AccessRefusedError,
    MalformedReplyError,
    ServiceUnavailableError,
    UnknownZoneError,
)
from airflow_carbon.core.intensity import FactorType, Signal
from airflow_carbon.services.calls import asend, send
from airflow_carbon.services.carbon_aware_sdk import CarbonAwareSDK
from airflow_carbon.services.electricity_maps import ElectricityMaps
from airflow_carbon.services.energy_charts import EnergyCharts
from airflow_carbon.services.uk_carbon_intensity import UKCarbonIntensity
from airflow_carbon.services.watttime import G_PER_KWH, WattTime

HOUR = timedelta(hours=1)
HOUR_22 = datetime(2026, 10, 24, 22, tzinfo=UTC)
REPLIES = Path(__file__).parent / "replies"


def reply(name):
    return json.loads((REPLIES / f"{name}.json").read_text())


@pytest.fixture
def web():
    with serving() as server:
        yield server


@pytest.fixture(params=["sync", "async"])
def ask(request):
    def asked(call):
        return send(call) if request.param == "sync" else asyncio.run(asend(call))

    return asked


def ahead(source, zone, hours=1):
    return source.forecast(zone, now=NOW, until=NOW + hours * HOUR)


class TestElectricityMaps:
    @pytest.fixture
    def maps(self, web):
        web.routes = {
            "/carbon-intensity/forecast": reply("electricity_maps_forecast"),
            "/carbon-intensity/latest": reply("electricity_maps_latest"),
            "/carbon-intensity/past-range": reply("electricity_maps_past_range"),
            "/carbon-intensity/history": reply("electricity_maps_history"),
            "/zones": {"DE": {"access": ["*"]}, "FR": {"access": ["*"]}},
        }
        return ElectricityMaps(token=CANARY, base_url=web.url)

    def test_a_forecast(self, ask, maps, web):
        forecast = ask(ahead(maps, "DE", hours=30))

        np.testing.assert_array_equal(forecast.series.g_per_kwh, [410, 402])
        assert (forecast.series.begins, forecast.series.step) == (HOUR_22, HOUR)
        assert forecast.issued_at == datetime(2026, 10, 24, 22, 4, 11, 310000, UTC)
        assert forecast.series.signal is Signal.AVERAGE
        assert forecast.series.factor_type is FactorType.LIFECYCLE
        (asked,) = web.asked
        assert asked.headers["auth-token"] == CANARY
        assert asked.query == {
            "zone": "DE",
            "emissionFactorType": "lifecycle",
            "flowTraced": "true",
            "temporalGranularity": "hourly",
            "disableCallerLookup": "true",
            "horizonHours": "48",
        }

    def test_the_latest_value_is_the_mean_of_its_hour(self, ask, maps):
        latest = ask(maps.latest("DE", now=NOW))

        assert (latest.begins, latest.ends) == (HOUR_22, HOUR_22 + HOUR)
        assert latest.g_per_kwh[0] == 405

    def test_the_past_is_asked_ten_days_at_a_time(self, ask, maps, web):
        begin = datetime(2026, 10, 1, tzinfo=UTC)

        series = ask(maps.history("DE", begin=begin, end=begin + 24 * 24 * HOUR))

        assert web.paths() == {"/carbon-intensity/past-range": 3}
        np.testing.assert_array_equal(series.g_per_kwh, [300, 310, 305])

    def test_a_plan_without_the_past_still_has_the_last_day(self, ask, maps, web):
        web.routes["/carbon-intensity/past-range"] = Say(401, reply("electricity_maps_not_in_plan"))

        series = ask(maps.history("DE", begin=NOW - 13 * HOUR, end=NOW))

        np.testing.assert_array_equal(series.g_per_kwh, [280, 290])

    def test_not_in_the_plan_is_told_from_a_wrong_key(self, ask, maps, web):
        web.mood = lambda _: Say(401, reply("electricity_maps_not_in_plan"))
        with pytest.raises(AccessRefusedError, match="plan of this key does not include"):
            ask(ahead(maps, "DE"))
        web.mood = lambda _: Say(401, {"error": "Invalid auth-token"})
        with pytest.raises(AccessRefusedError, match="key is not accepted"):
            ask(ahead(maps, "DE"))

    def test_the_false_numbers_of_a_sandbox_are_refused_unless_asked_for(self, ask, maps, web):
        web.routes["/carbon-intensity/forecast"] = reply("electricity_maps_sandbox")

        with pytest.raises(AccessRefusedError, match="false numbers"):
            ask(ahead(maps, "DE"))
        forecast = ask(ahead(replace(maps, allow_sandbox=True), "DE"))
        assert forecast.series.g_per_kwh[0] == 61

    def test_a_sandbox_row_is_refused_without_the_disclaimer_too(self, ask, maps, web):
        rows = reply("electricity_maps_past_range")
        rows["data"][1]["estimationMethod"] = "SANDBOX_MODE_DATA"
        web.routes["/carbon-intensity/past-range"] = rows
        web.routes["/carbon-intensity/history"] = {**rows, "history": rows["data"]}

        with pytest.raises(AccessRefusedError, match="false numbers"):
            ask(maps.history("DE", begin=NOW - 3 * HOUR, end=NOW))

    def test_an_answer_about_the_callers_own_zone_is_refused(self, ask, maps):
        with pytest.raises(ServiceUnavailableError, match="asked for zone FR, it answered for DE"):
            ask(ahead(maps, "FR"))

    @pytest.mark.parametrize(
        ("zone", "query"),
        [
            (
                "azure:germanywestcentral",
                {"dataCenterProvider": "azure", "dataCenterRegion": "germanywestcentral"},
            ),
            ("50.11, 8.68", {"lat": "50.11", "lon": "8.68"}),
        ],
    )
    def test_a_data_centre_and_coordinates_are_places_too(self, ask, maps, web, zone, query):
        assert ask(ahead(maps, zone)).series.zone == "DE"

        asked = web.asked[0].query
        assert {**asked, **query} == asked
        assert "zone" not in asked

    def test_quarter_hours_and_direct_factors(self, ask, maps, web):
        rows = [
            {"carbonIntensity": 20 + i, "datetime": f"2026-10-24T22:{15 * i:02}:00.000Z"}
            for i in range(4)
        ]
        web.routes["/carbon-intensity/forecast"] = {
            "zone": "DE", "forecast": rows, "temporalGranularity": "15_minutes",
        }  # fmt: skip
        direct = replace(maps, factor_type=FactorType.DIRECT, granularity="15_minutes")

        series = ask(ahead(direct, "DE")).series

        assert series.factor_type is FactorType.DIRECT
        assert (series.step, series.ends) == (HOUR / 4, HOUR_22 + HOUR)

    def test_a_check_says_what_works_and_what_the_plan_lacks(self, ask, maps, web):
        said = ask(maps.check())
        assert "2 zones; DE: latest works (405 g/kWh), forecast works" in said

        web.routes["/carbon-intensity/forecast"] = Say(401, reply("electricity_maps_not_in_plan"))
        said = ask(maps.check())
        assert "latest works" in said
        assert "no forecast in this plan" in said

        web.mood = lambda _: Say(401, {"error": "Invalid auth-token"})
        with pytest.raises(AccessRefusedError, match="key is not accepted"):
            ask(maps.check())


class TestWattTime:
    @pytest.fixture
    def watttime(self, web):
        self.tokens = ["first", "second", "third"]
        self.good = "first"

        def signed(name):
            def route(asked):
                good = asked.headers.get("authorization") == f"Bearer {self.good}"
                return reply(name) if good else Say(401, {"error": "token has expired"})

            return route

        def login(asked):
            assert asked.headers["authorization"].startswith("Basic ")
            return {"token": self.tokens.pop(0)}

        web.routes = {
            "/login": login,
            "/v3/forecast": signed("watttime_forecast"),
            "/v3/historical": signed("watttime_historical"),
            "/v3/forecast/historical": signed("watttime_forecast_historical"),
            "/v3/region-from-loc": {"region": "CAISO_NORTH"},
        }
        return WattTime(username="me", password=CANARY, base_url=web.url)

    def test_pounds_a_megawatt_hour_are_converted_once(self, ask, watttime):
        forecast = ask(ahead(watttime, "CAISO_NORTH"))

        expected = np.array([1000.0, 900.5]) * 0.45359237
        np.testing.assert_allclose(forecast.series.g_per_kwh, expected, rtol=1e-12)
        assert forecast.series.signal is Signal.MARGINAL
        assert forecast.series.step == HOUR / 12
        assert forecast.issued_at == NOW

    def test_a_token_serves_many_questions_and_is_renewed_when_it_ends(self, ask, watttime, web):
        for _ in range(3):
            ask(ahead(watttime, "CAISO_NORTH"))
        assert web.paths() == {"/login": 1, "/v3/forecast": 3}

        self.good = "second"
        ask(ahead(watttime, "CAISO_NORTH"))
        assert web.paths() == {"/login": 2, "/v3/forecast": 5}

    def test_a_token_that_is_never_accepted_is_asked_for_twice_only(self, ask, watttime, web):
        self.good = "none"
        with pytest.raises(AccessRefusedError, match="token is not accepted"):
            ask(ahead(watttime, "CAISO_NORTH"))
        assert web.paths()["/login"] == 2

    def test_a_wrong_password_says_so(self, ask, watttime, web):
        web.routes["/login"] = Say(401, {"error": "no"})
        with pytest.raises(AccessRefusedError, match="user name or password"):
            ask(ahead(watttime, "CAISO_NORTH"))

    def test_a_region_outside_of_the_plan_says_so(self, ask, watttime, web):
        web.routes["/v3/forecast"] = Say(403, {"error": "no access to this region"})
        with pytest.raises(AccessRefusedError, match="plan of this account"):
            ask(ahead(watttime, "PJM_DC"))

    def test_a_login_that_gives_no_token_is_a_malformed_reply(self, ask, watttime, web):
        web.routes["/login"] = Say(200, "<html>")
        with pytest.raises(MalformedReplyError):
            ask(ahead(watttime, "CAISO_NORTH"))

    def test_a_zone_is_asked_for_by_the_tables_region_or_by_coordinates(self, ask, watttime, web):
        ask(ahead(watttime, "AU-NSW"))
        assert web.asked[-1].query["region"] == "NEM_NSW"
        assert web.paths()["/v3/region-from-loc"] == 0

        for _ in range(2):
            ask(ahead(watttime, "US-CAL-CISO"))
        assert web.asked[-1].query["region"] == "CAISO_NORTH"
        assert web.paths()["/v3/region-from-loc"] == 1

    def test_the_past_is_asked_thirty_days_at_a_time(self, ask, watttime, web):
        series = ask(watttime.history("CAISO_NORTH", begin=NOW - 50 * 24 * HOUR, end=NOW))

        assert web.paths()["/v3/historical"] == 2
        np.testing.assert_allclose(series.g_per_kwh, np.array([870, 860]) * G_PER_KWH)

    def test_what_was_issued_is_asked_a_day_at_a_time(self, ask, watttime, web):
        begin = datetime(2026, 10, 20, tzinfo=UTC)
        issues = ask(watttime.issued("CAISO_NORTH", begin=begin, end=begin + 36 * HOUR))

        assert web.paths()["/v3/forecast/historical"] == 2
        assert issues[0].issued_at == begin

    def test_a_check_logs_in(self, ask, watttime):
        assert "login works; forecast of CAISO_NORTH to 2026-10-24 22:20Z" in ask(watttime.check())


class TestUKCarbonIntensity:
    @pytest.fixture
    def uk(self, web):
        def route(asked):
            if "/regional/" in asked.path:
                return reply("uk_region_object")
            return (
                {"data": reply("uk_national")["data"][1:2]}
                if asked.path == "/intensity"
                else (reply("uk_national"))
            )

        web.mood = lambda asked: Say(body=route(asked))
        return UKCarbonIntensity(base_url=web.url)

    def test_the_half_hour_before_is_left_out(self, ask, uk, web):
        forecast = ask(ahead(uk, "GB"))

        assert web.asked[0].path == "/intensity/2026-10-24T22:10Z/fw48h"
        np.testing.assert_array_equal(forecast.series.g_per_kwh, [130, 120])
        assert (forecast.series.begins, forecast.series.step) == (HOUR_22, HOUR / 2)
        assert forecast.issued_at == HOUR_22
        assert forecast.series.factor_type is FactorType.DIRECT

    @pytest.mark.parametrize("shape", ["uk_region_object", "uk_region_list"])
    def test_a_region_is_an_object_or_a_list_of_one(self, ask, uk, web, shape):
        web.mood = lambda _: Say(body=reply(shape))

        forecast = ask(ahead(uk, "GB:EC1"))

        assert web.asked[0].path.endswith("/fw48h/postcode/EC1")
        np.testing.assert_array_equal(forecast.series.g_per_kwh, [99, 101])

    def test_actuals_end_where_none_is_known_and_no_forecast_is_mixed_in(self, ask, uk, web):
        series = ask(uk.history("GB", begin=NOW - HOUR, end=NOW))

        assert series.ends == HOUR_22
        np.testing.assert_array_equal(series.g_per_kwh, [135])
        assert web.asked[0].path == "/intensity/2026-10-24T21:10Z/2026-10-24T22:10Z"

    def test_a_region_has_no_actuals(self, ask, uk):
        with pytest.raises(ServiceUnavailableError, match="no actuals of a region"):
            ask(uk.history("GB-13", begin=NOW - HOUR, end=NOW))

    @pytest.mark.parametrize(
        "said", [Say(400, reply("uk_error_400")), Say(body=b""), Say(body={"data": None})]
    )
    def test_a_postcode_that_is_none(self, ask, uk, web, said):
        web.mood = lambda _: said
        with pytest.raises(UnknownZoneError):
            ask(ahead(uk, "GB:ZZ99"))

    def test_zones_elsewhere_are_unknown(self, ask, uk):
        with pytest.raises(UnknownZoneError, match=r"'GB-18'.*did you mean GB-"):
            ask(ahead(uk, "GB-18"))
        with pytest.raises(UnknownZoneError):
            ask(ahead(uk, "DE"))

    def test_a_check_needs_no_key(self, ask, uk):
        assert "130 g/kWh forecast" in ask(uk.check())


class TestEnergyCharts:
    @pytest.fixture
    def charts(self, web):
        web.routes = {"/co2eq": reply("energy_charts_co2eq")}
        return EnergyCharts(base_url=web.url)

    def test_a_forecast_begins_with_the_quarter_hour_that_runs(self, ask, charts, web):
        forecast = ask(ahead(charts, "DE"))

        np.testing.assert_array_equal(forecast.series.g_per_kwh, [352, 353.5, 355, 356])
        assert (forecast.series.begins, forecast.series.step) == (HOUR_22, HOUR / 4)
        assert forecast.issued_at == HOUR_22
        assert web.asked[0].query == {
            "country": "de", "start": "2026-10-24T21:55Z", "end": "2026-10-24T23:10Z",
        }  # fmt: skip

    def test_actuals_hold_no_forecast(self, ask, charts):
        series = ask(charts.history("DE", begin=NOW - HOUR, end=NOW))

        np.testing.assert_array_equal(series.g_per_kwh, [350.5, 351])
        assert series.ends == HOUR_22

    @pytest.mark.parametrize(
        ("zone", "country"), [("SE-SE3", "se"), ("GB", "uk"), ("IT-NO", "it"), ("NO-NO1", "no")]
    )
    def test_a_zone_is_asked_for_by_its_country(self, ask, charts, web, zone, country):
        assert ask(ahead(charts, zone)).series.zone == zone
        assert web.asked[0].query["country"] == country

    def test_a_country_that_it_lacks_is_unknown(self, ask, charts):
        with pytest.raises(UnknownZoneError):
            ask(ahead(charts, "US-CAL-CISO"))

    def test_columns_of_different_lengths_are_a_malformed_reply(self, ask, charts, web):
        web.routes["/co2eq"]["co2eq_forecast"].pop()
        with pytest.raises(MalformedReplyError):
            ask(ahead(charts, "DE"))

    def test_a_check_counts(self, ask, charts):
        assert "2 quarter-hours of today known and 6 forecast" in ask(charts.check())


class TestCarbonAwareSDK:
    @pytest.fixture
    def sdk(self, web):
        web.routes = {
            "/emissions/forecasts/current": reply("carbon_aware_sdk_forecast"),
            "/emissions/bylocation": reply("carbon_aware_sdk_bylocation"),
            "/locations": {"westeurope": {}, "northeurope": {}},
        }
        return CarbonAwareSDK(base_url=web.url)

    def test_a_forecast_is_asked_for_by_an_azure_region(self, ask, sdk, web):
        forecast = ask(ahead(sdk, "IE"))

        assert web.asked[0].query == {"location": "northeurope"}
        np.testing.assert_array_equal(forecast.series.g_per_kwh, [532.02, 448.4])
        assert forecast.series.step == HOUR / 12
        assert forecast.issued_at == datetime(2026, 10, 24, 22, 5, tzinfo=UTC)
        assert forecast.series.zone == "IE"

    def test_the_optimum_may_be_an_object_or_absent(self, ask, sdk, web):
        (body,) = web.routes["/emissions/forecasts/current"]
        body["optimalDataPoint"] = body.pop("optimalDataPoints")[0]
        ask(ahead(sdk, "IE"))
        del body["optimalDataPoint"]
        ask(ahead(sdk, "IE"))

    def test_history_has_lengths_by_the_clock(self, ask, sdk):
        series = ask(sdk.history("IE", begin=HOUR_22 - 2 * HOUR, end=HOUR_22))

        np.testing.assert_array_equal(series.g_per_kwh, [70.5, 80])
        assert (series.step, series.ends) == (HOUR, HOUR_22)

    def test_no_content_is_no_history(self, ask, sdk, web):
        web.routes["/emissions/bylocation"] = Say(204)
        with pytest.raises(ServiceUnavailableError, match="knows nothing"):
            ask(sdk.history("IE", begin=NOW - HOUR, end=NOW))

    def test_an_unknown_location_is_an_unknown_zone(self, ask, sdk, web):
        web.mood = lambda _: Say(400, reply("carbon_aware_sdk_unknown"))
        with pytest.raises(UnknownZoneError):
            ask(ahead(sdk, "atlantis"))

    def test_the_signal_is_what_was_declared(self, ask, sdk):
        marginal = replace(sdk, signal=Signal.MARGINAL, factor_type=FactorType.DIRECT)
        series = ask(ahead(marginal, "IE")).series

        assert (series.signal, series.factor_type) == (Signal.MARGINAL, FactorType.DIRECT)

    def test_a_check_says_what_its_source_lacks(self, ask, sdk, web):
        assert "2 locations; forecast of westeurope in 2 steps" in ask(sdk.check())
        web.routes["/emissions/forecasts/current"] = Say(501, {"title": "NotImplemented"})
        assert "no forecast of westeurope (501" in ask(sdk.check())
