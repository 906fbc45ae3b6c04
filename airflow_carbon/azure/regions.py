"""The bundled table of Azure's regions: by name, by geography, or all."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import UnknownRegionError
from airflow_carbon.core.region import Region
from airflow_carbon.core.units import RegionName, ZoneKey
from airflow_carbon.data import region_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALL: Final = "all"


@lru_cache(maxsize=1)
def regions() -> Mapping[str, Region]:
    """Return every public Azure region by its name."""
    return MappingProxyType(
        {
            row.region: Region(
                name=RegionName(row.region),
                zone=ZoneKey(row.zone_electricity_maps),
                geography=row.geography,
                geography_group=row.geography_group,
                country=row.country,
                latitude=row.latitude,
                longitude=row.longitude,
                pue=row.pue,
                restricted=row.access_restricted,
            )
            for row in region_rows().values()
        }
    )


def region(name: str) -> Region:
    """Return a region by its name, however it is spelled: ``swedencentral``, ``Sweden Central``.

    Raises:
        UnknownRegionError: there is none of that name.
    """
    found = regions().get(_plain(name))
    if found is None:
        raise UnknownRegionError(name, regions())
    return found


def select(allowed: str | Iterable[str]) -> list[Region]:
    """Return the regions that are named, or that lie in a geography, a country, or anywhere.

    ``allowed`` is a list, or text divided by commas, of: a region (``swedencentral``), a
    geography (``Sweden``), a group of geographies (``Europe``: the UK, Norway and Switzerland
    included), a country (``SE``), ``all``. Restricted regions come along only by name.

    Raises:
        UnknownRegionError: a word that is none of these.
    """
    words = allowed.split(",") if isinstance(allowed, str) else list(allowed)
    if not any(word.strip() for word in words):
        raise UnknownRegionError("", regions())
    chosen = {found.name: found for word in words for found in _matching(word)}
    return [chosen[name] for name in sorted(chosen)]


def _matching(word: str) -> list[Region]:
    plain = _plain(word)
    if plain in regions():
        return [regions()[plain]]
    open_to_all = [one for one in regions().values() if not one.restricted]
    if plain == ALL:
        return open_to_all
    found = [
        one
        for one in open_to_all
        if plain in {_plain(one.geography), _plain(one.geography_group), _plain(one.country)}
    ]
    if not found:
        places = {place for one in open_to_all for place in (one.geography, one.geography_group)}
        raise UnknownRegionError(word, [*regions(), *sorted(places)])
    return found


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("-", "")
