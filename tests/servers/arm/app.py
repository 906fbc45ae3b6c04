"""The application: all rooms behind one door, and the errors' way out."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from servers.arm import (
    blobs,
    carbon,
    compute,
    containers,
    deployments,
    jobs,
    login,
    machines,
    metrics,
    orders,
    prices,
    run_commands,
)
from servers.arm.faults import Layer
from servers.arm.wire import ArmError, error, reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from servers.arm.world import World

ROOMS = (
    login,
    orders,
    compute,
    machines,
    metrics,
    jobs,
    containers,
    deployments,
    carbon,
    prices,
    blobs,
    run_commands,
)


def build(world: World) -> Layer:
    """Return the ASGI application over a world."""
    app = FastAPI(openapi_url=None)
    app.state.world = world
    for place in ROOMS:
        app.include_router(place.room)
    app.add_exception_handler(ArmError, _arm_error)
    app.add_exception_handler(blobs.StorageError, _storage_error)
    app.add_exception_handler(404, _nowhere)
    app.add_exception_handler(405, _nowhere)
    return Layer(app, lambda: app.state.world.faults)


@asynccontextmanager
async def closing(layer: Layer) -> AsyncIterator[None]:
    """End what runs when the server ends."""
    try:
        yield
    finally:
        await layer.inner.state.world.close()


async def _arm_error(request: Request, exc: Any) -> Any:
    headers = {key.replace("-", "_"): value for key, value in (exc.headers or {}).items()}
    return reply(exc.status, {"error": exc.error}, **headers)


async def _storage_error(request: Request, exc: Any) -> Any:
    return exc.answer()


async def _nowhere(request: Request, exc: Any) -> Any:
    path = request.url.path
    body = error("InvalidResourceType", f"The resource type could not be found: {path}.")
    return reply(404, {"error": body})
