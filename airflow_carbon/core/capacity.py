"""A number of jobs that may run at once, shared by waits that know nothing of each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from airflow_carbon.core.flexibility import Span


@dataclass(frozen=True, kw_only=True, slots=True)
class Capacity:
    """At most ``slots`` jobs of those that name it at once.

    Raises:
        InvalidOptionError: no name, or not a whole number above 0.
    """

    name: str
    slots: int

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidOptionError("capacity", self.name, "give it a name")
        text = str(self.slots).strip()
        if isinstance(self.slots, bool) or not text.isdecimal() or int(text) < 1:
            raise InvalidOptionError("slots", self.slots, "write a whole number above 0")
        object.__setattr__(self, "slots", int(text))

    @classmethod
    def read(cls, name: str, value: Any) -> Self:
        """Read from plain values, a mapping with name and slots.

        Raises:
            InvalidOptionError: anything else.
        """
        if isinstance(value, cls):
            return value
        if not hasattr(value, "items") or set(value) != {"name", "slots"}:
            raise InvalidOptionError(name, value, "write a mapping with name and slots")
        return cls(**value)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {"name": self.name, "slots": self.slots}

    def full(self, taken: Iterable[Span]) -> tuple[Span, ...]:
        """Return the spans in which as many jobs run as may, in order."""
        changes = [(at, change) for span in taken for at, change in zip(span, (1, -1), strict=True)]
        spans, running, since = list[tuple[Any, Any]](), 0, None
        for at, change in sorted(changes, key=lambda one: (one[0], -one[1])):
            running += change
            if running >= self.slots and since is None:
                since = at
            elif running < self.slots and since is not None:
                if since < at:
                    spans.append((since, at))
                since = None
        return tuple(spans)
