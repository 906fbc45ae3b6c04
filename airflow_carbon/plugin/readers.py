"""Who is looking, and which DAGs' rows they may see."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Annotated

from airflow.api_fastapi.app import get_auth_manager
from airflow.configuration import conf
from airflow.models.dag import DagModel
from airflow.utils.session import create_session
from fastapi import Depends, Request
from sqlalchemy import select

if TYPE_CHECKING:
    from collections.abc import Collection

    from airflow.api_fastapi.auth.managers.models.base_user import BaseUser


@dataclass(frozen=True)
class Reader:
    """A user of Airflow, behind the door."""

    user: BaseUser

    @cached_property
    def may_read(self) -> frozenset[str]:
        """The DAGs in Airflow that the user may read."""
        return frozenset(get_auth_manager().get_authorized_dag_ids(user=self.user, method="GET"))

    def among(self, dag_ids: Collection[str]) -> frozenset[str]:
        """Return those DAGs of the ledger that the user may read.

        Of DAGs that Airflow has forgotten the auth manager is asked by name; not where there
        are teams, since nobody knows any more whose they were.
        """
        readable = self.may_read
        gone = set(dag_ids) - readable
        if gone and not conf.getboolean("core", "multi_team", fallback=False):
            with create_session() as session:
                gone -= set(session.scalars(select(DagModel.dag_id)))
            readable |= get_auth_manager().filter_authorized_dag_ids(dag_ids=gone, user=self.user)
        return frozenset(readable & set(dag_ids))


def reader(request: Request) -> Reader:
    """Return who is looking; the door has let them in."""
    return Reader(request.state.carbon_user)


ReaderDep = Annotated[Reader, Depends(reader)]
