"""Forecasts for processes that must not wait: from the archive and this machine, or none."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from airflow_carbon import clock
from airflow_carbon.core.errors import CarbonError, InputError
from airflow_carbon.hooks.carbon import CarbonHook
from airflow_carbon.hooks.ledger import LedgerHook

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Source

log = logging.getLogger(__name__)

PATIENCE: Final = timedelta(seconds=3)
"""How long a forecast may take."""

PEACE: Final = timedelta(minutes=1)
"""How long nothing is asked after something took longer, the first question excepted."""

CONNECTION_HOLDS: Final = timedelta(minutes=5)
"""How long a connection is taken for what it said."""


class OfflineHook(CarbonHook):
    """Knows what the archive in the ledger keeps of a connection's sources; asks no service.

    :param carbon_conn_id: the Airflow connection, of type ``carbon``.
    """

    def sources(self) -> tuple[Source, ...]:
        """Return the sources in the order of the ladder, none of which uses the network.

        Raises as :meth:`CarbonHook.options` does.
        """
        from airflow_carbon.ledger.cold import ColdArchive
        from airflow_carbon.services.offline import offline

        options = self.options()
        if options.archive and self._ledger_url is None:
            try:
                self._ledger_url = LedgerHook().url()
            except InputError as exc:
                self.log.warning("no archived forecast is read: %s", exc)
        archive = ColdArchive(self._ledger_url) if self._ledger_url is not None else None
        return tuple(offline(source, archive) for source in options.open())

    def _failed(self, exc: CarbonError) -> None:
        """Say nothing loudly: it is asked again and again, and no service is ever asked."""
        self.log.debug("the next source is looked at: %s", exc)


@dataclass(slots=True)
class Forecasts:
    """What a process asks :class:`OfflineHook`; it waits :data:`PATIENCE`, and no longer.

    Each question is asked by a thread of its own: Airflow's scheduler may not open a session of
    its database in the thread in which it decides, and may not stand still where a database does.
    """

    patience: timedelta = PATIENCE
    hook: Callable[[str], CarbonHook] = OfflineHook
    hooks: dict[str, tuple[CarbonHook, datetime]] = field(default_factory=dict)
    quiet_until: datetime | None = None
    late: threading.Thread | None = None
    answered: bool = False

    def forecast(self, conn_id: str, zone: ZoneKey, flex: Flexibility) -> Forecast | None:
        """Return what is known of a job's span; None where nothing is, or not in time."""
        if self.late is not None and self.late.is_alive():
            return None
        if self.quiet_until is not None and clock.now() < self.quiet_until:
            return None
        told: list[Forecast | None] = []

        def ask() -> None:
            try:
                told.append(self._hook(conn_id).forecast(zone, flex))
            except Exception as exc:  # noqa: BLE001 - whatever fails: no schedule stops for it
                log.warning("no forecast of %s: %s", zone, exc)
                told.append(None)
            self.answered = True

        thread = threading.Thread(target=ask, name="airflow-carbon-offline", daemon=True)
        thread.start()
        thread.join(self.patience.total_seconds())
        if told:
            return told[0]
        self.late = thread
        if self.answered:  # a process's first question loads pandas besides: that is no fault
            self.quiet_until = clock.now() + PEACE
        log.warning("no forecast of %s within %s: it is done without", zone, self.patience)
        return None

    def forget(self) -> None:
        """Begin anew: what a process that forked this one was told may no longer hold."""
        self.hooks.clear()
        self.quiet_until = self.late = None

    def _hook(self, conn_id: str) -> CarbonHook:
        now = clock.now()
        hook, good_until = self.hooks.get(conn_id, (None, now))
        if hook is None or good_until <= now:
            hook = self.hook(conn_id)
            self.hooks[conn_id] = (hook, now + CONNECTION_HOLDS)
        return hook


FORECASTS: Final = Forecasts()
"""This process's."""

os.register_at_fork(after_in_child=FORECASTS.forget)
