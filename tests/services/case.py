"""What the tests of all services need of each: a source, and replies in its shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from servers.web import Say

    from airflow_carbon.services.calls import Source

NOW = datetime(2026, 10, 24, 22, 10, tzinfo=UTC)
"""Ten past the full hour, on the eve of the day when Europe's clocks go back."""

CANARY = "canary-7f3a91"
"""The key, the password and the token of every case: it may show nowhere."""

Points = "Sequence[tuple[datetime, float | None]]"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One service.

    ``routes(points)`` returns the server's routes (path -> body, Say or function of the ask)
    for which a forecast consists of these points, in the service's own unit, in the order
    given. ``unit`` converts that unit to g/kWh.
    """

    name: str
    source: Callable[[str], Source]
    """From the server's URL to the source; keys are :data:`CANARY`."""
    zone: str
    step: timedelta
    routes: Callable[[Points], Mapping[str, Any]]
    forecast_path: str
    unknown_zone: Say
    """What the service replies for a zone that it does not know, at ``forecast_path``."""
    fields: Sequence[str] = ()
    """JSON keys without which a forecast can't be read, wherever they stand in the body."""
    wrong_unit: Callable[[Any], Any] | None = None
    """Makes the forecast's body state another unit; None where the service states none."""
    unit: float = 1.0
    has_forecast: bool = True

    def points(self, count: int = 24) -> list[tuple[datetime, float | None]]:
        """Return that many good points from the step running at NOW on, in the service's unit."""
        begins = NOW - (NOW - datetime(2026, 1, 1, tzinfo=UTC)) % self.step
        return [(begins + i * self.step, 100.0 + 7 * (i % 12)) for i in range(count)]
