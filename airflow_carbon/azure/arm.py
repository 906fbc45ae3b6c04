"""Questions to Azure Resource Manager as values, and the SDK that sends them in either colour."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final, Generic, Self, TypeVar

from azure.core.exceptions import AzureError, ClientAuthenticationError
from azure.core.pipeline.policies import SansIOHTTPPolicy
from azure.core.rest import HttpRequest
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.resource.resources.aio import ResourceManagementClient as AsyncClient

from airflow_carbon import clock
from airflow_carbon.azure.errors import AzureRefusedError
from airflow_carbon.azure.login import USER_AGENT
from airflow_carbon.core.errors import (
    AccessRefusedError,
    CarbonError,
    MalformedReplyError,
    RateLimitedError,
    ServiceUnavailableError,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping
    from typing import TypeAlias

    from azure.core.rest import AsyncHttpResponse, HttpResponse

    from airflow_carbon.azure.login import Login

T = TypeVar("T")

AZURE: Final = "Azure"

_PEACE: Final = timedelta(seconds=30)
"""How long to leave Azure alone that says too often, but not until when."""

_LONGEST_PEACE: Final = timedelta(days=1)

_RETRIED: Final = frozenset({"GET", "PUT"})
"""What may be sent twice. The SDK would send a POST again, too, and start a job twice."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer of status 200 to 299; header names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Ask(Generic[T]):
    """A question to Azure Resource Manager, and how its answer is read.

    ``path`` begins at the root: ``/subscriptions/...``; one that begins with ``https://`` is a
    link that Azure gave, whose query stays as it is. An answer may lead to another question, and
    so may a refusal, where ``refused`` reads it: it raises those that it knows nothing of.
    """

    method: str
    path: str
    api_version: str
    read: Callable[[Reply], T | Ask[T]]
    params: Mapping[str, str] = field(default_factory=dict)
    body: Any = field(default=None, repr=False)  # it has the job's environment in it
    headers: Mapping[str, str] = field(default_factory=dict)
    refused: Callable[[AzureRefusedError], T | Ask[T]] | None = None

    def request(self) -> HttpRequest:
        """Return the request that the SDK sends."""
        linked = self.path.startswith("https://")
        params = {} if linked else {"api-version": self.api_version, **self.params}
        return HttpRequest(
            self.method, self.path, params=params, json=self.body, headers=dict(self.headers)
        )


if TYPE_CHECKING:
    Talk: TypeAlias = Generator[Ask[Any], Any, T]
    """Several questions, each depending on the answers before it; it has no colour either."""


