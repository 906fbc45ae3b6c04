"""What the page's script asks for: a zone's forecast, and the windows that waits there chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, HTTPException, status

from airflow_carbon import clock
from airflow_carbon.azure.regions import regions
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.ledger.lately import Lately
from airflow_carbon.ledger.reservations import Reservations
from airflow_carbon.plugin import waits
from airflow_carbon.plugin.desk import open_ledger
from airflow_carbon.plugin.outlook import OUTLOOKS, chosen, cleanest, curve
from airflow_carbon.plugin.pages import IN_USE, readable
from airflow_carbon.plugin.readers import Reader, ReaderDep  # noqa: TC001 - FastAPI reads it

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.plugin.outlook import Outlook

router = APIRouter(prefix="/api")


@router.get("/outlook")
def outlook(reader: ReaderDep, zone: str, conn: str = DEFAULT_CONN_ID) -> dict[str, Any]:
    """Return a zone's curve, its cleanest hour, and what each of the reader's waits chose."""
    now = clock.now()
    here = [
        one
        for one in waits.standing(reader.may_read)
        if one.request is not None and (str(one.request.zone), one.carbon_conn_id) == (zone, conn)
    ]
    if not (here or (conn == DEFAULT_CONN_ID and _in_use(reader, zone, now))):
        # Nobody finds out by this which connections there are, or has services asked at will.
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"{zone}: no grid in use")
    until = max((one.request.flex.deadline for one in here if one.request), default=now)
    found = OUTLOOKS.of(conn, ZoneKey(zone), now=now, until=until)
    reserved = {}
    if any(one.request and one.request.policy.capacity is not None for one in here):
        reserved = Reservations(open_ledger()).standing(now)
    return {
        "zone": zone,
        "now": now.isoformat(),
        "until": found.until.isoformat(),
        "speed": found.speed,
        "regions": [one.name for one in regions().values() if str(one.zone) == zone],
        "curve": [(at.isoformat(), round(g, 1)) for at, g in curve(found)],
        "step_s": _step(found),
        "cleanest": cleanest(found),
        "waits": [
            {
                "ident": one.ident,
                "task": f"{one.dag_id} / {one.task_id}",
                **chosen(one, found, reserved, now=now),
            }
            for one in here
        ],
        **_origin(found),
    }


def _in_use(reader: Reader, zone: str, now: datetime) -> bool:
    if zone in {str(one.zone) for one in regions().values()}:
        return True
    ledger = open_ledger()
    return zone in Lately(ledger, readable(reader, ledger)).zones(since=now - IN_USE)


def _step(found: Outlook) -> float | None:
    return None if found.forecast is None else found.forecast.series.step.total_seconds()


def _origin(found: Outlook) -> dict[str, Any]:
    forecast = found.forecast
    if forecast is None:
        return {"source": None, "quality": None, "signal": None, "issued_at": None}
    return {
        "source": forecast.source,
        "quality": forecast.quality.value,
        "signal": forecast.series.signal.value,
        "issued_at": forecast.issued_at.isoformat(),
    }
