"""The wait of a task that has work of its own: the same wait, in one field."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_carbon.triggers.window import WindowTrigger

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@dataclass(kw_only=True, eq=False, repr=False)
class WaitTrigger(BaseTrigger):
    """Fires with the plan when the window of a task begins, as :class:`WindowTrigger`.

    Airflow renders those fields of a trigger that its operator has, too, by their names: one
    field for all of them leaves the names of any operator alone (``region``, ``policy``).

    :param carbon_wait: the fields of a ``WindowTrigger``, but ``ends_task``.
    """

    carbon_wait: dict[str, Any]

    def __post_init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call] # Airflow's own has no types

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the class and its field."""
        path = f"{type(self).__module__}.{type(self).__qualname__}"
        return path, {"carbon_wait": self.carbon_wait}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Wait for the window; a mistake in the fields or the connection is raised at once."""
        wait = WindowTrigger(**self.carbon_wait, ends_task=False)
        wait.task_instance = self.task_instance
        async for event in wait.run():
            yield event
