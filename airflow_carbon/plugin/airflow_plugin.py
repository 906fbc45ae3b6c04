"""The carbon page as Airflow finds it: in the navigation, built in the API server alone."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from airflow.sdk.plugins_manager import AirflowPlugin

from airflow_carbon.operators.page_link import PREFIX, ROUTE

if TYPE_CHECKING:
    from fastapi import FastAPI


class CarbonPagePlugin(AirflowPlugin):
    """Adds *Carbon* to Airflow's navigation.

    Airflow loads plugins in each of its processes, and asks for ``fastapi_apps`` where it serves
    its UI: there, and nowhere else, the app is built.
    """

    name = "airflow_carbon_page"
    external_views: list[dict[str, Any]] = [  # noqa: RUF012 - as Airflow declares it
        {
            "name": "Carbon",
            # Relative: Airflow may live under a path of its own.
            "href": f"{PREFIX}/",
            "icon": f"{PREFIX}/static/icon.svg",
            "icon_dark_mode": f"{PREFIX}/static/icon-dark.svg",
            "destination": "nav",
            "url_route": ROUTE,
            "nav_top_level": True,
        }
    ]

    @cached_property
    def _app(self) -> FastAPI:
        from airflow_carbon.plugin.app import build

        return build()

    @property
    def fastapi_apps(self) -> list[dict[str, Any]]:  # type: ignore[override] # built when asked for
        """The app and where it is mounted."""
        return [{"name": "Carbon", "url_prefix": f"/{PREFIX}", "app": self._app}]
