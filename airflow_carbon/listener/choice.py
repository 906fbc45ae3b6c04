"""Which tasks the configuration has measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from airflow.sdk.configuration import conf

if TYPE_CHECKING:
    from collections.abc import Iterator

SECTION: Final = "carbon"


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """Tasks of these pools, of DAGs with one of these tags, or of these operators.

    An operator is named by its class, alone or with its module, or as Airflow shows it
    (``@task.bash``); what derives from it is chosen, too. This package's own tasks never are, nor
    those that ``@carbon_aware`` measures: they account for themselves, or for others.
    """

    pools: frozenset[str] = frozenset()
    tags: frozenset[str] = frozenset()
    operators: frozenset[str] = frozenset()

    @classmethod
    def read(cls) -> Self:
        """Read ``[carbon] measured_pools``, ``measured_tags`` and ``measured_operators``."""
        return cls(**{name: _names(f"measured_{name}") for name in ("pools", "tags", "operators")})

    def __bool__(self) -> bool:
        return bool(self.pools or self.tags or self.operators)

    def takes(self, task: Any) -> bool:
        """Tell whether a task is among them."""
        if type(task).__module__.partition(".")[0] == "airflow_carbon":
            return False
        if getattr(task, "carbon_account", None) is not None:
            return False
        if task.pool in self.pools or self.tags & set(task.dag.tags):
            return True
        return bool(self.operators) and not self.operators.isdisjoint(_names_of(task))


def _names(option: str) -> frozenset[str]:
    text = conf.get(SECTION, option, fallback="")
    return frozenset(name.strip() for name in text.split(",") if name.strip())


def _names_of(task: Any) -> Iterator[str]:
    yield str(task.operator_name)
    for kind in type(task).__mro__:
        yield kind.__name__
        yield f"{kind.__module__}.{kind.__qualname__}"
