"""The log's short lines, read by other code than the package's."""

from __future__ import annotations

import base64


def unpacked(line: str) -> list[int | None]:
    """The numbers of a short line; None is missing."""
    raw = base64.b64decode(line, validate=True)
    numbers = [int.from_bytes(raw[i : i + 3], "big") for i in range(0, len(raw), 3)]
    return [None if number == 0xFFFFFF else number for number in numbers]


def renamed(text: str, seg: str, other: str) -> str:
    """Give a log's segment another name."""
    short, anew = (base64.b64encode(bytes.fromhex(one[:6])).decode() for one in (seg, other))
    return text.replace(seg, other).replace(f'\n"{short}', f'\n"{anew}')
