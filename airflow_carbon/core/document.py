"""A document as values: what it says is decided once, and written in several forms.

All text is plain: whoever writes a form escapes it.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSEEN: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
"""Categories of Unicode that a name may use to look like something else."""

UNKNOWN: Final = "not known"
"""What stands where there is no figure: that is not 0."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Paragraph:
    """Sentences; a ``notice`` is what nobody should miss."""

    text: str
    notice: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bullets:
    """Sentences of equal rank."""

    items: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A figure that stands out: what it is, its value with its unit, and what to know of it."""

    label: str
    value: str
    detail: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Figures side by side, under a name."""

    name: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Table:
    """Rows of text; ``text_columns`` of them begin each row, the others are numbers.

    ``has_sum``: the last row is the sum of the others.
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    text_columns: int = 1
    has_sum: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Bar:
    """A value of a chart with its bounds."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Chart:
    """Bars with their bounds; ``says`` is the same in a sentence, for who does not see them.

    ``upright`` bars stand in the order of time; others lie, one below the other. Every value
    is in a table as well.
    """

    title: str
    says: str
    unit: str
    bars: tuple[Bar, ...]
    upright: bool = False


Block: TypeAlias = "Paragraph | Bullets | Facts | Table | Chart"


@dataclass(frozen=True, kw_only=True, slots=True)
class Section:
    """A heading and what is under it."""

    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Document:
    """A title, a line below it, sections, and a last line."""

    title: str
    subtitle: str
    sections: tuple[Section, ...] = field(default=())
    closing: str = ""


def visible(text: str) -> str:
    r"""Return a text on one line in which nothing is hidden: each such character is replaced.

    >>> visible("a\nb\u202ec")
    'a\ufffdb\ufffdc'
    """
    return "".join("\ufffd" if unicodedata.category(c) in UNSEEN else c for c in text)


def number(value: float) -> str:
    """Write a number with three digits or more, and a comma for the thousands.

    >>> [number(v) for v in (12345.6, 123.4, 12.34, 0.01234, 0.0)]
    ['12,346', '123', '12.3', '0.0123', '0']
    """
    size = abs(value)
    if size == 0:
        return "0"
    if size >= 99.95:  # noqa: PLR2004 - from here on a decimal would be the fourth digit
        return f"{value:,.0f}"
    digits = 1 if size >= 9.995 else 2 if size >= 0.9995 else None  # noqa: PLR2004 - likewise
    return f"{value:.3g}" if digits is None else f"{value:.{digits}f}"


def signed(value: float) -> str:
    """Write a number with its sign.

    >>> signed(-1.5), signed(2.0), signed(0.0)
    ('-1.50', '+2.00', '0')
    """
    return f"+{number(value)}" if value > 0 else number(value)


def share(part: float | None) -> str:
    """Write a share as a percentage; what is not known as that.

    >>> share(0.5), share(0.9996), share(None)
    ('50 %', '99.9 %', 'not known')
    """
    if part is None:
        return UNKNOWN
    percent = 100 * part
    if 99.9 < percent < 100 or 0 < percent < 0.1:  # noqa: PLR2004 - all and nothing are exact
        percent = 99.9 if percent > 50 else 0.1  # noqa: PLR2004
    return f"{percent:.3g} %"


def counted(count: int, one: str, many: str | None = None) -> str:
    """Write a number of things.

    >>> counted(1, "run"), counted(1200, "run")
    ('1 run', '1,200 runs')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def listed(items: Sequence[str]) -> str:
    """Write a list within a sentence.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
