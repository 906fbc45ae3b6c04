"""The log of a measurement, format 3: one JSON value a line, appended and never changed.

::

    {"type":"segment","v":3,"seg":"5f0c9a1e","t":..,"run":{..},"host":..,"boot_id":..,
     "agent":..,"interval_s":1.0,"command":"python",
     "devices":[{"id":"GPU-..","kind":"gpu","name":"NVIDIA H200","method":"counter"}, ..],
     "raw_mj":{"GPU-..":81012345}}
    {"type":"interval","seg":"5f0c9a1e","t0":..,"t1":..,"j":{"GPU-..":412.3,"cpu":3.1},
     "q":{"GPU-..":"counter","cpu":"model"},"raw_mj":{"GPU-..":81234567}}
    "XwyaAAPoBkqMAAwc"
    {"type":"end","seg":"5f0c9a1e","t":..,"rc":0}

A *segment* is one run of the agent; another run with the same file appends another. Times are
Unix seconds, to the millisecond. Intervals are half-open and contiguous from the segment's ``t``
on; the last ends with the command. ``j`` is in joules, and null where ``q`` is ``missing``: what
was not read is unknown, never 0 J. ``raw_mj`` is the hardware's own counter [mJ] at the end of
the interval, or of RAPL, whose counter goes round, what it has counted since the segment began;
in a segment's line, at its begin. A device's ``method`` is ``counter``, ``power``, ``model``, or
``missing`` where it can't be measured at all. ``run`` names the Airflow run as far as it is
known, ``command`` the program without its arguments, which may hold secrets. Where the
logs of several machines are joined, ``region`` in a segment's line is the Azure region that it
ran in.

**A short line** is an interval that follows the segment's last and is like it. It has three-byte
numbers in base64, the highest byte first, so four characters are one: the first six digits of the
segment, how long it is [ms], and what each device drew [mJ], in the order of ``j`` in the last full
line; all bits are set where it is missing. Where a number is greater it is a list of the same, with
the segment in full and null for missing: ``["5f0c9a1e",60000,42012300,188100]``; format 2 had no
other. A counter shows then what it showed before, and that much more. Each 300th line is in full.

**A gap.** While a counter can't be read, its intervals are missing. When it answers again,
the next interval's ``j`` is all that it has counted since its last good reading, and
``since`` ({"GPU-..": Unix seconds}) says when that was: this energy takes the place of the
device's missing intervals from then on. The sum of ``j`` is so the last counter less the
first, and nothing is counted twice. A counter that went backwards was reset: its interval is
missing, and counting starts anew.

A line that is not JSON was torn by a kill or by a full disk; a reader passes over it, and a
writer starts a fresh line after it.
"""

from __future__ import annotations

import errno
import json
import os
from binascii import b2a_base64
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

VERSION = 3
COUNTER, POWER, MODEL, MISSING = "counter", "power", "model", "missing"

PACKED_BYTES, PACKED_MISSING = 3, 2**24 - 1
"""How wide a number is in a short line, and what stands there for one that is missing."""

_NOTHING_TO_CONFIRM = {errno.EINVAL, errno.ENOTSUP, errno.EROFS}  # a pipe, a device


@dataclass(frozen=True)
class Device:
    """What draws energy: a ``gpu``, ``cpu`` or ``memory``, and the method by which it is known."""

    id: str
    kind: str
    name: str
    method: str


@dataclass(frozen=True)
class Segment:
    """One run of the agent begins; ``seg`` is eight hexadecimal digits."""

    seg: str
    t: float
    run: Mapping[str, str | int]
    host: str
    boot_id: str
    agent: str
    interval_s: float
    command: str
    devices: tuple[Device, ...]
    raw_mj: Mapping[str, int]


@dataclass(frozen=True)
class Interval:
    """What each device drew over ``[t0, t1)``."""

    t0: float
    t1: float
    j: Mapping[str, float | None]
    q: Mapping[str, str]
    raw_mj: Mapping[str, int] = field(default_factory=dict)
    since: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class End:
    """The command ended, and with which code."""

    t: float
    rc: int


def encode_segment(segment: Segment) -> bytes:
    """Return the first line of a segment."""
    devices = [vars(device) for device in segment.devices]
    return _line({"type": "segment", "v": VERSION, **vars(segment), "devices": devices})


def encode_interval(seg: str, interval: Interval) -> bytes:
    """Return the line of an interval; ``since`` is there only after a gap."""
    fields = {**vars(interval)}
    if not interval.since:
        del fields["since"]
    return _line({"type": "interval", "seg": seg, **fields})


def encode_short(seg: str, ms: int, mj: Sequence[int | None]) -> bytes:
    r"""Return the line of an interval that is like the one before it.

    >>> encode_short("5f0c9a1e", 1000, [412300, 3100])
    b'"XwyaAAPoBkqMAAwc"\n'
    >>> encode_short("5f0c9a1e", 60000, [42012300, None])
    b'["5f0c9a1e",60000,42012300,null]\n'
    """
    if any(one is not None and one >= PACKED_MISSING for one in (ms, *mj)):
        return json.dumps([seg, ms, *mj], separators=(",", ":")).encode() + b"\n"
    drawn = [PACKED_MISSING if one is None else one for one in mj]
    numbers = (int(seg[:6], 16), ms, *drawn)
    packed = b"".join(one.to_bytes(PACKED_BYTES, "big") for one in numbers)
    return b'"%s"\n' % b2a_base64(packed, newline=False)


def encode_end(seg: str, end: End) -> bytes:
    """Return the last line of a segment."""
    return _line({"type": "end", "seg": seg, **vars(end)})


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":"), allow_nan=False).encode() + b"\n"


class LogFile:
    """An append-only file of whole lines; ``write`` is the system's.

    Raises:
        OSError: it can't be opened.
    """

    def __init__(self, path: Path, write: Callable[[int, bytes], int] = os.write) -> None:
        self._write = write
        path.parent.mkdir(parents=True, exist_ok=True)
        self._torn = _ends_torn(path)
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def append(self, line: bytes) -> None:
        """Write a line.

        Raises:
            OSError: it was not written as a whole, and may be written again.
        """
        whole = b"\n" + line if self._torn else line
        left = len(whole) - self._write(self._file, whole)
        self._torn = left > 0
        if left > len(b"\n"):  # all but its end is a line: again, it would count twice
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def confirm(self) -> None:
        """Return when the lines are on the disk.

        Raises:
            OSError: the disk does not confirm it; the lines may be there all the same.
        """
        try:
            os.fsync(self._file)
        except OSError as exc:
            if exc.errno not in _NOTHING_TO_CONFIRM:
                raise


def _ends_torn(path: Path) -> bool:
    """Say whether an earlier writer was stopped within a line."""
    with suppress(OSError):
        if path.is_file() and path.stat().st_size:
            with path.open("rb") as file:
                file.seek(-1, os.SEEK_END)
                return file.read() != b"\n"
    return False
