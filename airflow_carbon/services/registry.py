"""From the plain options of a connection to the sources that it names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_instant
from airflow_carbon.services.replay import Replay
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from airflow_carbon.services.calls import Source


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a connection of type ``carbon`` says; every field has a default that works."""

    sources: tuple[str, ...] = ("typical",)
    default_region: str | None = None
    replay_file: Path | None = None
    replay_speed: float = 1.0
    replay_starts_at: datetime | None = None

    @classmethod
    def parse(cls, extra: Mapping[str, object]) -> Options:
        """Read the form's fields, which may be empty or text.

        Raises:
            InputError: a field whose text can't be read; it says which.
        """
        given = {key: value for key, value in extra.items() if value not in (None, "")}
        file = given.get("replay_file")
        default = "replay,typical" if file else "typical"
        names = str(given.get("sources", default)).replace(",", " ").split()
        starts_at = given.get("replay_starts_at")
        return cls(
            sources=tuple(names),
            default_region=str(given["default_region"]) if "default_region" in given else None,
            replay_file=Path(str(file)).expanduser() if file else None,
            replay_speed=_number("replay_speed", given.get("replay_speed", 1.0)),
            replay_starts_at=parse_instant("replay_starts_at", starts_at) if starts_at else None,
        )

    def open(self) -> tuple[Source, ...]:
        """Return the sources in the order of the ladder.

        Raises:
            InvalidOptionError: a source that does not exist or lacks an option.
        """
        if not self.sources:
            raise InvalidOptionError("sources", "", f"name one or more of {', '.join(_BUILDERS)}")
        return tuple(self._open(name) for name in self.sources)

    def _open(self, name: str) -> Source:
        if name not in _BUILDERS:
            remedy = f"there is no such source; there are {', '.join(_BUILDERS)}"
            raise InvalidOptionError("sources", name, remedy)
        return _BUILDERS[name](self)


def _number(option: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError as exc:
        raise InvalidOptionError(option, value, "write a number") from exc


def _replay(options: Options) -> Replay:
    return Replay(
        file=options.replay_file, speed=options.replay_speed, starts_at=options.replay_starts_at
    )


_BUILDERS: Final[Mapping[str, Callable[[Options], Source]]] = {
    "typical": lambda _: Typical(),
    "replay": _replay,
}
