"""Airflow's pools over its own REST API, which is all that a task may ask for them."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import httpx

from airflow_carbon.core.errors import AccessRefusedError, CarbonError, InvalidOptionError
from airflow_carbon.services.calls import Steps
from airflow_carbon.services.http import Http, excerpt

if TYPE_CHECKING:
    from collections.abc import Generator

    from airflow_carbon.services.calls import Call

SERVICE: Final = "airflow_api"


@dataclass(frozen=True, kw_only=True, slots=True)
class AirflowPools:
    """The pools of an Airflow, by its API, version 2.

    With a ``token`` it is used as it is. Else one is asked for (``POST /auth/token``) with the
    user's name and password, or with nothing, as a trial with all admins allows. The user needs
    the right to read and to edit pools.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    def slots(self, pool: str) -> Call[int]:
        """Ask how many slots a pool has; -1 is without limit.

        The answer raises :class:`InvalidOptionError` where there is no such pool,
        :class:`ServiceUnavailableError` where the API does not answer.
        """
        return Steps(service=SERVICE, steps=partial(self._slots, pool))

    def resize(self, pool: str, slots: int) -> Call[int]:
        """Give a pool so many slots, and nothing else new; raises as :meth:`slots` does."""
        return Steps(service=SERVICE, steps=partial(self._resize, pool, slots))

    def _slots(self, pool: str) -> Generator[Call[Any], Any, int]:
        token: str = self.token or (yield self._login())
        found: _Pool = yield self._about(pool, token)
        return found.slots

    def _resize(self, pool: str, slots: int) -> Generator[Call[Any], Any, int]:
        token: str = self.token or (yield self._login())
        found: _Pool = yield self._about(pool, token)
        # Airflow 3.3 wants the whole pool, though the mask says what of it is new.
        body = {"pool": pool, "slots": slots, "include_deferred": found.include_deferred}
        changed: _Pool = yield self._about(pool, token, body)
        return changed.slots

    def _about(self, pool: str, token: str, body: dict[str, Any] | None = None) -> Call[_Pool]:
        return Http(
            service=SERVICE,
            url=f"{self.url}/api/v2/pools/{quote(pool, safe='')}",
            method="GET" if body is None else "PATCH",
            params={} if body is None else {"update_mask": "slots"},
            json=body,
            headers={"authorization": f"Bearer {token}"},
            read=_read,
            refuse=partial(_refused, pool),
        )

    def _login(self) -> Call[str]:
        body = {"username": self.username, "password": self.password or ""}
        return Http(
            service=SERVICE,
            url=f"{self.url}/auth/token",
            method="POST" if self.username else "GET",
            json=body if self.username else None,
            read=lambda reply: str(reply.json()["access_token"]),
            refuse=partial(_refused, None),
        )


@dataclass(frozen=True, slots=True)
class _Pool:
    slots: int
    include_deferred: bool


def _read(reply: httpx.Response) -> _Pool:
    body = reply.json()
    return _Pool(int(body["slots"]), bool(body["include_deferred"]))


def _refused(pool: str | None, reply: httpx.Response) -> CarbonError | None:
    """Return what a refusal means; None leaves it to the general rule."""
    if reply.status_code == httpx.codes.NOT_FOUND and pool is not None:
        remedy = f"there is no such pool; create it: airflow pools set '{pool}' 1 'by the grid'"
        return InvalidOptionError("target_pool", pool, remedy)
    if reply.status_code in {httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN}:
        remedy = "give the connection airflow_api a user, or a token, that may edit pools"
        return AccessRefusedError(SERVICE, f"{reply.status_code}: {excerpt(reply)}; {remedy}")
    return None
