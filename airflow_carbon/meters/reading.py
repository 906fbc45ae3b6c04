"""Read the log of a measurement into the core's types, on Airflow's side."""

from __future__ import annotations

import json
from binascii import a2b_base64
from dataclasses import dataclass, field
from itertools import count, groupby
from math import isnan
from typing import TYPE_CHECKING, Any

import numpy as np

from airflow_carbon.core.energy import EnergyProfile, EnergyQuality
from airflow_carbon.core.errors import MeasurementError
from airflow_carbon.meters.log import PACKED_BYTES, PACKED_MISSING, VERSION
from airflow_carbon.meters.overlap import counted_once, named_apart

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Record = Mapping[str, Any]
    Short = list[Any] | str
    Row = tuple[float, float, float, str, EnergyQuality]

MERGED_S = 60
"""Short lines are read by the minute: forecasts and actuals have steps of minutes [s]."""

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


def read_measurement(path: Path, *others: Path) -> Measurement:
    """Read what ``python -m airflow_carbon.measure --out`` wrote, also while it is written.

    Several logs are those of one run, of its nodes or ranks: what two agents counted of one
    device at once is counted once.

    Raises:
        MeasurementError: no such file, or it is empty, of a newer version, or another thing.
    """
    log = _Log()
    try:
        for one in (path, *others):
            for record in _records(one):
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


def _records(path: Path) -> Iterator[Record | Short]:
    """Yield the lines that may be ours; one that was torn by a kill is passed over."""
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, dict) and record.get("type") == "segment":
                _check_version(path, record)
            if isinstance(record, (dict, list, str)):
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
    gaps: dict[tuple[str, str], list[int]] = field(default_factory=dict)
    numbers: count[int] = field(default_factory=count)
    full: dict[str, _Full] = field(default_factory=dict)
    machines: dict[str, str] = field(default_factory=dict)
    sources: dict[int, tuple[str, int | None]] = field(default_factory=dict)

    def add(self, record: Record | Short) -> None:
        """Take a line; of kinds that are not known, a later release may write more."""
        if isinstance(record, (list, str)):
            self._add_short(record)
            return
        match record.get("type"):
            case "segment":
                self.last = record
                self.segments += 1
                self.regions[record["seg"]] = record.get("region")
                machine = record.get("boot_id") or record.get("host")
                self.machines[record["seg"]] = machine or record["seg"]
            case "interval":
                self._add_lines(record["seg"])
                for device in record["q"]:
                    self._add_row(record, device)
                self.full[record["seg"]] = _Full(record)
            case "end":
                self.codes[record["seg"]] = int(record["rc"])

    def _add_short(self, line: Short) -> None:
        if isinstance(line, list):
            if line and line[0] in self.full:
                self.full[line[0]].lines.append(line[1:])
            return
        if not self.full:
            return
        digits = a2b_base64(line[:4]).hex()
        seg = next((one for one in reversed(self.full) if one.startswith(digits)), None)
        if seg is not None:
            self.full[seg].lines.append(line[4:])

    def _add_lines(self, seg: str) -> None:
        """Take the short lines since the last full one, by the minute."""
        full = self.full.pop(seg, None)
        for interval in full.intervals() if full else ():
            for device in interval["q"]:
                self._add_row(interval, device)

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
        self.sources[number] = (interval["seg"], interval.get("raw_mj", {}).get(device))
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
        for seg in tuple(self.full):
            self._add_lines(seg)
        rows = list(self.rows.items())
        if len(self.machines) > 1:  # of several segments
            once = counted_once(self.rows, self.sources, self.machines)
            rows = list(named_apart(once, self.sources, self.machines))
        profile = EnergyProfile.from_rows(row for _, row in rows)
        places: dict[str | None, list[Row]] = {}
        for number, row in rows:
            places.setdefault(self.regions.get(self.sources[number][0]), []).append(row)
        return Measurement(
            run=self.last["run"],
            profile=profile,
            by_region={
                place: profile if len(places) == 1 else EnergyProfile.from_rows(own)
                for place, own in places.items()
            },
            ended=self.last["seg"] in self.codes,
            return_code=self.codes.get(self.last["seg"]),
            segments=self.segments,
            method=profile.method,
        )


@dataclass
class _Full:
    """A full line, and the short ones that followed it."""

    line: Record
    lines: list[Short] = field(default_factory=list)

    def intervals(self) -> Iterator[Record]:
        """Yield what the short lines say, those of one minute (UTC) as one."""
        if not self.lines:
            return
        table = np.concatenate([_table(list(run)) for _, run in groupby(self.lines, type)])
        spans, mj = table[:, 0], table[:, 1:]
        ends = np.round(self.line["t1"] + np.cumsum(spans) / 1000, 3)
        begins = np.concatenate(([self.line["t1"]], ends[:-1]))
        starts = np.flatnonzero(np.diff(begins // MERGED_S, prepend=-1.0))
        sums = np.add.reduceat(mj, starts, axis=0)
        shown = np.cumsum(sums, axis=0)
        lasts = [*(starts[1:] - 1).tolist(), len(ends) - 1]
        devices = list(self.line["j"])
        raw = {device: self.line["raw_mj"].get(device) for device in devices}
        for row, (first, last) in enumerate(zip(starts.tolist(), lasts, strict=True)):
            values = zip(devices, sums[row].tolist(), shown[row].tolist(), strict=True)
            drawn = {device: (one, total) for device, one, total in values}
            yield {
                "seg": self.line["seg"],
                "t0": float(begins[first]),
                "t1": float(ends[last]),
                "j": {d: None if isnan(one) else one / 1000 for d, (one, _) in drawn.items()},
                "q": self.line["q"],
                "raw_mj": {d: mj + round(drawn[d][1]) for d, mj in raw.items() if mj is not None},
            }


def _table(lines: Sequence[Short]) -> NDArray[np.float64]:
    """Return the numbers of short lines of one form, NaN where missing."""
    if isinstance(lines[0], list):
        return np.array(lines, dtype=np.float64)
    packed = np.frombuffer(a2b_base64("".join(map(str, lines))), dtype=np.uint8)
    digits = packed.reshape(len(lines), -1, PACKED_BYTES)
    numbers = digits @ (256.0 ** np.arange(PACKED_BYTES)[::-1])
    return np.where(numbers == PACKED_MISSING, np.nan, numbers)
