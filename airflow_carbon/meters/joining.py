"""Logs of one run, written on several machines, in one file that says where each was."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_RUN = ("dag_id", "task_id", "run_id", "map_index")


def join(into: Path, part: Path, region: str) -> None:
    """Add the segments of a fetched log to a file, and to each the region that it ran in.

    Segments that the file has already stay as they are: a log that is fetched twice counts once,
    and one that a later segment did not replace stays where it was. Segments of another Airflow
    run leave the file. The file appears whole or not at all.

    Raises:
        OSError: a file can't be read or written.
    """
    fresh = list(_segments(part))
    runs = {_run(record) for record, _ in fresh if record}
    kept = [one for one in _segments(into) if one[0] and _run(one[0]) in runs]
    known = {record["seg"] for record, _ in kept}
    kept += [
        (record, [_line({**record, "region": region}), *lines[1:]] if record else lines)
        for record, lines in fresh
        if record.get("seg") not in known
    ]
    whole = into.with_name(f"{into.name}.part")
    whole.write_text("".join(line for _, lines in kept for line in lines), encoding="utf-8")
    whole.replace(into)


def _segments(path: Path) -> Iterator[tuple[Mapping[str, Any], list[str]]]:
    """Yield the header of each segment, and its lines; {} where a log begins without one."""
    header: Mapping[str, Any] = {}
    lines: list[str] = []
    if not path.exists():
        return
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines(keepends=True):
        record = _record(line)
        if record.get("type") == "segment" and "seg" in record:
            if lines:
                yield header, lines
            header, lines = record, []
        lines.append(line if line.endswith("\n") else f"{line}\n")
    if lines:
        yield header, lines


def _run(header: Mapping[str, Any]) -> tuple[Any, ...]:
    run = header.get("run") or {}
    return tuple(run.get(name) for name in _RUN)


def _record(line: str) -> dict[str, Any]:
    try:
        record = json.loads(line)
    except ValueError:
        return {}
    return record if isinstance(record, dict) else {}


def _line(record: Mapping[str, Any]) -> str:
    return json.dumps(record, separators=(",", ":"), allow_nan=False) + "\n"
