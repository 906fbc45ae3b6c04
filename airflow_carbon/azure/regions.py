"""The bundled table of Azure's regions: by name, by geography, or all."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError, UnknownRegionError
from airflow_carbon.core.region import PUBLIC_CLOUD, Region
from airflow_carbon.core.units import RegionName, ZoneKey
from airflow_carbon.data import region_rows

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

ALL: Final = "all"

EU: Final = frozenset(
    (
        "AT BE BG CY CZ DE DK EE ES FI FR GR HR HU " + "IE IT LT LU LV MT NL PL PT RO SE SI SK"
    ).split()
)
"""Member states of the European Union (ISO 3166-1 alpha-2), as of 2026."""

UNIONS: Final = {"eu": EU, "eea": EU | {"IS", "LI", "NO"}}
"""Where personal data may stay under the GDPR without a transfer to a third country: the EU, and
the European Economic Area."""


@lru_cache(maxsize=1)
def regions() -> Mapping[str, Region]:
    """Return every Azure region by its name, of all its clouds."""
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
                pue_year=row.pue_year,
                pue_source=row.pue_source,
                restricted=row.access_restricted,
                cloud=row.cloud,
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
    included), a union (``EU``, ``EEA``), a country (``SE``), ``all``. Restricted regions come
    along only by name, those of a government's cloud by name or by a place in which no public
    region lies (``Azure Government``, ``China``).

    Raises:
        UnknownRegionError: a word that is none of these.
    """
    words = _words(allowed)
    if not words:
        raise UnknownRegionError("", regions())
    chosen = {found.name: found for word in words for found in _matching(word)}
    return [chosen[name] for name in sorted(chosen)]


def resident(
    allowed: str | Iterable[str], residency: str | Iterable[str], deny: str | Iterable[str] = ()
) -> list[Region]:
    """Return those of the allowed regions that :func:`permitted` leaves.

    Raises:
        UnknownRegionError: a word that can't be read.
        InvalidOptionError: none is left; regions of several clouds.
    """
    left, left_out = permitted(allowed, residency, deny)
    if len(clouds := sorted({one.cloud for one in left})) > 1:
        remedy = f"a subscription is in one of {', '.join(clouds)}: name regions of that one"
        raise InvalidOptionError("regions", allowed, remedy)
    if left:
        return left
    if any(why.startswith("deny=") for why in left_out.values()):
        remedy = "no region is left: widen regions= or residency=, or deny fewer"
        raise InvalidOptionError("deny", deny, remedy)
    remedy = "none of the regions lies there: widen regions= or residency="
    raise InvalidOptionError("residency", residency, remedy)


def check_cloud(names: Iterable[str], cloud: str) -> None:
    """Refuse regions that are not in the cloud of whoever asks.

    Raises:
        UnknownRegionError: there is none of that name.
        InvalidOptionError: a region of another cloud.
    """
    for name in names:
        if (found := region(name)).cloud != cloud:
            remedy = f"{found.name} is in {found.cloud}: write that in the Azure connection"
            raise InvalidOptionError("cloud_environment", cloud, remedy)


def permitted(
    allowed: str | Iterable[str], residency: str | Iterable[str], deny: str | Iterable[str] = ()
) -> tuple[list[Region], dict[Region, str]]:
    """Return the allowed regions where the data may stay, and why the others are left out.

    Each argument is as for :func:`select`. A region that ``deny`` names, or whose geography or
    country it names, is never used, be it restricted or allowed by name.

    Raises:
        UnknownRegionError: a word that can't be read.
    """
    select(residency)
    denied, places = _denied(deny), _words(residency)
    left, left_out = list[Region](), dict[Region, str]()
    for one in select(allowed):
        if one.name in denied:
            left_out[one] = f"deny= names {denied[one.name]}"
        elif not any(_lies_in(one, place) for place in places):
            left_out[one] = f"the data has to stay in {', '.join(places)}"
        else:
            left.append(one)
    return left, left_out


def _denied(deny: str | Iterable[str]) -> dict[str, str]:
    """Return each region that is never used, and the word that says so."""
    found = dict[str, str]()
    for word in _words(deny):
        meant = [one for one in regions().values() if _lies_in(one, word)]
        if not meant:
            _matching(word)  # there is none: it says what comes close
        found |= {one.name: word.strip() for one in meant}
    return found


def _words(text: str | Iterable[str]) -> list[str]:
    words = text.split(",") if isinstance(text, str) else text
    return [word for word in words if word.strip()]


def _matching(word: str) -> list[Region]:
    plain = _plain(word)
    if plain in regions():
        return [regions()[plain]]
    open_to_all = [one for one in regions().values() if not one.restricted]
    lying = [one for one in open_to_all if _lies_in(one, word)]
    found = [one for one in lying if one.cloud == PUBLIC_CLOUD] or lying
    if not found:
        places = {place for one in open_to_all for place in (one.geography, one.geography_group)}
        raise UnknownRegionError(word, [*regions(), *sorted(places)])
    return found


def _lies_in(one: Region, place: str) -> bool:
    plain = _plain(place)
    names = {one.name, *map(_plain, (one.geography, one.geography_group, one.country))}
    return plain == ALL or plain in names or one.country in UNIONS.get(plain, ())


def _plain(name: str) -> str:
    return name.lower().replace(" ", "").replace("-", "")
