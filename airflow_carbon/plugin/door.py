"""The door of the page: whoever comes in is logged in to Airflow and may see its website."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from airflow.api_fastapi.app import API_ROOT_PATH, get_auth_manager
from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
from airflow.api_fastapi.core_api.security import bearer_scheme, get_user
from fastapi import HTTPException, Request, status
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, RedirectResponse, Response

if TYPE_CHECKING:
    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS: Final = {
    "content-security-policy": (
        "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'self'; img-src 'self' data:"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
}
"""Of every answer: nothing is loaded from elsewhere, no script or style stands in the page."""

UNLESS_SET: Final = {"cache-control": "private, no-store"}


@dataclass(frozen=True, slots=True)
class Door:
    """Stands before the whole app, so that no route can be forgotten, static files included."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let in who may come in; refuse others with 401 or 403, or show browsers the login."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def sealed(message: Message) -> None:
            if message["type"] == "http.response.start":
                said = {name.lower() for name, _ in message["headers"]}
                wanted = HEADERS | UNLESS_SET
                added = [(k.encode(), v.encode()) for k, v in wanted.items()]
                message["headers"] = [
                    *message["headers"],
                    *(one for one in added if one[0] not in said),
                ]
            await send(message)

        refusal = await _refusal(Request(scope))
        await (refusal or self.app)(scope, receive, sealed)


async def _refusal(request: Request) -> Response | None:
    try:
        user = await get_user(request, None, await bearer_scheme(request))
        await run_in_threadpool(_check, user)
    except HTTPException as exc:
        is_page = "text/html" in request.headers.get("accept", "")
        if exc.status_code == status.HTTP_401_UNAUTHORIZED and is_page:
            return RedirectResponse(f"{API_ROOT_PATH}api/v2/auth/login?next={_here(request)}")
        return JSONResponse({"detail": exc.detail}, exc.status_code)
    request.state.carbon_user = user
    return None


def _check(user: BaseUser) -> None:
    if not get_auth_manager().is_authorized_view(access_view=AccessView.WEBSITE, user=user):
        raise HTTPException(status.HTTP_403_FORBIDDEN, "Forbidden")


def _here(request: Request) -> str:
    return quote(f"{request.url.path}?{request.url.query}".rstrip("?"), safe="")
