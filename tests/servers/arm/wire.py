"""How Azure Resource Manager is spoken to: versions, tokens, scopes and errors, for all rooms.

The order of the checks is Azure's: api-version given, token good, subscription known, version
known, names well formed, group known.
"""

from __future__ import annotations

import json
import re
import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response
from fastapi.routing import APIRoute

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from servers.arm.world import World

NAMES = {
    "group": (r"[-\w._()]{1,90}", "InvalidResourceGroup", "resource group"),
    "workspace": (r"[a-zA-Z0-9][a-zA-Z0-9_-]{2,32}", "UserError", "workspace"),
    "job": (r"[a-zA-Z0-9][a-zA-Z0-9\-_]{0,254}", "UserError", "job"),
    "deployment": (r"[-\w._()]{1,64}", "InvalidDeploymentName", "deployment"),
    "app_job": (r"[a-z]([a-z0-9]|-(?!-)){0,30}[a-z0-9]", "ContainerAppInvalidName", "job"),
}
"""The specs' patterns; ``app_job`` is the service's, tighter than its spec's."""


class ArmError(Exception):
    """Azure's error: a status, a code, a sentence, and the causes beneath it."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: list[dict[str, Any]] | None = None,
        more: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(code, message)
        self.status, self.headers = status, headers
        self.error = error(code, message, details) | (more or {})


def error(code: str, message: str, details: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the inside of an error body."""
    return {"code": code, "message": message} | ({"details": details} if details else {})


def reply(status: int = 200, body: Any = None, **headers: str) -> Response:
    """Return an answer; ``Retry_After="1"`` becomes the header ``Retry-After``."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    if body is None:
        return Response(status_code=status, headers=named)
    return JSONResponse(body, status_code=status, headers=named)


@dataclass(frozen=True, kw_only=True)
class Call:
    """A request that was let in."""

    world: World
    request: Request
    params: dict[str, str]
    body: Any
    version: str
    group: dict[str, Any] = field(default_factory=dict)

    @property
    def query(self) -> dict[str, str]:
        return dict(self.request.query_params)

    @property
    def base(self) -> str:
        return str(self.request.base_url).rstrip("/")

    @property
    def subscription(self) -> str:
        return self.params["subscription"]

    def id(self, *, inside: str = "") -> str:
        """Return a resource's id in the case in which Azure writes it."""
        start = f"/subscriptions/{self.subscription}"
        if self.group:
            start += f"/resourceGroups/{self.group['name']}"
        return f"{start}/providers/{inside}" if inside else start

    def url(self, path: str) -> str:
        """Return an absolute URL with the caller's api-version."""
        return f"{self.base}{path}?api-version={self.version}"

    def need(self, *keys: str, code: str = "InvalidRequestContent") -> Any:
        """Return what lies in the body under the keys; refuse the request if it is missing."""
        found: Any = self.body
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
            if found is None:
                raise ArmError(400, code, f"The required property '{'.'.join(keys)}' is missing.")
        return found


class AnyCase(APIRoute):
    """A route that matches in any case, as ARM does."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.path_regex = re.compile(self.path_regex.pattern, re.IGNORECASE)


class Room(APIRouter):
    """Routes of one kind."""

    def __init__(self) -> None:
        super().__init__(route_class=AnyCase)

    def arm(self, method: str, path: str, *versions: str) -> Callable[[Any], Any]:
        """Keep a handler of ARM's: it is given a Call, and answers a body or a Response."""

        def keep(handler: Callable[[Call], Awaitable[Any]]) -> Any:
            async def endpoint(request: Request) -> Any:
                answer = await handler(await _admit(request, path, versions))
                return answer if isinstance(answer, Response) else reply(200, answer)

            name = f"{handler.__module__}.{handler.__name__}"
            self.add_api_route(path, endpoint, methods=[method], name=name, response_model=None)
            return handler

        return keep

    def plain(self, method: str, path: str) -> Callable[[Any], Any]:
        """Keep a handler of another door: it is given the request and the world."""

        def keep(handler: Callable[[Request, World], Awaitable[Any]]) -> Any:
            async def endpoint(request: Request) -> Any:
                answer = await handler(request, request.app.state.world)
                return answer if isinstance(answer, Response) else reply(200, answer)

            name = f"{handler.__module__}.{handler.__name__}"
            self.add_api_route(path, endpoint, methods=[method], name=name, response_model=None)
            return handler

        return keep


