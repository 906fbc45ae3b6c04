"""The pages: each is whole without script, which adds plots and the forecasts."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

from fastapi import APIRouter, Query
from fastapi.responses import HTMLResponse

from airflow_carbon import clock
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.month import months_later, parse_month
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.ledger.course import course
from airflow_carbon.ledger.entry import RunKey
from airflow_carbon.ledger.lately import Lately
from airflow_carbon.ledger.summary import Summaries
from airflow_carbon.plugin import accounts, places, waits
from airflow_carbon.plugin.desk import open_ledger
from airflow_carbon.plugin.readers import Reader, ReaderDep  # noqa: TC001 - FastAPI reads it
from airflow_carbon.plugin.words import render

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from airflow_carbon.ledger.store import Ledger

ZONES: Final = 6
"""How many zones have a curve; the others are in the table of regions."""

IN_USE: Final = timedelta(days=30)
"""A zone is in use where a run was in it so lately."""

PROMISES: Final = 100

router = APIRouter(default_response_class=HTMLResponse)


@router.get("/")
def now(reader: ReaderDep) -> str:
    """Show what is now, and what the next 48 hours bring."""
    ledger, at = open_ledger(), clock.now()
    dag_ids = readable(reader, ledger)
    month = accounts.this_month(at)
    standing = waits.standing(reader.may_read)
    return render(
        "now.html",
        page="now",
        at=at,
        month=month,
        totals=accounts.totals(ledger, dag_ids, month),
        waits=standing,
        zones=_zones(ledger, dag_ids, standing, at),
        most=waits.MOST,
    )


@router.get("/accounts")
def accounting(
    reader: ReaderDep, month: str | None = None, by: Annotated[str, Query()] = "task"
) -> str:
    """Show energy, emissions and the difference against baseline of a month, by group."""
    ledger, at = open_ledger(), clock.now()
    dag_ids = readable(reader, ledger)
    latest = accounts.this_month(at)
    chosen = latest if month is None else parse_month("month", month)
    if by not in accounts.GROUPS:
        raise InvalidOptionError("by", by, f"write {' or '.join(accounts.GROUPS)}")
    return render(
        "accounts.html",
        page="accounts",
        at=at,
        month=chosen,
        months=[months_later(latest, -i) for i in range(accounts.MONTHS)],
        by=by,
        groups=tuple(accounts.GROUPS),
        tables=accounts.by_group(ledger, dag_ids, chosen, by),
    )


@router.get("/months")
def months(reader: ReaderDep) -> str:
    """Show energy, emissions and the difference against baseline of the last twelve months."""
    ledger, at = open_ledger(), clock.now()
    history = accounts.by_month(ledger, readable(reader, ledger), accounts.this_month(at))
    return render("months.html", page="months", at=at, history=history)


@router.get("/budgets")
def budgeting(reader: ReaderDep) -> str:
    """Show what is left of each budget that stands."""
    ledger, at = open_ledger(), clock.now()
    mine = reader.among(Summaries(ledger).dags()) | reader.may_read
    return render("budgets.html", page="budgets", at=at, budgets=accounts.budgets(ledger, mine, at))


@router.get("/promises")
def promises(reader: ReaderDep) -> str:
    """Show what plans promised of runs, and what then was."""
    ledger, at = open_ledger(), clock.now()
    lately = Lately(ledger, readable(reader, ledger))
    kept = lately.promises(since=at - timedelta(days=365), limit=PROMISES)
    return render("promises.html", page="promises", at=at, kept=kept)


@router.get("/regions")
def regions() -> str:
    """Show how clean the grid of every Azure region is now."""
    at = clock.now()
    return render(
        "regions.html", page="regions", at=at, places=places.everywhere(open_ledger(), at)
    )


@router.get("/run")
def run(  # noqa: PLR0913 - the ledger's key
    *,
    reader: ReaderDep,
    dag_id: str,
    run_id: str,
    task_id: str,
    map_index: int = -1,
    try_number: int | None = None,
) -> str:
    """Show a try's own page: its power over time above the grid's intensity."""
    ledger, at = open_ledger(), clock.now()
    names = {"dag_id": dag_id, "run_id": run_id, "task_id": task_id, "map_index": map_index}
    lately = Lately(ledger, reader.among([dag_id]))
    key = lately.newest_try(**names)  # type: ignore[arg-type]
    if key is not None and try_number is not None:
        key = RunKey(**names, try_number=try_number)  # type: ignore[arg-type]
    entry = None if key is None else ledger.read(key)
    stretches: Iterable[Any] = ()
    if key is not None and entry is not None:
        stretches = course(ledger, key, begin=entry.started_at, end=entry.ended_at)
    return render(
        "run.html",
        page="run",
        at=at,
        names=names,
        entry=entry,
        stretches=stretches,
        others=lately.accounted_in(dag_id=dag_id, run_id=run_id),
    )


def readable(reader: Reader, ledger: Ledger) -> Collection[str] | None:
    """Return the DAGs whose rows the reader may see; None where that is all there are."""
    known = Summaries(ledger).dags()
    mine = reader.among(known)
    return None if len(mine) == len(known) else mine


def _zones(
    ledger: Ledger, dag_ids: Collection[str] | None, standing: Iterable[waits.Wait], at: Any
) -> list[tuple[str, str]]:
    """Return the zones to show, each with the connection that its waits use."""
    found: dict[tuple[str, str], None] = {}
    for one in standing:
        if one.request is not None:
            found[one.carbon_conn_id, str(one.request.zone)] = None
    for zone in Lately(ledger, dag_ids).zones(since=at - IN_USE):
        if zone not in {known for _, known in found}:
            found[DEFAULT_CONN_ID, zone] = None
    return list(found)[:ZONES]


def refused(code: int, said: str) -> HTMLResponse:
    """Return the page that says what is wrong, and what to do."""
    page = render("refused.html", page="", at=clock.now(), said=said, code=code)
    return HTMLResponse(page, code)
