"""What several agents counted of one device at once is counted once."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from math import isnan
from typing import TYPE_CHECKING, NamedTuple

from airflow_carbon.core.handover import ANYWHERE, HOST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from airflow_carbon.core.energy import EnergyQuality

    Row = tuple[float, float, float, str, EnergyQuality]


class Span(NamedTuple):
    """Energy of one device over ``[begins, ends)`` [Unix s].

    ``joules`` is None where it is missing, ``raw_mj`` what the counter showed at its end, where
    there is one. ``origin`` tells the reader which row of the log it is from.
    """

    begins: float
    ends: float
    joules: float | None
    raw_mj: int | None
    origin: int


def counted_once(
    rows: Mapping[int, Row],
    sources: Mapping[int, tuple[str, int | None]],
    machines: Mapping[str, str],
) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a log, by number, without what two of its segments both counted.

    Rows are (begins, ends, joules, device, quality); ``sources`` has the segment of each and what
    the counter showed at its end [mJ], ``machines`` names each segment's (its boot).
    """
    together: dict[tuple[str, str], list[int]] = {}
    for number, row in rows.items():
        seg = sources[number][0]
        if row[3] in HOST:  # of the command's own processes: two agents count two commands
            yield number, row
        else:
            machine = "" if row[3].startswith(ANYWHERE) else machines.get(seg, seg)
            together.setdefault((machine, row[3]), []).append(number)
    for numbers in together.values():
        if not _overlap(numbers, rows, sources):
            yield from ((number, rows[number]) for number in numbers)
            continue
        spans = [_span(number, rows[number], sources[number][1]) for number in numbers]
        for span in once(spans):
            *_, joules, device, quality = rows[span.origin]
            drawn = joules if span.joules is None else span.joules
            yield span.origin, (span.begins, span.ends, drawn, device, quality)


def named_apart(
    rows: Iterable[tuple[int, Row]],
    sources: Mapping[int, tuple[str, int | None]],
    machines: Mapping[str, str],
) -> Iterator[tuple[int, Row]]:
    """Yield the rows of a log with names that tell the host devices of agents apart.

    Of those that ran side by side: ranks, each with its own ``cpu``, and nodes. The first keeps its
    names; the others' have their segment, or their machine, behind them.
    """
    known = list(rows)
    reach: dict[str, dict[str, tuple[float, float]]] = {}
    owners = {number: _owner(row[3], sources[number][0], machines) for number, row in known}
    for number, (begins, ends, _, device, _) in known:
        own = reach.setdefault(device, {})
        first, last = own.get(owners[number], (begins, ends))
        own[owners[number]] = (min(first, begins), max(last, ends))
    others = {device: _side_by_side(own) for device, own in reach.items()}
    for number, row in known:
        if owners[number] in others[row[3]]:
            yield number, (*row[:3], f"{row[3]}@{owners[number][:8]}", row[4])
        else:
            yield number, row


def _owner(device: str, seg: str, machines: Mapping[str, str]) -> str:
    if device.startswith(ANYWHERE):
        return ""
    return seg if device in HOST else machines.get(seg, seg)


def _side_by_side(reach: Mapping[str, tuple[float, float]]) -> set[str]:
    """Return who was there at the same time as one before it."""
    kept: list[tuple[float, float]] = []
    others = set()
    for owner, (begins, ends) in reach.items():
        if any(begins < last and first < ends for first, last in kept):
            others.add(owner)
        else:
            kept.append((begins, ends))
    return others


def _overlap(
    numbers: Sequence[int], rows: Mapping[int, Row], sources: Mapping[int, tuple[str, int | None]]
) -> bool:
    """Say whether segments overlap in time; within one, rows never do."""
    reach: dict[str, tuple[float, float]] = {}
    for number in numbers:
        seg, (begins, ends, *_) = sources[number][0], rows[number]
        first, last = reach.get(seg, (begins, ends))
        reach[seg] = (min(first, begins), max(last, ends))
    spans = sorted(reach.values())
    return any(after[0] < before[1] for before, after in pairwise(spans))


def _span(number: int, row: Row, raw_mj: int | None) -> Span:
    begins, ends, joules, device, _ = row
    shared = raw_mj if device.startswith(ANYWHERE) else None  # RAPL's begins with each segment
    return Span(begins, ends, None if isnan(joules) else joules, shared, number)


def once(spans: Iterable[Span]) -> list[Span]:
    """Return the spans of one device without what was counted twice, in time order.

    Where two overlap, the one that begins first stands, and the other is what follows it: by
    the counter to the millijoule, else by its share of the time. What one agent missed and
    another knows is known.

    >>> once([Span(0, 2, 2.0, 2000, 1), Span(1, 3, 2.0, 3000, 2)])[1]
    Span(begins=2, ends=3, joules=1.0, raw_mj=3000, origin=2)
    """
    ordered = sorted(spans, key=lambda span: (span.begins, -span.ends))
    known = list(_without_overlap(span for span in ordered if span.joules is not None))
    gaps = _gaps((span for span in ordered if span.joules is None), known)
    return sorted([*known, *gaps], key=lambda span: span.begins)


def _without_overlap(spans: Iterable[Span]) -> Iterator[Span]:
    before: Span | None = None
    for span in spans:
        if before is None or span.begins >= before.ends:
            before = span
        elif span.ends > before.ends:
            before = span._replace(begins=before.ends, joules=_after(before, span))
        else:
            continue
        yield before


def _after(before: Span, span: Span) -> float:
    """Return what a span counted after the end of another."""
    joules = span.joules or 0.0
    if before.raw_mj is not None and span.raw_mj is not None:
        counted = (span.raw_mj - before.raw_mj) / 1000
        if 0 <= counted <= joules:
            return counted
    return joules * (span.ends - before.ends) / (span.ends - span.begins)


def _gaps(missing: Iterable[Span], known: Sequence[Span]) -> Iterator[Span]:
    """Yield the parts of missing spans that nobody knows, each once."""
    ends = [span.ends for span in known]
    reached = float("-inf")
    for span in missing:
        begins = max(span.begins, reached)
        reached = max(reached, span.ends)
        for other in known[bisect_right(ends, begins) :]:
            if other.begins >= span.ends:
                break
            if begins < other.begins:
                yield span._replace(begins=begins, ends=other.begins)
            begins = max(begins, other.ends)
        if begins < span.ends:
            yield span._replace(begins=begins)
