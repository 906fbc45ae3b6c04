"""Where training may run, as a DAG author writes it: a profile for each region."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.azure.container_apps import ContainerApps
from airflow_carbon.azure.machine_learning import MachineLearning
from airflow_carbon.azure.regions import region
from airflow_carbon.azure.template import Template
from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from airflow_carbon.azure.job import Target

KINDS: Final[dict[str, type[Any]]] = {
    "machine_learning": MachineLearning,
    "container_apps": ContainerApps,
    "template": Template,
}


def read_targets(value: object) -> dict[str, Target]:
    """Read a mapping of regions to profiles, each a mapping with ``kind`` and its fields.

    Raises:
        UnknownRegionError: a region that the table lacks.
        InvalidOptionError: a kind or a field that can't be; no target.
    """
    if not hasattr(value, "items") or not value:
        remedy = "write a mapping of regions to profiles, each with kind and its fields"
        raise InvalidOptionError("targets", value, remedy)
    given: Mapping[str, Any] = value  # type: ignore[assignment] # it has items
    return {
        str((found := region(name)).name): _read(str(found.name), one)
        for name, one in given.items()
    }


def _read(name: str, value: Any) -> Target:
    option = f"targets[{name!r}]"
    if not hasattr(value, "items"):
        raise InvalidOptionError(option, value, "write a mapping with kind")
    profile = dict(value)
    kind = str(profile.pop("kind", ""))
    if kind not in KINDS:
        remedy = f"kind is one of {', '.join(KINDS)}"
        raise InvalidOptionError(option, kind, remedy)
    known = {one.name: one for one in fields(KINDS[kind]) if one.name != "region"}
    needed = [
        key
        for key, one in known.items()
        if one.default is MISSING and one.default_factory is MISSING and not profile.get(key)
    ]
    unknown = sorted(set(profile) - set(known))
    if unknown or needed:
        said = f"has no {unknown[0]!r}" if unknown else f"needs {needed[0]!r}"
        remedy = f"{kind} {said}: it has {', '.join(known)}"
        raise InvalidOptionError(option, unknown[0] if unknown else None, remedy)
    target: Target = KINDS[kind](region=name, **profile)
    return target
