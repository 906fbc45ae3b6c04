"""``CarbonPoolOperator``: a pool that is wide while the grid is clean, narrow while it is not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from airflow_carbon import clock
from airflow_carbon.azure.regions import region as region_by_name
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_flag
from airflow_carbon.core.pool_width import HORIZON, Bounds, width
from airflow_carbon.core.units import ZoneKey
from airflow_carbon.hooks.airflow_api import DEFAULT_CONN_ID as AIRFLOW_CONN_ID
from airflow_carbon.hooks.airflow_api import AirflowApiHook
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.triggers.request import check_flag, check_place, is_template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from airflow.sdk import Context


class CarbonPoolOperator(BaseOperator):
    """Sets the slots of a pool by how clean the grid is now; run it every 15 minutes.

    A pool that is narrowed ends nothing: tasks that run go on, and fewer start after them. It is
    never narrower than ``min_slots`` nor wider than ``max_slots``, whatever is said of the grid. A
    task may not touch Airflow's database, so the pool is set over Airflow's REST API; one that has
    its width is left alone, and a retry does nothing twice.

    The XCom is a dictionary: pool, zone, slots, previous_slots, changed, because (``clean``,
    ``dirty``, ``between``, ``held``, ``flat``, ``no_data``), g_per_kwh, clean_below, dirty_above
    [gCO2eq/kWh], source, quality.

    :param target_pool: the pool that is set; it has to be there. ``pool`` is where this task runs.
    :param min_slots: the fewest slots that it ever has.
    :param max_slots: the most.
    :param zone: the grid zone, by its Electricity Maps key; or
    :param region: an Azure region, for the zone that it stands in.
    :param safe_slots: its slots where no source has anything to say; ``max_slots`` unless stated:
        an outage costs carbon, not throughput.
    :param clean_below: at or below this it is widest [gCO2eq/kWh]; with
    :param dirty_above: at or above this it is narrowest [gCO2eq/kWh]. Between them the width is in
        proportion. Without the two they are the 25th and 75th percentile of the ``horizon``.
    :param horizon: how far ahead hours are compared.
    :param hysteresis: a share of the intensity: a pool whose width is right for an intensity that
        near stays as it is, so that noise does not move it.
    :param dry_run: say what would be set, and set nothing.
    :param carbon_conn_id: a connection of type ``carbon``; none is needed for the default.
    :param airflow_conn_id: how Airflow's REST API is reached; see ``AirflowApiHook``.

    Raises:
        InputError: at DAG parse where the mistake is visible there; a pool that is not there.
    """

    template_fields: Sequence[str] = (
        "target_pool",
        "min_slots",
        "max_slots",
        "zone",
        "region",
        "safe_slots",
        "clean_below",
        "dirty_above",
        "horizon",
        "hysteresis",
        "is_dry_run",
        "carbon_conn_id",
        "airflow_conn_id",
    )
    ui_color = "#d5f0dc"

    def __init__(  # noqa: PLR0913 - each is a word of the DAG author's
        self,
        *,
        target_pool: str,
        min_slots: int | str,
        max_slots: int | str,
        zone: str | None = None,
        region: str | None = None,
        safe_slots: int | str | None = None,
        clean_below: float | str | None = None,
        dirty_above: float | str | None = None,
        horizon: timedelta | str = HORIZON,
        hysteresis: float | str = 0.05,
        dry_run: bool | str = False,
        carbon_conn_id: str = DEFAULT_CONN_ID,
        airflow_conn_id: str = AIRFLOW_CONN_ID,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.target_pool = target_pool
        self.min_slots = min_slots
        self.max_slots = max_slots
        self.zone = zone
        self.region = region
        self.safe_slots = safe_slots
        self.clean_below = clean_below
        self.dirty_above = dirty_above
        self.horizon = horizon
        self.hysteresis = hysteresis
        self.is_dry_run = dry_run
        self.carbon_conn_id = carbon_conn_id
        self.airflow_conn_id = airflow_conn_id
        check_place(region, zone)
        check_flag("dry_run", dry_run)
        if not any(map(is_template, self._bounds_given().values())):
            self._check(Bounds.read(self._bounds_given()))

    def execute(self, context: Context) -> dict[str, Any]:  # noqa: ARG002 - Airflow's signature
        """Look at the grid, and set the pool where its width is another."""
        from airflow_carbon.services.calls import send

        bounds, zone = Bounds.read(self._bounds_given()), self._zone()
        self._check(bounds)
        forecast = CarbonHook(self.carbon_conn_id).forecast(zone, bounds.ahead(clock.now()))
        now = clock.now()  # not before: a forecast begins with the step that ran when it was asked
        pools = AirflowApiHook(self.airflow_conn_id).pools()
        slots = send(pools.slots(self.target_pool))
        found = width(bounds, forecast, now=now, slots=slots)
        changes = found.slots != slots and not parse_flag("dry_run", self.is_dry_run)
        if forecast is None:
            self.log.warning("nothing is known of %s: the safe width, %d slots", zone, found.slots)
        if changes:
            send(pools.resize(self.target_pool, found.slots))
        self.log.info(
            "%s: %d slots, %d before (%s)", self.target_pool, found.slots, slots, found.because
        )
        return {
            "pool": self.target_pool,
            "zone": str(zone),
            **found.as_dict(),
            "previous_slots": slots,
            "changed": changes,
            "source": None if forecast is None else forecast.source,
            "quality": None if forecast is None else str(forecast.quality),
        }

    def _bounds_given(self) -> dict[str, Any]:
        names = ("min_slots", "max_slots", "safe_slots", "clean_below", "dirty_above")
        given = {name: getattr(self, name) for name in (*names, "horizon", "hysteresis")}
        return {name: value for name, value in given.items() if value not in (None, "None", "")}

    def _zone(self) -> ZoneKey:
        return region_by_name(self.region).zone if self.region else ZoneKey(str(self.zone))

    def _check(self, bounds: Bounds) -> None:
        if self.pool == self.target_pool and bounds.min_slots == 0:
            remedy = "this task runs in that pool, and could never widen it again: give it another"
            raise InvalidOptionError("target_pool", self.target_pool, remedy)
