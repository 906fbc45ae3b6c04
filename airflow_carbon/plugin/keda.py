"""How many slots there are, for an autoscaler: KEDA's scaler ``metrics-api`` reads it.

Reference: https://keda.sh/docs/latest/scalers/metrics-api/ (``valueLocation`` names the field).
"""

from __future__ import annotations

from typing import Annotated, Any

from airflow.api_fastapi.common.db.common import SessionDep  # noqa: TC002 - read by FastAPI
from airflow.api_fastapi.core_api.security import get_user, requires_access_pool
from airflow.models.pool import Pool
from fastapi import APIRouter, Depends, HTTPException, Query, status

from airflow_carbon import clock
from airflow_carbon.core.errors import InputError
from airflow_carbon.core.pool_width import Bounds, width
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID
from airflow_carbon.hooks.offline import FORECASTS

router = APIRouter(prefix="/keda")

Number = Annotated[float | None, Query()]


@router.get("/pool/{pool_name:path}", dependencies=[Depends(requires_access_pool(method="GET"))])
def pool(pool_name: str, session: SessionDep) -> dict[str, Any]:
    """Return the slots of a pool, and how many of them its tasks want now.

    ``slots``: as many as it has, -1 without limit; ``wanted_slots``: what runs, is queued and could
    be, no more than the pool lets through: scaling by it ends at nothing when there is no work.
    """
    found = Pool.get_pool(pool_name, session=session)
    if found is None:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"There is no pool {pool_name!r}")
    running, queued = found.running_slots(session=session), found.queued_slots(session=session)
    wanted = running + queued + found.scheduled_slots(session=session)
    return {
        "pool": pool_name,
        "slots": found.slots,
        "wanted_slots": wanted if found.slots < 0 else min(wanted, max(found.slots, running)),
        "running_slots": running,
        "queued_slots": queued,
    }


@router.get("/zone/{zone}", dependencies=[Depends(get_user)])
def zone(  # noqa: PLR0913, PLR0917 - each is a word of the URL's
    zone: str,
    min_slots: Annotated[int, Query()],
    max_slots: Annotated[int, Query()],
    safe_slots: Annotated[int | None, Query()] = None,
    clean_below: Number = None,
    dirty_above: Number = None,
) -> dict[str, Any]:
    """Return how many slots a pool of such bounds has on a grid now, as the operator sets it.

    Of the grid only what the ledger's archive keeps is known here, else typical days: no service is
    asked.
    """
    given = {
        "min_slots": min_slots,
        "max_slots": max_slots,
        "safe_slots": safe_slots,
        "clean_below": clean_below,
        "dirty_above": dirty_above,
    }
    try:
        bounds = Bounds.read({name: value for name, value in given.items() if value is not None})
    except InputError as exc:
        raise HTTPException(status.HTTP_400_BAD_REQUEST, str(exc)) from exc
    forecast = FORECASTS.forecast(DEFAULT_CONN_ID, ZoneKey(zone), bounds.ahead(clock.now()))
    found = width(bounds, forecast, now=clock.now())
    quality = None if forecast is None else str(forecast.quality)
    return {"zone": zone, **found.as_dict(), "quality": quality}
