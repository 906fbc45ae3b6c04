"""Misbehaviour on purpose, and the memory of what was asked: the outermost layer of the server."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import format_datetime
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any

from servers.arm.login import refusal
from servers.arm.wire import ArmError, new_id

from airflow_carbon.clock import now

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, MutableMapping

CODES = {
    429: ("TooManyRequests", "The request is being throttled."),
    500: ("InternalServerError", "Encountered internal server error."),
    503: ("ServiceUnavailable", "The service is temporarily unavailable."),
}


@dataclass(kw_only=True)
class Fault:
    """What befalls the next requests of a pattern such as ``PUT */jobs/*`` (any case)."""

    pattern: str
    kind: str = "status"
    """``status``, ``drop``, ``hang``, or ``expired`` (a 401, as of a token past its time)."""
    times: int = 1
    status: int = 503
    code: str | None = None
    """The error's code; None is what goes with the status."""
    message: str | None = None
    retry_after_s: int | None = None
    as_date: bool = False
    """Let Retry-After be an HTTP-date (RFC 9110, 10.2.3)."""
    hang_s: float = 3600.0
    after: bool = False
    """Do what is asked first, and lose the answer."""


@dataclass
class Faults:
    """The faults to come, and the requests that came."""

    coming: list[Fault] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    """``METHOD /path?query`` of each request, as it came."""
    agents: set[str] = field(default_factory=set)
    """Who asked."""

    def count(self, pattern: str) -> int:
        """Return how many requests matched the pattern, faulted ones too."""
        return sum(_fits(line, pattern) for line in self.asked)

    def take(self, line: str) -> Fault | None:
        """Return the fault that befalls the request, if any, and count it down."""
        for fault in self.coming:
            if fault.times and _fits(line, fault.pattern):
                fault.times -= 1
                return fault
        return None


def _fits(line: str, pattern: str) -> bool:
    line, pattern = line.lower(), pattern.lower()
    return fnmatch(line, pattern) or fnmatch(line.partition("?")[0], pattern)


class Layer:
    """The ASGI application around the rooms."""

    def __init__(self, inner: Any, faults: Callable[[], Faults]) -> None:
        self.inner, self.faults = inner, faults

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Count, misbehave if told so, else pass on."""
        if scope["type"] != "http" or scope["path"].startswith("/_"):
            await self.inner(scope, receive, send)
            return
        query = scope["query_string"].decode()
        line = f"{scope['method']} {scope['path']}{'?' + query if query else ''}"
        self.faults().asked.append(line)
        self.faults().agents.add(dict(scope["headers"]).get(b"user-agent", b"").decode())
        fault = self.faults().take(line)
        if fault is None:
            await self.inner(scope, receive, _named(send))
            return
        if fault.after:
            await self.inner(scope, receive, _swallow)
        await _befall(fault, scope, receive, send)


async def _befall(fault: Fault, scope: Any, receive: Any, send: Any) -> None:
    if fault.kind == "drop":
        send.__self__.transport.abort()
        return
    if fault.kind == "hang":
        await _until_gone(receive, fault.hang_s)
        send.__self__.transport.abort()
        return
    if fault.kind == "expired":
        host = dict(scope["headers"])[b"host"].decode()
        base = f"{scope['scheme']}://{host}"
        bad = refusal(base, "ExpiredAuthenticationToken", "The access token has expired.")
    else:
        code, message = CODES.get(fault.status, ("BadRequest", "An error, on purpose."))
        wait = {} if fault.retry_after_s is None else {"Retry-After": _peace(fault)}
        code, message = fault.code or code, fault.message or message
        bad = ArmError(fault.status, code, message, headers=wait)
    headers = {"content-type": "application/json; charset=utf-8"} | (bad.headers or {})
    content = json.dumps({"error": bad.error}).encode()
    raw = [(k.lower().encode(), v.encode()) for k, v in headers.items()]
    raw.append((b"content-length", str(len(content)).encode()))
    await _named(send)({"type": "http.response.start", "status": bad.status, "headers": raw})
    await send({"type": "http.response.body", "body": content})


def _peace(fault: Fault) -> str:
    seconds = fault.retry_after_s or 0
    if not fault.as_date:
        return str(seconds)
    at = (now() + timedelta(seconds=seconds + 1)).replace(microsecond=0)  # in whole seconds
    return format_datetime(at, usegmt=True)


async def _until_gone(receive: Any, seconds: float) -> None:
    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(gone(), seconds)
    except TimeoutError:
        return


def _named(send: Any) -> Callable[[MutableMapping[str, Any]], Awaitable[None]]:
    async def put(message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.start":
            name = new_id().encode()
            message["headers"] = [
                *message["headers"],
                (b"x-ms-request-id", name),
                (b"x-ms-correlation-request-id", name),
            ]
        await send(message)

    return put


async def _swallow(message: MutableMapping[str, Any]) -> None:
    """Let an answer go nowhere."""
