"""A gate before each service: it closes when the service fails, and lets one ask try again.

A circuit breaker (M. Nygard, *Release It!*, 2nd edition, chapter 5): closed to asks for a
while after repeated failures, twice as long each time; then one ask goes through as a probe.
``Retry-After`` closes it as well. All waits of a process share the gate of a service.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from threading import Lock
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import RateLimitedError, ServiceUnavailableError

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.core.errors import CarbonError

FAILURES: Final = 3
"""So many failures in a row close the gate."""

FIRST_PAUSE: Final = timedelta(seconds=30)
LONGEST_PAUSE: Final = timedelta(minutes=15)

LONGEST_PROBE: Final = timedelta(minutes=1)
"""A probe that has not come back by then is given up."""


@dataclass(slots=True)
class Gate:
    """Whether a service is asked at the moment; threads may share one."""

    service: str
    failures: int = 0
    closed_until: datetime | None = None
    cause: str = ""
    _lock: Lock = field(default_factory=Lock, repr=False)

    def enter(self, now: datetime) -> None:
        """Let an ask through, or refuse it at once.

        Raises:
            ServiceUnavailableError: the gate is closed; it says until when and why.
        """
        with self._lock:
            if self.closed_until is None:
                return
            if now < self.closed_until:
                cause = f"it is not asked before {self.closed_until:%F %H:%M:%SZ}: {self.cause}"
                raise ServiceUnavailableError(self.service, cause)
            self.closed_until = now + LONGEST_PROBE  # this one is the probe; others stay out

    def succeeded(self) -> None:
        """Open the gate: the service has answered, be it with a refusal."""
        with self._lock:
            self.failures, self.closed_until, self.cause = 0, None, ""

    def failed(self, now: datetime, error: CarbonError) -> None:
        """Count a failure; close the gate where it is one too many, or where it says so."""
        with self._lock:
            self.failures += 1
            self.cause = str(error)
            if isinstance(error, RateLimitedError):
                self.closed_until = now + error.retry_after
            elif self.failures >= FAILURES:
                pause = FIRST_PAUSE * 2 ** min(self.failures - FAILURES, 10)
                self.closed_until = now + min(pause, LONGEST_PAUSE)


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of a process, one a service and host."""

    gates: dict[tuple[str, str], Gate] = field(default_factory=dict)

    def of(self, service: str, host: str) -> Gate:
        """Return the gate before a service."""
        return self.gates.setdefault((service, host), Gate(service))


GATES: Final = Gates()
"""This process's gates."""
