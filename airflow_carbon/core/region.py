"""A cloud region, as the core sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from airflow_carbon.core.units import RegionName, ZoneKey

DEFAULT_PUE: Final = 1.18
"""Power usage effectiveness where a region has no published figure: the mean of Microsoft's data
centres worldwide ("How Microsoft measures datacenter water and energy use", 2022-04-22)."""

DEFAULT_PUE_SOURCE: Final = "default 2022: mean of Microsoft's data centres worldwide"

PUBLIC_CLOUD: Final = "AzurePublicCloud"
"""The cloud that is open to everybody; governments have others, apart from it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Region:
    """A cloud region: the grid zone that it stands in, and its data centres' overhead.

    ``pue`` is power usage effectiveness (ISO/IEC 30134-2), the mean of ``pue_year`` as
    ``pue_source`` has it; None where nobody published one.
    ``restricted`` regions are for customers who need a second region in the same country, or for
    one customer alone. ``cloud``: a subscription is in one.
    """

    name: RegionName
    zone: ZoneKey
    geography: str
    geography_group: str
    country: str
    latitude: float
    longitude: float
    pue: float | None
    restricted: bool = False
    pue_year: int | None = None
    pue_source: str | None = None
    cloud: str = PUBLIC_CLOUD

    @property
    def pue_or_default(self) -> float:
        """The published PUE, else :data:`DEFAULT_PUE`."""
        return DEFAULT_PUE if self.pue is None else self.pue

    @property
    def pue_from(self) -> str:
        """Who published the PUE, and of which year."""
        if self.pue is None:
            return DEFAULT_PUE_SOURCE
        return f"published {self.pue_year or ''}: {self.pue_source or 'source not named'}"
