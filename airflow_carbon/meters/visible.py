"""Which GPUs ``CUDA_VISIBLE_DEVICES`` shows to a command."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

NOTHING = {"", "-1"}
"""Entries that are meant to end the list."""

_NUMBER = re.compile(r"[+-]?\d+")


@dataclass(frozen=True)
class Slice:
    """A MIG device: its id, and the id that drivers before R470 gave it."""

    id: str
    former_id: str = ""

    def begins(self, text: str) -> bool:
        """Say whether a text names this device, shortened or whole."""
        return self.id.startswith(text) or self.former_id.startswith(text)


@dataclass(frozen=True)
class Card:
    """A GPU, and the MIG devices that it is divided into, none where it is not."""

    id: str
    name: str = ""
    slices: tuple[Slice, ...] = ()

    @property
    def parts(self) -> tuple[str, ...]:
        """The ids of what is counted when the whole card is the command's."""
        return tuple(part.id for part in self.slices) or (self.id,)


def select(
    visible: str | None, cards: Sequence[Card], order: str | None = None
) -> tuple[list[str], str]:
    """Return the ids that CUDA_VISIBLE_DEVICES names, and a complaint or "".

    As CUDA does: absent means all. The first entry that names no device hides the rest. The
    first entry also says what the others are: numbers (of which what follows the digits is
    ignored), ``GPU-`` or ``MIG-`` ids, which may be shortened as long as they are unique. A
    device that is named twice hides all. References: CUDA C++ Programming Guide, "CUDA
    Environment Variables"; what it leaves open, as PyTorch reads it
    (``torch.cuda._parse_visible_devices``).

    Where a card is divided into MIG devices, its number or its id means all that can be seen
    of it: one process computes on one of them, but all are held.

    ``order`` is CUDA_DEVICE_ORDER. A number is taken in NVML's order, that of the PCI bus;
    CUDA counts so with PCI_BUS_ID or where all cards are equal, else a complaint says so.

    >>> select("1,7,0", [Card("GPU-a"), Card("GPU-b")])[0]
    ['GPU-b']
    """
    if visible is None:
        return [part for card in cards for part in card.parts], ""
    entries = [entry.strip() for entry in visible.split(",")]
    chosen: list[str] = []
    for entry in entries:
        found = _named(entry, entries[0][:4], cards)
        if not found:
            return chosen, "" if entry in NOTHING else _ended(entry)
        if found[0] in chosen:
            return [], f"CUDA_VISIBLE_DEVICES names {entry!r} twice, for which CUDA hides all GPUs"
        chosen += found
    return chosen, _doubt(entries[0], chosen, cards, order)


def _named(entry: str, kind: str, cards: Sequence[Card]) -> Sequence[str]:
    """Return what an entry of a list of that kind names; empty: nothing."""
    if kind == "MIG-":
        slices = [part for card in cards for part in card.slices]
        if not slices and entry.startswith(kind):
            return (entry,)  # NVML can't show it, CUDA may
        return _only([(part.id,) for part in slices if _is(entry, kind, part.begins(entry))])
    if kind == "GPU-":
        return _only([c.parts for c in cards if _is(entry, kind, c.id.startswith(entry))])
    number = _NUMBER.match(entry)
    if number and 0 <= int(number.group()) < len(cards):
        return cards[int(number.group())].parts
    return ()


def _is(entry: str, kind: str, matches: bool) -> bool:  # noqa: FBT001 - one of two facts
    return matches and entry.startswith(kind)


def _only(found: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    return found[0] if len(found) == 1 else ()


def _ended(entry: str) -> str:
    return f"CUDA_VISIBLE_DEVICES ends at {entry!r}, which names no GPU here"


def _doubt(first: str, chosen: Sequence[str], cards: Sequence[Card], order: str | None) -> str:
    """Return what makes it uncertain that these are the command's."""
    every = sum(len(card.parts) for card in cards)
    unlike = len({card.name for card in cards}) > 1
    if _NUMBER.match(first) and unlike and len(chosen) < every and order != "PCI_BUS_ID":
        return (
            "the GPUs here are unlike, and CUDA may number them in another order than NVML: "
            "set CUDA_DEVICE_ORDER=PCI_BUS_ID, or name GPUs by UUID in CUDA_VISIBLE_DEVICES"
        )
    return ""