async def _admit(request: Request, path: str, versions: tuple[str, ...]) -> Call:
    world: World = request.app.state.world
    params = dict(request.path_params)
    version = request.query_params.get("api-version", "")
    if not version:
        raise ArmError(
            400,
            "MissingApiVersionParameter",
            "The api-version query parameter (?api-version=) is required for all requests.",
        )
    world.tokens.check(request)
    wanted = params.get("subscription")
    if wanted is not None and wanted.lower() not in world.subscriptions:
        raise ArmError(
            404, "SubscriptionNotFound", f"The subscription '{wanted}' could not be found."
        )
    if version not in versions:
        raise _unknown_version(path, version, versions)
    _registered(world, request, path)
    for kind in NAMES.keys() & params.keys():
        check_name(kind, params[kind])
    return Call(
        world=world,
        request=request,
        params=params,
        body=await _json(request),
        version=version,
        group=_group(world, request, params),
    )


def _registered(world: World, request: Request, path: str) -> None:
    """Refuse to make what belongs to a provider that the subscription has not registered."""
    _, found, inside = path.rpartition("/providers/")
    space = inside.split("/")[0]
    if found and request.method == "PUT" and space.lower() in world.unregistered:
        raise ArmError(
            409,
            "MissingSubscriptionRegistration",
            f"The subscription is not registered to use namespace '{space}'. See "
            "https://aka.ms/rps-not-found for how to register subscriptions.",
        )


def check_name(kind: str, name: str) -> None:
    """Refuse a name that Azure refuses."""
    pattern, code, noun = NAMES[kind]
    if not re.fullmatch(pattern, name):
        raise ArmError(400, code, f"The provided {noun} name '{name}' is not valid.")


def _group(world: World, request: Request, params: dict[str, str]) -> dict[str, Any]:
    if "group" not in params:
        return {}
    found = world.groups.get((params["subscription"].lower(), params["group"].lower()))
    if found is None and request.method != "PUT":
        raise no_group(params["group"])
    if found is None and "providers" in request.url.path.lower():
        raise no_group(params["group"])
    return found or {}


def no_group(name: str) -> ArmError:
    """Return the error of a resource group that isn't there."""
    return ArmError(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")


def no_resource(kind: str, name: str, group: str) -> ArmError:
    """Return the error of a resource that isn't there."""
    return ArmError(
        404,
        "ResourceNotFound",
        f"The Resource '{kind}/{name}' under resource group '{group}' was not found. For more "
        "details please go to https://aka.ms/ARMResourceNotFoundFix",
    )


def _unknown_version(path: str, version: str, versions: tuple[str, ...]) -> ArmError:
    known = ", ".join(versions)
    _, found, inside = path.rpartition("/providers/")
    if not found or inside.startswith("Microsoft.Resources/"):
        return ArmError(
            400,
            "InvalidApiVersionParameter",
            f"The api-version '{version}' is invalid. The supported versions are '{known}'.",
        )
    kind = "/".join(part for part in inside.split("/")[1:] if not part.startswith("{"))
    return ArmError(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location '' and API version '{version}' for "
        f"type '{kind}'. The supported api-versions are '{known}'.",
    )


async def _json(request: Request) -> Any:
    raw = await request.body()
    try:
        return json.loads(raw) if raw else {}
    except ValueError as exc:
        raise ArmError(
            400,
            "InvalidRequestContent",
            f"The request content was invalid and could not be deserialized: '{exc}'.",
        ) from exc


def new_id() -> str:
    """Return a fresh identifier."""
    return str(uuid.uuid4())
