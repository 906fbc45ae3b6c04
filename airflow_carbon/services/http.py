"""Questions over HTTP: one request and one reader, sent in either colour.

One place for time-outs, size, the retry, error classes and the gate before each service. A
reader is given successful replies only, and may raise what parsing raises: it becomes a
:class:`MalformedReplyError`.
"""

from __future__ import annotations

import asyncio
import time
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar
from weakref import WeakKeyDictionary

import httpx

from airflow_carbon import __version__, clock
from airflow_carbon.core.errors import (
    AccessRefusedError,
    InvalidSeriesError,
    MalformedReplyError,
    RateLimitedError,
    ServiceUnavailableError,
)
from airflow_carbon.services.calls import Call, adrive, drive
from airflow_carbon.services.gate import GATES

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from datetime import datetime

    from airflow_carbon.core.errors import CarbonError

T = TypeVar("T")

TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)
"""How long to wait for a connection, and for each piece of an answer [s]."""

WHOLE_S: Final = 15.0
"""How long a whole answer may take [s], however it dribbles in."""

LARGEST_BYTES: Final = 32 * 2**20

TRIES: Final = 2
RETRY_PAUSE_S: Final = 0.5
"""A dropped connection or a 5xx is tried once more, after so long [s]."""

SHORTEST_SECRET: Final = 6

DEFAULT_PEACE: Final = timedelta(minutes=1)
"""How long a service is left alone that says 429 and not for how long."""

LONGEST_PEACE: Final = timedelta(days=1)

