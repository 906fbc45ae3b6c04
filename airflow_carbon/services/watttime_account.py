"""A WattTime account: the login that all questions share, and what is refused to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

import httpx

from airflow_carbon import clock
from airflow_carbon.core.errors import AccessRefusedError, CarbonError, UnknownZoneError
from airflow_carbon.services.flight import ANSWERS, Flight
from airflow_carbon.services.http import Http, excerpt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call

T = TypeVar("T")

TOKEN_HOLDS: Final = timedelta(minutes=25)
"""A token is good for 30 minutes."""

_ABOUT_THE_ASK: Final = {400, 404, 422}


@dataclass(frozen=True, kw_only=True, slots=True)
class Account:
    """User name and password at a server."""

    service: str
    base_url: str
    username: str
    password: str = field(repr=False)

    def ask(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[httpx.Response], T],
        *,
        zone: ZoneKey,
    ) -> Generator[Call[Any], Any, T]:
        """Log in, ask, and log in anew where the token has ended before its time.

        Raises:
            AccessRefusedError: the password, or the plan.
            UnknownZoneError: a region that is none.
        """
        for last in (False, True):
            token: str = yield self._login()
            try:
                answer: T = yield Http(
                    service=self.service,
                    url=f"{self.base_url}/{path}",
                    params=params,
                    headers={"authorization": f"Bearer {token}"},
                    read=read,
                    refuse=partial(_refusal, self.service, zone),
                )
            except _TokenEndedError:
                known = ANSWERS.known.get(self)
                if known is not None and known.answer == token:  # else it is renewed already
                    ANSWERS.known.pop(self, None)
                if last:
                    raise
            else:
                return answer
        raise AssertionError  # the last try returns or raises

    def _login(self) -> Call[str]:
        """Ask for a token; all waits share it while it is good."""

        def steps() -> Generator[Call[Any], Any, tuple[str, datetime]]:
            token: str = yield Http(
                service=self.service,
                url=f"{self.base_url}/login",
                auth=httpx.BasicAuth(self.username, self.password),
                read=lambda reply: str(reply.json()["token"]),
                refuse=partial(_refused_login, self.service),
            )
            return token, clock.now() + TOKEN_HOLDS

        return Flight(self.service, self, steps, ANSWERS)


class _TokenEndedError(AccessRefusedError):
    """The token is not accepted: log in anew."""


def _refused_login(service: str, reply: httpx.Response) -> CarbonError | None:
    if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        return AccessRefusedError(service, "user name or password is not accepted; mend them")
    return None


def _refusal(service: str, zone: ZoneKey, reply: httpx.Response) -> CarbonError | None:
    said, status = excerpt(reply), reply.status_code
    if status == httpx.codes.UNAUTHORIZED:
        return _TokenEndedError(service, f"the token is not accepted: {said}")
    if status == httpx.codes.FORBIDDEN:
        return AccessRefusedError(service, f"the plan of this account does not include it: {said}")
    if status in _ABOUT_THE_ASK and ("region" in said.lower() or "location" in said.lower()):
        return UnknownZoneError(zone)
    return None
