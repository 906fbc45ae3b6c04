"""A source that is not asked: what the archive keeps of it has to do."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

from airflow_carbon.core.errors import ServiceUnavailableError
from airflow_carbon.services.calls import Local
from airflow_carbon.services.replay import Replay
from airflow_carbon.services.shared import Shared
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow_carbon.core.intensity import Forecast, IntensitySeries
    from airflow_carbon.core.units import ZoneKey
    from airflow_carbon.services.calls import Call, Source
    from airflow_carbon.services.memory import Archive


@dataclass(frozen=True, slots=True)
class Offline:
    """A source by its name, cadence and reach alone; every question fails without being asked."""

    name: str
    cadence: timedelta | None
    reach: timedelta

    def forecast(self, zone: ZoneKey, *, now: datetime, until: datetime) -> Call[Forecast]:
        """Fail."""
        del zone, now, until
        return self._nothing()

    def history(self, zone: ZoneKey, *, begin: datetime, end: datetime) -> Call[IntensitySeries]:
        """Fail."""
        del zone, begin, end
        return self._nothing()

    def latest(self, zone: ZoneKey, *, now: datetime) -> Call[IntensitySeries]:
        """Fail."""
        del zone, now
        return self._nothing()

    def check(self) -> Call[str]:
        """Fail."""
        return self._nothing()

    def _nothing(self) -> Local[Any]:
        return Local(service=self.name, answer=partial(_refuse, self.name))


def _refuse(name: str) -> NoReturn:
    raise ServiceUnavailableError(name, "it is not asked from here")


def offline(source: Source, archive: Archive | None) -> Source:
    """Return a source as far as it can be known without the network.

    Typical days and replayed files are on this machine; of every other source there is what the
    archive keeps: its issues, as its actuals correct them, and what is usual by those.
    """
    inner = source.source if isinstance(source, Shared) else source
    if isinstance(inner, Typical | Replay):
        return inner
    known = Offline(name=inner.name, cadence=inner.cadence, reach=inner.reach)
    return Shared(source=known, archive=archive)
