"""From the plain fields of a connection to the sources that it names.

Packages outside add sources by the entry point group :data:`GROUP`: a function that takes
:class:`~airflow_carbon.services.settings.Settings` and returns a source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.flexibility import parse_instant
from airflow_carbon.core.intensity import FactorType, Signal
from airflow_carbon.services.replay import Replay
from airflow_carbon.services.settings import Settings
from airflow_carbon.services.shared import Shared
from airflow_carbon.services.typical import Typical

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from airflow_carbon.services.calls import Source
    from airflow_carbon.services.memory import Archive

GROUP: Final = "airflow_carbon.services"


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """What a connection of type ``carbon`` says; every field has a default that works."""

    sources: tuple[str, ...] = ("typical",)
    default_region: str | None = None
    archive: bool = True
    archive_days: float = 400.0
    fields: Mapping[str, object] = field(default_factory=dict, repr=False)

    @classmethod
    def parse(cls, extra: Mapping[str, object]) -> Options:
        """Read the form's fields, which may be empty or text.

        Without ``sources``, those are taken whose own fields are filled in, typical days last.

        Raises:
            InputError: a field whose text can't be read; it says which.
        """
        given = {key: value for key, value in extra.items() if value not in (None, "")}
        found = [name for name, needs in _IMPLIED.items() if needs in given]
        names = str(given.get("sources", " ".join([*found, "typical"])))
        region = given.get("default_region")
        archive = Settings("archive", given)
        options = cls(
            sources=tuple(names.replace(",", " ").split()),
            default_region=str(region) if region else None,
            archive=archive.flag("issues", default=True),
            archive_days=archive.number("days", 400.0),
            fields=MappingProxyType(given),
        )
        if not options.archive_days > 0:
            raise InvalidOptionError("archive_days", options.archive_days, "write a number of days")
        options.open()
        return options

    def open(self, archive: Archive | None = None) -> tuple[Source, ...]:
        """Return the sources in the order of the ladder; web services share their answers.

        Raises:
            InvalidOptionError: a source that does not exist or lacks an option.
        """
        if not self.sources:
            remedy = f"name one or more of {', '.join(known_sources())}"
            raise InvalidOptionError("sources", "", remedy)
        opened = (self._open(name) for name in self.sources)
        return tuple(
            source if source.cadence is None else Shared(source=source, archive=archive)
            for source in opened
        )

    @property
    def archived_for(self) -> timedelta:
        """How long issues and actuals are kept."""
        return timedelta(days=self.archive_days)

    @property
    def asks_services(self) -> bool:
        """Tell whether any source costs something to ask, so that the archive is of use."""
        return any(source.cadence is not None for source in self.open())

    def _open(self, name: str) -> Source:
        build = _BUILDERS.get(name) or _foreign(name)
        if build is None:
            remedy = f"there is no such source; there are {', '.join(known_sources())}"
            raise InvalidOptionError("sources", name, remedy)
        return build(Settings(name, self.fields))


def known_sources() -> tuple[str, ...]:
    """Return the names of all sources: ours, then those of other packages."""
    return (*_BUILDERS, *sorted(entry_points(group=GROUP).names - _BUILDERS.keys()))


def _foreign(name: str) -> Callable[[Settings], Source] | None:
    for point in entry_points(group=GROUP, name=name):
        build: Callable[[Settings], Source] = point.load()
        return build
    return None


def _replay(settings: Settings) -> Replay:
    file, starts_at = settings.text("file"), settings.text("starts_at")
    return Replay(
        file=Path(file).expanduser() if file else None,
        speed=settings.number("speed", 1.0),
        starts_at=parse_instant(settings.name("starts_at"), starts_at) if starts_at else None,
    )


def _electricity_maps(settings: Settings) -> Source:
    module = import_module("airflow_carbon.services.electricity_maps")
    source: Source = module.ElectricityMaps(
        token=settings.needed("token", "paste the key that Electricity Maps' portal shows"),
        factor_type=FactorType(settings.choice("factor_type", tuple(FactorType), "lifecycle")),
        granularity=settings.choice("granularity", tuple(module.STEPS), "hourly"),
        horizon_hours=int(settings.choice("horizon_hours", ("6", "24", "48", "72"), "72")),
        **_base_url(settings),
    )
    return source


def _watttime(settings: Settings) -> Source:
    module = import_module("airflow_carbon.services.watttime")
    source: Source = module.WattTime(
        username=settings.needed("username", "write the user name of your WattTime account"),
        password=settings.needed("password", "write the password of your WattTime account"),
        **_base_url(settings),
    )
    return source


def _uk_carbon_intensity(settings: Settings) -> Source:
    module = import_module("airflow_carbon.services.uk_carbon_intensity")
    source: Source = module.UKCarbonIntensity(**_base_url(settings))
    return source


def _energy_charts(settings: Settings) -> Source:
    module = import_module("airflow_carbon.services.energy_charts")
    source: Source = module.EnergyCharts(**_base_url(settings))
    return source


def _carbon_aware_sdk(settings: Settings) -> Source:
    module = import_module("airflow_carbon.services.carbon_aware_sdk")
    source: Source = module.CarbonAwareSDK(
        base_url=settings.needed("url", "write where your Carbon Aware SDK listens").rstrip("/"),
        signal=Signal(settings.choice("signal", tuple(Signal), "average")),
    )
    return source


def _base_url(settings: Settings) -> dict[str, str]:
    url = settings.text("url").rstrip("/")
    return {"base_url": url} if url else {}


_BUILDERS: Final[Mapping[str, Callable[[Settings], Source]]] = {
    "typical": lambda _: Typical(),
    "replay": _replay,
    "electricity_maps": _electricity_maps,
    "watttime": _watttime,
    "uk_carbon_intensity": _uk_carbon_intensity,
    "energy_charts": _energy_charts,
    "carbon_aware_sdk": _carbon_aware_sdk,
}

_IMPLIED: Final = {
    "replay": "replay_file",
    "electricity_maps": "electricity_maps_token",
    "watttime": "watttime_username",
    "carbon_aware_sdk": "carbon_aware_sdk_url",
}
"""The field without which a source can't be, or would not be meant."""
