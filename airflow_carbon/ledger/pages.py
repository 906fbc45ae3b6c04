"""The runs of a ledger, newest first, a page at a time."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final, Self

from sqlalchemy import literal, select, tuple_

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.ledger.engine import reporting
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.rows import entry_of
from airflow_carbon.ledger.schema import KEY, carbon_run
from airflow_carbon.ledger.summary import EVERYTHING, Among

if TYPE_CHECKING:
    from airflow_carbon.ledger.entry import Entry
    from airflow_carbon.ledger.store import Ledger

ORDER: Final = (carbon_run.c.started_at, *(carbon_run.c[name] for name in KEY))


@dataclass(frozen=True, kw_only=True, slots=True)
class Cursor:
    """The last run of a page: the next begins after it, whatever was written meanwhile."""

    started_at: datetime
    key: RunKey

    @classmethod
    def read(cls, text: str) -> Self:
        """Read what :meth:`written` gave.

        Raises:
            InvalidOptionError: anything else.
        """
        try:
            at, dag, task, run, index, number = json.loads(urlsafe_b64decode(text.encode("ascii")))
            started_at = datetime.fromisoformat(at)
            key = RunKey(
                dag_id=str(dag),
                task_id=str(task),
                run_id=str(run),
                map_index=int(index),
                try_number=int(number),
            )
        except (ValueError, TypeError) as exc:
            raise InvalidOptionError("after", text, "begin again at the first page") from exc
        if started_at.utcoffset() is None:
            raise InvalidOptionError("after", text, "begin again at the first page")
        return cls(started_at=started_at, key=key)

    def written(self) -> str:
        """Return it as text that a URL may hold."""
        key = [getattr(self.key, name) for name in KEY]
        text = json.dumps([self.started_at.isoformat(), *key])
        return urlsafe_b64encode(text.encode()).decode("ascii")


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some runs, newest first; ``after`` leads to the next, None on the last page."""

    runs: list[Entry]
    after: Cursor | None


def page(
    ledger: Ledger, *, limit: int = 50, after: Cursor | None = None, among: Among = EVERYTHING
) -> Page:
    """Return the runs that began last, or that began before those of another page.

    Raises:
        LedgerError: the ledger can't be read.
    """
    asked = (
        select(carbon_run)
        .where(*among.conditions())
        .order_by(*(one.desc() for one in ORDER))
        .limit(limit + 1)
    )
    if after is not None:
        edge = (after.started_at, *(getattr(after.key, name) for name in KEY))
        values = (literal(v, c.type) for v, c in zip(edge, ORDER, strict=True))
        asked = asked.where(tuple_(*ORDER) < tuple_(*values))
    with reporting(ledger.engine.url), ledger.engine.connect() as connection:
        rows = connection.execute(asked).mappings().all()
    runs = [entry_of(row) for row in rows[:limit]]
    more = len(rows) > limit
    last = Cursor(started_at=runs[-1].started_at, key=runs[-1].key) if more and runs else None
    return Page(runs=runs, after=last)
