"""The log as lines among what the command prints: the last resort, where nothing can be put.

Compressed, in base 64, in numbered lines, so that others may print in between; the last line has
the digest of the whole.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import sys
import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MARK = "carbon-log"
CHARS = 4000
"""In a line."""

MOST_LINES = 1000
"""4 MB: days at one interval a second. A log that would need more is not said."""

_LINE = re.compile(MARK + r" (\w+) (\d+)/(\d+) ([A-Za-z0-9+/=]+)")


def said(log: bytes) -> Iterator[str]:
    """Yield the lines that say a log; none where they would be too many."""
    text = base64.b64encode(zlib.compress(log, 9)).decode("ascii")
    parts = [text[i : i + CHARS] for i in range(0, len(text), CHARS)]
    if len(parts) > MOST_LINES:
        return
    digest = _digest(log)
    for number, part in enumerate(parts, 1):
        yield f"{MARK} {digest} {number}/{len(parts)} {part}"


def say(log: bytes) -> bool:
    """Print a log to standard error, and tell whether it was said."""
    lines = list(said(log))
    for line in lines:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - whoever collects the output hears it
    return bool(lines)


def heard(text: str) -> bytes | None:
    """Return the last log that was said whole in a text; None: none was."""
    parts: dict[tuple[str, str], dict[int, str]] = {}
    found = None
    for match in _LINE.finditer(text):
        digest, number, count, part = match.groups()
        known = parts.setdefault((digest, count), {})
        known[int(number)] = part
        if len(known) == int(count):
            log = _whole("".join(known[i] for i in sorted(known)))
            if log is not None and _digest(log) == digest:
                found = log
    return found


def _whole(text: str) -> bytes | None:
    try:
        return zlib.decompress(base64.b64decode(text, validate=True))
    except (binascii.Error, zlib.error):
        return None


def _digest(log: bytes) -> str:
    return hashlib.sha256(log).hexdigest()[:16]
