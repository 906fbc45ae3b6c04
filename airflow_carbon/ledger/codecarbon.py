"""A run of the ledger in the columns of codecarbon's ``emissions.csv``; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.handover import HOST
from airflow_carbon.core.units import to_kwh
from airflow_carbon.data import region_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

COLUMNS: Final = (
    "timestamp",
    "project_name",
    "run_id",
    "experiment_id",
    "duration",
    "emissions",
    "emissions_rate",
    "cpu_power",
    "gpu_power",
    "ram_power",
    "cpu_energy",
    "gpu_energy",
    "ram_energy",
    "energy_consumed",
    "water_consumed",
    "country_name",
    "country_iso_code",
    "region",
    "cloud_provider",
    "cloud_region",
    "os",
    "python_version",
    "codecarbon_version",
    "cpu_count",
    "cpu_model",
    "gpu_count",
    "gpu_model",
    "longitude",
    "latitude",
    "ram_total_size",
    "tracking_mode",
    "cpu_utilization_percent",
    "gpu_utilization_percent",
    "ram_utilization_percent",
    "ram_used_gb",
    "on_cloud",
    "pue",
    "wue",
)
"""In the order in which codecarbon 3.3 writes them."""

COUNTRIES: Final[Mapping[str, tuple[str, str]]] = {
    "AE": ("ARE", "United Arab Emirates"),
    "AT": ("AUT", "Austria"),
    "AU": ("AUS", "Australia"),
    "BE": ("BEL", "Belgium"),
    "BR": ("BRA", "Brazil"),
    "CA": ("CAN", "Canada"),
    "CH": ("CHE", "Switzerland"),
    "CL": ("CHL", "Chile"),
    "CN": ("CHN", "China"),
    "DE": ("DEU", "Germany"),
    "DK": ("DNK", "Denmark"),
    "ES": ("ESP", "Spain"),
    "FR": ("FRA", "France"),
    "GB": ("GBR", "United Kingdom"),
    "HK": ("HKG", "Hong Kong"),
    "ID": ("IDN", "Indonesia"),
    "IE": ("IRL", "Ireland"),
    "IL": ("ISR", "Israel"),
    "IN": ("IND", "India"),
    "IT": ("ITA", "Italy"),
    "JP": ("JPN", "Japan"),
    "KR": ("KOR", "South Korea"),
    "MX": ("MEX", "Mexico"),
    "MY": ("MYS", "Malaysia"),
    "NL": ("NLD", "Netherlands"),
    "NO": ("NOR", "Norway"),
    "NZ": ("NZL", "New Zealand"),
    "PL": ("POL", "Poland"),
    "QA": ("QAT", "Qatar"),
    "SE": ("SWE", "Sweden"),
    "SG": ("SGP", "Singapore"),
    "US": ("USA", "United States"),
    "ZA": ("ZAF", "South Africa"),
}
"""ISO 3166-1: alpha-2 to alpha-3 and the short name, of each country with an Azure region."""


def codecarbon_row(run: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of ``carbon_run`` in :data:`COLUMNS`; None is what is not known.

    As codecarbon has them: energy in kWh and power in W, both with PUE; emissions in kgCO2eq
    and their rate in kg/s; the duration in s, pauses included, and power its mean over that;
    the timestamp is of the end, UTC, without an offset. ``cpu_energy`` includes memory, which
    the ledger does not tell apart. ``project_name`` is the DAG, ``experiment_id`` the task, and
    ``run_id`` the try: DAG, task, run, map index and number, by slashes.

    Reference: codecarbon 3.3, ``codecarbon/output_methods/emissions_data.py``, and its
    documentation, "Output".
    """
    seconds = (run["ended_at"] - run["started_at"]).total_seconds()
    key = (run[name] for name in ("dag_id", "task_id", "run_id", "map_index", "try_number"))
    known = {
        "timestamp": f"{run['ended_at']:%Y-%m-%dT%H:%M:%S}",
        "project_name": run["dag_id"],
        "run_id": "/".join(map(str, key)),
        "experiment_id": run["task_id"],
        "duration": seconds,
        "emissions": run["emissions_g"] / 1e3,
        "emissions_rate": run["emissions_g"] / 1e3 / seconds if seconds else None,
        "energy_consumed": to_kwh(run["energy_j"] * run["pue"]),
        "gpu_count": _gpus(run["device_names"]),
        "pue": run["pue"],
    }
    energies = {"cpu": run["energy_cpu_j"], "gpu": run["energy_gpu_j"]}
    for part, joules in energies.items():
        if joules is not None:
            known[f"{part}_energy"] = to_kwh(joules * run["pue"])
            known[f"{part}_power"] = joules * run["pue"] / seconds if seconds else None
    return dict.fromkeys(COLUMNS) | known | _place(run["region"], run["zone"])


def _place(region: str | None, zone: str) -> dict[str, Any]:
    """Return where it ran; of a grid zone alone the country, by how its key begins."""
    found = region_rows().get(region or "")
    country = found.country if found else zone.split("-", maxsplit=1)[0]
    code, name = COUNTRIES.get(country, (None, None))
    place: dict[str, Any] = {"country_iso_code": code, "country_name": name}
    if found is None:
        return place
    return place | {
        "region": found.physical_location,
        "cloud_provider": "azure",
        "cloud_region": found.region,
        "on_cloud": "Y",
        "latitude": found.latitude,
        "longitude": found.longitude,
    }


def _gpus(device_names: str) -> int:
    """Return how many GPUs drew; of a run that moved those of all its machines."""
    names = [name.strip() for name in device_names.split(",")]
    return sum(bool(name) and not name.startswith(HOST) for name in names)
