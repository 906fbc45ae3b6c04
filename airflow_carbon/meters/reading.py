"""Read the log of a measurement into the core's types, on Airflow's side."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.energy import EnergyProfile, EnergyQuality
from airflow_carbon.core.errors import MeasurementError
from airflow_carbon.meters.log import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    Record = Mapping[str, Any]
    Row = tuple[float, float, float, str, EnergyQuality]

_NO_FILE = (
    "there is no such file; the agent writes it where --out says, and that has to be storage "
    "which Airflow's workers see"
)
_EMPTY = "it is empty: the agent could not write to it; what it said on stderr tells why"
_NO_INTERVAL = "it has no interval: the command was killed within its first; run it again"
_NOT_OURS = "it holds no measurement; give what `python -m airflow_carbon.measure --out` wrote"


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """What a log says.

    ``run`` is the Airflow run of the last segment (dag_id, task_id, run_id, try_number, as
    far as known), empty outside Airflow. ``ended`` and ``return_code`` tell how that segment
    ended: False and None after a kill. ``profile`` has the energy of all ``segments``: what
    an earlier try drew was drawn. ``method`` names how, such as ``counter+model``.
    """

    run: Mapping[str, str | int]
    profile: EnergyProfile
    by_region: Mapping[str | None, EnergyProfile]
    ended: bool
    return_code: int | None
    segments: int
    method: str


def read_measurement(path: Path) -> Measurement:
    """Read what ``python -m airflow_carbon.measure --out`` wrote, also while it is written.

    Raises:
        MeasurementError: no such file, or it is empty, of a newer version, or another thing.
    """
    log = _Log()
    try:
        for record in _records(path):
            log.add(record)
        measurement = log.measurement()
    except FileNotFoundError as exc:
        raise MeasurementError(str(path), _NO_FILE) from exc
    except OSError as exc:
        fault = f"{exc.strerror}; give a file that Airflow's workers may read"
        raise MeasurementError(str(path), fault) from exc
    except (KeyError, TypeError, ValueError, AttributeError) as exc:
        fault = f"a line was changed since it was written ({exc!r}); use the file as it was"
        raise MeasurementError(str(path), fault) from exc
    if measurement is None:
        raise MeasurementError(str(path), _NOT_OURS if path.stat().st_size else _EMPTY)
    if not len(measurement.profile):
        raise MeasurementError(str(path), _NO_INTERVAL)
    return measurement


def _records(path: Path) -> Iterator[Record]:
    """Yield the lines that are objects; one that was torn by a kill is passed over."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("type") == "segment":
                _check_version(path, record)
            if isinstance(record, dict):
                yield record


def _check_version(path: Path, segment: Record) -> None:
    if segment["v"] > VERSION:
        fault = (
            f"its format {segment['v']} is newer than {VERSION}, written by airflow-carbon "
            f"{segment.get('agent')}; upgrade airflow-carbon on Airflow's side"
        )
        raise MeasurementError(str(path), fault)


@dataclass
class _Log:
    """Gathers lines in the order of the file."""

    last: Record | None = None
    segments: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    rows: dict[int, Row] = field(default_factory=dict)
    regions: dict[str, str | None] = field(default_factory=dict)
    places: dict[int, str | None] = field(default_factory=dict)
    gaps: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)

    def add(self, record: Record) -> None:
        """Take a line; of kinds that are not known, a later release may write more."""
        match record.get("type"):
            case "segment":
                self.last = record
                self.segments += 1
                self.regions[record["seg"]] = record.get("region")
            case "interval":
                for device in record["q"]:
                    self._add_row(record, device)
            case "end":
                self.codes[record["seg"]] = int(record["rc"])

    def _add_row(self, interval: Record, device: str) -> None:
        """Take a device's energy; what comes back after a gap replaces the gap."""
        key, number = (interval["seg"], device), next(self.numbers)
        begins = interval.get("since", {}).get(device, interval["t0"])
        joules = interval["j"][device]
        if joules is None:
            self.gaps.setdefault(key, []).append(number)
        else:
            for gap in self.gaps.pop(key, ()):
                if self.rows[gap][0] >= begins:
                    del self.rows[gap]
        self.places[number] = self.regions.get(interval["seg"])
        self.rows[number] = (
            float(begins),
            float(interval["t1"]),
            float("nan") if joules is None else float(joules),
            device,
            EnergyQuality(interval["q"][device]),
        )

    def measurement(self) -> Measurement | None:
        """Return what was gathered, or None when no segment was among it."""
        if self.last is None:
            return None
        profile = EnergyProfile.from_rows(self.rows.values())
        return Measurement(
            run=self.last["run"],
            profile=profile,
            by_region={
                place: EnergyProfile.from_rows(
                    row for number, row in self.rows.items() if self.places[number] == place
                )
                for place in dict.fromkeys(self.places[number] for number in self.rows)
            },
            ended=self.last["seg"] in self.codes,
            return_code=self.codes.get(self.last["seg"]),
            segments=self.segments,
            method=profile.method,
        )