class Arm:
    """Azure Resource Manager, asked from ordinary code."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._credential = login.credential()
        self._client = ResourceManagementClient(
            self._credential, login.subscription_id, login.resource_manager, **_options(login)
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def send(self, ask: Ask[T]) -> T:
        """Ask and read the answer.

        Raises:
            AccessRefusedError: the login does not work, or has no right to this.
            RateLimitedError: asked too often.
            ServiceUnavailableError: no answer, or one of status 500 and over.
            AzureRefusedError: any other refusal.
            MalformedReplyError: an answer that can't be read.
        """
        found: T | Ask[T] = ask
        while isinstance(found, Ask):
            try:
                reply = self._client.send_request(found.request(), **_patience(found))
            except (AzureError, OSError, ValueError) as exc:
                raise _translated(exc) from exc
            found = _answer(found, reply)
        return found

    def talk(self, talk: Talk[T]) -> T:
        """Ask one question after another; what :meth:`send` raises is raised in the talk."""
        try:
            ask = next(talk)
            while True:
                try:
                    answer = self.send(ask)
                except CarbonError as exc:
                    ask = talk.throw(exc)
                else:
                    ask = talk.send(answer)
        except StopIteration as end:
            found: T = end.value
            return found


class AsyncArm:
    """Azure Resource Manager, asked from an event loop."""

    def __init__(self, login: Login) -> None:
        self.login = login
        self._credential = login.acredential()
        self._client = AsyncClient(
            self._credential, login.subscription_id, login.resource_manager, **_options(login)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()
        await self._credential.close()

    async def send(self, ask: Ask[T]) -> T:
        """Ask and read the answer; raises as :meth:`Arm.send`, and never retries by itself."""
        found: T | Ask[T] = ask
        while isinstance(found, Ask):
            patience = _patience(found, retries=0)
            try:
                reply = await self._client.send_request(found.request(), **patience)
            except (AzureError, OSError, ValueError) as exc:
                raise _translated(exc) from exc
            found = _answer(found, reply)
        return found

    async def talk(self, talk: Talk[T]) -> T:
        """Ask one question after another, as :meth:`Arm.talk`."""
        try:
            ask = next(talk)
            while True:
                try:
                    answer = await self.send(ask)
                except CarbonError as exc:
                    ask = talk.throw(exc)
                else:
                    ask = talk.send(answer)
        except StopIteration as end:
            found: T = end.value
            return found


def _options(login: Login) -> dict[str, Any]:
    return {
        "credential_scopes": [login.scope],
        "user_agent": USER_AGENT,
        "http_logging_policy": SansIOHTTPPolicy(),  # the SDK's own writes headers to the log
        "connection_timeout": 10,
        "read_timeout": 60,
        **login.transport,
    }


def _patience(ask: Ask[Any], retries: int = 4) -> dict[str, Any]:
    return {"retry_total": retries if ask.method in _RETRIED else 0, "timeout": 120}


def _translated(exc: Exception) -> CarbonError:
    """Return the SDK's error in this package's words; no token is ever part of one."""
    if isinstance(exc, ClientAuthenticationError):
        remedy = "check the Airflow connection; a secret that has expired needs a new one"
        said = _first_line(exc.message).rstrip(".")
        return AccessRefusedError(AZURE, f"the login does not work: {said}; {remedy}")
    return ServiceUnavailableError(AZURE, f"{type(exc).__name__}: {_first_line(str(exc))}")


def _first_line(text: object) -> str:
    return str(text).strip().split("\n", 1)[0]


def _answer(ask: Ask[T], reply: HttpResponse | AsyncHttpResponse) -> T | Ask[T]:
    headers = {name.lower(): value for name, value in reply.headers.items()}
    try:
        body = reply.json() if reply.content else None
    except ValueError as exc:
        if reply.status_code < 400:  # noqa: PLR2004 - HTTP
            raise MalformedReplyError(AZURE, "the reply is not JSON") from exc
        body = None
    if reply.status_code >= 300:  # noqa: PLR2004 - HTTP
        refusal = _refusal(reply.status_code, headers, body)
        if ask.refused is None or not isinstance(refusal, AzureRefusedError):
            raise refusal
        return ask.refused(refusal)
    try:
        return ask.read(Reply(status=reply.status_code, headers=headers, body=body))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as exc:
        raise MalformedReplyError(AZURE, f"{type(exc).__name__}: {exc} in {ask.path}") from exc


def _refusal(status: int, headers: Mapping[str, str], body: Any) -> CarbonError:
    code, message = error_of(body)
    if status == 401:  # noqa: PLR2004 - HTTP
        return AccessRefusedError(AZURE, f"{message or 'the token was refused'} ({code})")
    peace = retry_after(headers)
    if status == 429 or (status >= 500 and peace):  # noqa: PLR2004 - HTTP
        return RateLimitedError(AZURE, peace or _PEACE)
    if status >= 500:  # noqa: PLR2004 - HTTP
        return ServiceUnavailableError(AZURE, f"status {status}: {message or code}")
    return AzureRefusedError(code, message or f"status {status}", status)


def error_of(body: Any) -> tuple[str, str]:
    """Return code and message of Azure's error, of the innermost detail where there is one."""
    error = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return "Unknown", ""
    for detail in error.get("details") or []:
        if isinstance(detail, dict) and detail.get("code"):
            return error_of(detail)
    return str(error.get("code") or "Unknown"), str(error.get("message") or "")


def retry_after(headers: Mapping[str, str]) -> timedelta | None:
    """Return how long Azure wants to be left alone (RFC 9110, 10.2.3): a day at most.

    >>> retry_after({"retry-after": "120"})
    datetime.timedelta(seconds=120)
    """
    value = headers.get("retry-after", "").strip()
    if value.isdecimal():
        return min(timedelta(seconds=int(value[:9])), _LONGEST_PEACE)
    try:
        left = parsedate_to_datetime(value) - clock.now()
    except (TypeError, ValueError):
        return None
    return min(max(left, timedelta(0)), _LONGEST_PEACE)
