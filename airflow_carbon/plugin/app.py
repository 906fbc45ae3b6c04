"""The carbon page as an app that Airflow's API server mounts."""

from __future__ import annotations

from typing import Final

from fastapi import FastAPI, HTTPException, Request, status
from fastapi.responses import JSONResponse, Response

from airflow_carbon.core.errors import CarbonError, InputError
from airflow_carbon.plugin import assets, feeds, keda, pages
from airflow_carbon.plugin.door import Door

ROUTERS: Final = (pages.router, feeds.router, keda.router, assets.router)
"""What is served; a module with another ``APIRouter`` is added here, and stands behind the door."""


def build() -> FastAPI:
    """Return the app: every route behind Airflow's login, and no API docs beside it."""
    app = FastAPI(title="Carbon", docs_url=None, redoc_url=None, openapi_url=None)
    for router in ROUTERS:
        app.include_router(router)
    app.add_exception_handler(CarbonError, _said)
    app.add_exception_handler(HTTPException, _said)
    app.add_exception_handler(404, _said)
    app.add_middleware(Door)
    return app


def _said(request: Request, exc: Exception) -> Response:
    """Say what is wrong and what to do, to people or to the script."""
    code, said = status.HTTP_503_SERVICE_UNAVAILABLE, str(exc)
    if isinstance(exc, InputError):
        code = status.HTTP_400_BAD_REQUEST
    elif (known := getattr(exc, "status_code", None)) is not None:
        code, said = known, str(getattr(exc, "detail", exc))
    if "text/html" in request.headers.get("accept", ""):
        return pages.refused(code, said)
    return JSONResponse({"detail": said}, code)
