"""The fields of a connection that belong to one source, read one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping


@dataclass(frozen=True, slots=True)
class Settings:
    """What a connection says to one source: its fields begin with the source's name.

    ``electricity_maps_token``, say, is the setting ``token`` of ``electricity_maps``. Every
    method raises :class:`InvalidOptionError`, which names the field and the remedy.
    """

    source: str
    fields: Mapping[str, object] = field(repr=False)

    def name(self, setting: str) -> str:
        """Return the name of the field in the connection."""
        return f"{self.source}_{setting}"

    def text(self, setting: str, default: str = "") -> str:
        """Read text."""
        return str(self.fields.get(self.name(setting), default)).strip()

    def needed(self, setting: str, remedy: str) -> str:
        """Read text that has no default; it never shows in the error."""
        value = self.text(setting)
        if not value:
            raise InvalidOptionError(self.name(setting), "", remedy)
        return value

    def choice(self, setting: str, choices: Collection[str], default: str) -> str:
        """Read one of several words."""
        value = self.text(setting, default) or default
        if value not in choices:
            remedy = f"write one of {', '.join(choices)}"
            raise InvalidOptionError(self.name(setting), value, remedy)
        return value

    def number(self, setting: str, default: float) -> float:
        """Read a number."""
        value = self.text(setting, str(default))
        try:
            return float(value)
        except ValueError as exc:
            raise InvalidOptionError(self.name(setting), value, "write a number") from exc

    def flag(self, setting: str, *, default: bool = False) -> bool:
        """Read yes or no."""
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        value = self.text(setting, str(default)).lower()
        if value not in words:
            raise InvalidOptionError(self.name(setting), value, "write true or false")
        return words[value]
