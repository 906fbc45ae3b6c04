"""A document as Markdown (CommonMark with GitHub's tables); what is in it is text, never markup."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.document import Bullets, Chart, Facts, Paragraph, Table, visible

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_carbon.core.document import Block, Document

MARKUP: Final = re.compile(r"[\\`*\[\]|~$^]|(?<![^\W_])_|_(?![^\W_])")
"""Characters that begin markup; an underscore within a word does not."""

LINKS: Final = re.compile(r":(?=//)|@|(?<=www)\.", re.IGNORECASE)
"""What GitHub makes a link of."""


def write(document: Document) -> str:
    """Return the document as Markdown; charts are left out, their values are in its tables."""
    return "\n".join(_lines(document)) + "\n"


def escape(text: str) -> str:
    r"""Return a text that Markdown shows as it is.

    >>> print(escape("<b>_x_ | nightly_run"))
    &lt;b&gt;\_x\_ \| nightly_run
    """
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    plain = LINKS.sub(lambda found: f"&#{ord(found[0])};", plain)
    return MARKUP.sub(lambda found: f"\\{found[0]}", plain)


def _lines(document: Document) -> Iterator[str]:
    yield from (f"# {escape(document.title)}", "", _line(document.subtitle), "")
    for section in document.sections:
        yield from (f"## {escape(section.title)}", "")
        for block in section.blocks:
            yield from _block(block)
    if document.closing:
        yield from ("---", "", _line(document.closing))


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        yield from (f"> **Note.** {escape(block.text)}" if block.notice else _line(block.text), "")
    elif isinstance(block, Bullets):
        yield from (*(f"- {_line(item)}" for item in block.items), "")
    elif isinstance(block, Facts):
        yield from (f"**{escape(block.name)}**", "")
        for fact in block.facts:
            detail = f" ({escape(fact.detail)})" if fact.detail else ""
            yield f"- {escape(fact.label)}: **{escape(fact.value)}**{detail}"
        yield ""
    elif isinstance(block, Table):
        yield from _table(block)
    elif isinstance(block, Chart):
        return


def _table(table: Table) -> Iterator[str]:
    sides = ["---"] * table.text_columns + ["---:"] * (len(table.columns) - table.text_columns)
    yield from (f"**{escape(table.caption)}**", "")
    for row in (table.columns, sides, *table.rows):
        cells = row if row is sides else [escape(cell) for cell in row]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _line(text: str) -> str:
    """Return a text that begins a line: it begins no heading, list, rule or code there."""
    plain = escape(text).strip()
    if found := re.match(r"\d+(?=[.)])", plain):
        return f"{found[0]}\\{plain[found.end() :]}"
    return f"\\{plain}" if plain.startswith(("#", "+", "-", "=")) else plain
