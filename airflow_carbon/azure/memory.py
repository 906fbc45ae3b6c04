"""What a process remembers of Azure's answers, for as long as they stay true."""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from datetime import datetime, timedelta

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Memory(Generic[T]):
    """Answers by what was asked, each kept for ``keeps``; threads may share one."""

    keeps: timedelta
    _known: dict[Hashable, tuple[datetime, T]] = field(default_factory=dict, repr=False)
    _lock: Any = field(default_factory=Lock, repr=False)

    def get(self, key: Hashable, now: datetime, ask: Callable[[], T]) -> T:
        """Return what is known, else ask; what ``ask`` raises is not remembered."""
        with self._lock:
            for old in [k for k, (at, _) in self._known.items() if now - at >= self.keeps]:
                del self._known[old]
            if key in self._known:
                return self._known[key][1]
        answer = ask()
        with self._lock:
            self._known[key] = (now, answer)
        return answer

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()