HEADERS: Final = {
    "user-agent": f"airflow-carbon/{__version__}",
    "accept": "application/json",
    "accept-encoding": "gzip, deflate",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Http(Generic[T]):
    """A question that a web service answers.

    ``read`` turns a successful reply into the answer. ``refuse`` may turn a reply with a
    status of 400 and above into an error of its own; None leaves it to the general rule.
    The key belongs into ``auth`` or ``headers``, which never show.
    """

    service: str
    url: str
    read: Callable[[httpx.Response], T]
    params: Mapping[str, str] = field(default_factory=dict)
    method: str = "GET"
    json: Any = None
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    auth: httpx.Auth | None = field(default=None, repr=False)
    refuse: Callable[[httpx.Response], CarbonError | None] = lambda _: None

    def make(self) -> T:
        """Ask; raises as :meth:`amake` does."""
        return drive(self._exchange())

    async def amake(self) -> T:
        """Ask, from an event loop.

        Raises:
            AccessRefusedError: 401 and 403: the key or its plan.
            RateLimitedError: 429.
            MalformedReplyError: what came can't be read, or can't be true.
            ServiceUnavailableError: anything else that is no answer; also at once, while the
                gate before the service is closed.
            UnknownZoneError: where the service's ``refuse`` or ``read`` says so.
        """
        return await adrive(self._exchange())

    def _exchange(self) -> Generator[Call[Any], Any, T]:
        gate = GATES.of(self.service, httpx.URL(self.url).netloc.decode())
        gate.enter(clock.now())
        fetch = _Fetch(
            self.service,
            httpx.Request(
                self.method,
                self.url,
                params=self.params,
                json=self.json,
                headers={**HEADERS, **self.headers},
            ),
            self.auth,
        )
        error: CarbonError
        for left in reversed(range(TRIES)):
            try:
                reply = yield fetch
            except MalformedReplyError:
                raise
            except ServiceUnavailableError as exc:
                error = exc
            else:
                if reply.is_success:
                    gate.succeeded()
                    return self._answer(reply)
                error = self.refuse(reply) or _refusal(self.service, reply)
                if not reply.is_server_error:
                    if isinstance(error, RateLimitedError):
                        gate.failed(clock.now(), error)
                    else:
                        gate.succeeded()
                    raise error
            if left:
                yield _Pause(self.service)
        gate.failed(clock.now(), error)
        raise error

    def _answer(self, reply: httpx.Response) -> T:
        try:
            return self.read(reply)
        except (InvalidSeriesError, ValueError, TypeError, LookupError, AttributeError) as exc:
            kind = reply.headers.get("content-type", "no content type")
            cause = f"its reply can't be read ({kind}): {type(exc).__name__}: {exc}"
            raise MalformedReplyError(self.service, cause) from exc


@dataclass(frozen=True, slots=True)
class _Fetch:
    """One request and its whole answer, within a limit of time and of size."""

    service: str
    request: httpx.Request
    auth: httpx.Auth | None = field(repr=False)

    def make(self) -> httpx.Response:
        ends = time.monotonic() + WHOLE_S
        try:
            reply = _client().send(self.request, auth=self.auth, stream=True)
            try:
                body = bytearray()
                for piece in reply.iter_bytes():
                    body += piece
                    self._check(len(body), time.monotonic() > ends)
            finally:
                reply.close()
        except (httpx.HTTPError, OSError) as exc:
            raise self._unreachable(exc) from exc
        return _whole(reply, bytes(body))

    async def amake(self) -> httpx.Response:
        client = _aclient()
        try:
            async with asyncio.timeout(WHOLE_S):
                reply = await client.send(self.request, auth=self.auth, stream=True)
                try:
                    body = bytearray()
                    async for piece in reply.aiter_bytes():
                        body += piece
                        self._check(len(body), late=False)
                finally:
                    await reply.aclose()
        except (httpx.HTTPError, OSError) as exc:  # TimeoutError is an OSError
            raise self._unreachable(exc) from exc
        return _whole(reply, bytes(body))

    def _check(self, size: int, late: bool) -> None:  # noqa: FBT001 - two facts of one answer
        if size > LARGEST_BYTES:
            cause = f"its reply is larger than {LARGEST_BYTES >> 20} MiB"
            raise MalformedReplyError(self.service, cause)
        if late:
            raise TimeoutError

    def _unreachable(self, exc: Exception) -> ServiceUnavailableError:
        host = self.request.url.host
        if isinstance(exc, httpx.TimeoutException | TimeoutError):
            return ServiceUnavailableError(self.service, f"{host} took too long")
        return ServiceUnavailableError(self.service, f"{host}: {type(exc).__name__}: {exc}")


@dataclass(frozen=True, slots=True)
class _Pause:
    service: str

    def make(self) -> None:
        time.sleep(RETRY_PAUSE_S)

    async def amake(self) -> None:
        await asyncio.sleep(RETRY_PAUSE_S)


def retry_after(reply: httpx.Response, now: datetime) -> timedelta:
    """Return how long the service wants to be left alone (RFC 9110, 10.2.3), a day at most."""
    text = reply.headers.get("retry-after", "").strip()
    if text.isdecimal():
        return min(timedelta(seconds=int(text[:9])), LONGEST_PEACE)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return DEFAULT_PEACE
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return min(max(at - now, timedelta(0)), LONGEST_PEACE)


def excerpt(reply: httpx.Response) -> str:
    """Return what an error reply says, on one line, short enough for a log, without the key."""
    text = reply.text
    try:
        body = reply.json()
    except ValueError:
        body = None
    if isinstance(body, dict):
        said = [body.get(key) for key in ("error", "message", "detail", "title")]
        text = "; ".join(str(one) for one in said if one) or text
    for secret in _secrets(reply.request.headers):
        text = text.replace(secret, "***")
    return " ".join(text.split())[:200]


def _secrets(headers: httpx.Headers) -> list[str]:
    """Return what a service that repeats a request's headers would give away."""
    own = {"host", "connection", "content-length", "content-type", *HEADERS}
    values = [value for name, value in headers.items() if name not in own]
    words = [word for value in values for word in value.split()]
    for word in list(words):
        with suppress(ValueError):
            words += b64decode(word, validate=True).decode().split(":")
    return sorted((word for word in words if len(word) >= SHORTEST_SECRET), key=len, reverse=True)


def _refusal(service: str, reply: httpx.Response) -> CarbonError:
    status, said = reply.status_code, excerpt(reply)
    told = f"{status} {reply.reason_phrase}" + (f": {said}" if said else "")
    match status:
        case httpx.codes.UNAUTHORIZED | httpx.codes.FORBIDDEN:
            remedy = "mend the key in the connection, or see what its plan allows"
            return AccessRefusedError(service, f"{told}; {remedy}")
        case httpx.codes.TOO_MANY_REQUESTS:
            return RateLimitedError(service, retry_after(reply, clock.now()))
        case _ if reply.is_redirect:
            where = httpx.URL(reply.headers.get("location", "")).host
            return ServiceUnavailableError(service, f"{told}; it sends us on to {where!r}")
    return ServiceUnavailableError(service, told)


def _whole(reply: httpx.Response, body: bytes) -> httpx.Response:
    headers = httpx.Headers(reply.headers)
    headers.pop("content-encoding", None)
    return httpx.Response(reply.status_code, headers=headers, content=body, request=reply.request)


@lru_cache(maxsize=1)
def _client() -> httpx.Client:
    return httpx.Client(timeout=TIMEOUT)


_ACLIENTS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, httpx.AsyncClient]] = (
    WeakKeyDictionary()
)


def _aclient() -> httpx.AsyncClient:
    """Return the client of the running loop: its connections can't be used by another."""
    loop = asyncio.get_running_loop()
    if loop not in _ACLIENTS:
        _ACLIENTS[loop] = httpx.AsyncClient(timeout=TIMEOUT)
    return _ACLIENTS[loop]
