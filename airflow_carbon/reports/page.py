"""A document as one HTML file: no script, nothing from elsewhere, made for A4."""

from __future__ import annotations

from html import escape as html_escape
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.document import Bullets, Chart, Facts, Paragraph, Table, visible
from airflow_carbon.reports.plots import svg

if TYPE_CHECKING:
    from collections.abc import Iterator

    from airflow_carbon.core.document import Block, Document

NO_PLOT: Final = (
    "No plots: matplotlib is not installed (pip install 'airflow-carbon[dashboard]'). The tables "
    "have all values."
)

LONG: Final = 28
"""Characters from which on a cell may be broken anywhere."""

STYLE: Final = """
:root { color-scheme: light; --ink: #1d2733; --soft: #5b6775; --line: #d7dde4; --green: #1f7a4d;
  --tint: #f3f7f5; --warn: #8a5a00; --warn-tint: #fff7e6; }
* { box-sizing: border-box; }
body { margin: 0; background: #fff; color: var(--ink);
  font: 15px/1.55 "Segoe UI", "Helvetica Neue", Arial, "Liberation Sans", sans-serif; }
main { max-width: 54rem; margin: 0 auto; padding: 2.5rem 1.5rem 3rem; }
header { border-bottom: 3px solid var(--green); padding-bottom: 1rem; margin-bottom: 1.5rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
header p, .closing { color: var(--soft); margin: 0; }
h2 { font-size: 1.25rem; margin: 2.2rem 0 .8rem; padding-bottom: .25rem;
  border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .5rem; }
p, li, caption, h3, dd, .long { overflow-wrap: anywhere; }
ul { padding-left: 1.2rem; } li { margin: .3rem 0; }
.notice { border-left: 4px solid var(--warn); background: var(--warn-tint); padding: .6rem .9rem; }
dl { display: grid; grid-template-columns: repeat(4, 1fr); gap: .8rem; margin: 0 0 1rem; }
dl div { background: var(--tint); border: 1px solid var(--line); border-radius: 6px;
  padding: .8rem; display: flex; flex-direction: column; }
dt { font-size: .85rem; font-weight: 600; }
dd { margin: 0; } dd.value { order: -1; font-size: 1.2rem; font-weight: 600;
  line-height: 1.4; }
dd.detail { color: var(--soft); font-size: .82rem; line-height: 1.4; }
.wide { overflow-x: auto; margin: 1rem 0 1.3rem; }
table { border-collapse: collapse; width: 100%; font-size: .85rem; }
caption { text-align: left; font-weight: 600; padding-bottom: .4rem; }
th, td { text-align: left; padding: .35rem .5rem; border-bottom: 1px solid var(--line);
  vertical-align: top; white-space: nowrap; }
.long { white-space: normal; min-width: 9rem; } thead th { white-space: normal; }
thead th { border-bottom: 2px solid var(--ink); vertical-align: bottom; font-size: .8rem; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
tbody th { font-weight: 400; }
tbody tr:last-child.all > * { font-weight: 600; border-top: 2px solid var(--line); }
figure { margin: 1rem 0; } figcaption { color: var(--soft); font-size: .82rem; }
figure svg { width: 100%; height: auto; }
.closing { border-top: 1px solid var(--line); margin-top: 2.5rem; padding-top: .8rem;
  font-size: .85rem; }
@media (max-width: 40rem) { dl { grid-template-columns: repeat(2, 1fr); } }
@page { size: A4; margin: 16mm 15mm; }
@media print { body { font-size: 10pt; } main { max-width: none; padding: 0; }
  dl { grid-template-columns: repeat(4, 1fr); } .wide { overflow: visible; }
  h2, h3, caption { break-after: avoid; } tr, figure, dl div, .notice { break-inside: avoid; }
  thead { display: table-header-group; } table, thead th { font-size: 7.5pt; }
  th, td { padding: .2rem .3rem; } }
"""

PAGE: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<main>
<header>
<h1>{title}</h1>
<p>{subtitle}</p>
</header>
{body}
<p class="closing">{closing}</p>
</main>
</body>
</html>
"""


def write(document: Document) -> str:
    """Return the document as a page; plots where matplotlib is there, else a sentence."""
    return PAGE.format(
        title=escape(document.title),
        subtitle=escape(document.subtitle),
        style=STYLE,
        body="\n".join(_parts(document)),
        closing=escape(document.closing),
    )


def escape(text: str) -> str:
    """Return a text that HTML shows as it is, in attributes as well."""
    return html_escape(visible(text))


def _parts(document: Document) -> Iterator[str]:
    said = False
    for number, section in enumerate(document.sections):
        yield f'<section aria-labelledby="s{number}">'
        yield f'<h2 id="s{number}">{escape(section.title)}</h2>'
        for place, block in enumerate(section.blocks):
            if isinstance(block, Chart):
                drawn = _figure(block, f"c{number}-{place}")
                if drawn or not said:
                    yield drawn or f"<p>{escape(NO_PLOT)}</p>"
                said = said or not drawn
            else:
                yield from _block(block)
        yield "</section>"


def _figure(chart: Chart, name: str) -> str | None:
    drawn = svg(chart, name)
    if drawn is None:
        return None
    caption = f"{escape(chart.title)}. {escape(chart.says)}"
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Paragraph):
        look = ' class="notice"' if block.notice else ""
        yield f"<p{look}>{escape(block.text)}</p>"
    elif isinstance(block, Bullets):
        yield "<ul>"
        yield from (f"<li>{escape(item)}</li>" for item in block.items)
        yield "</ul>"
    elif isinstance(block, Facts):
        yield f"<h3>{escape(block.name)}</h3>"
        yield "<dl>"
        for fact in block.facts:
            yield (
                f'<div><dt>{escape(fact.label)}</dt><dd class="value">{escape(fact.value)}</dd>'
                f'<dd class="detail">{escape(fact.detail)}</dd></div>'
            )
        yield "</dl>"
    elif isinstance(block, Table):
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield f'<div class="wide"><table><caption>{escape(table.caption)}</caption>'
    heads = (
        f'<th scope="col"{_side(table, place)}>{escape(name)}</th>'
        for place, name in enumerate(table.columns)
    )
    yield f"<thead><tr>{''.join(heads)}</tr></thead>"
    yield "<tbody>"
    for row in table.rows:
        cells = "".join(_cell(table, place, cell) for place, cell in enumerate(row))
        look = ' class="all"' if table.has_sum and row is table.rows[-1] else ""
        yield f"<tr{look}>{cells}</tr>"
    yield "</tbody></table></div>"


def _cell(table: Table, place: int, text: str) -> str:
    look = ' class="long"' if len(text) > LONG else _side(table, place)
    if place == 0:
        return f'<th scope="row"{look}>{escape(text)}</th>'
    return f"<td{look}>{escape(text)}</td>"


def _side(table: Table, place: int) -> str:
    return "" if place < table.text_columns else ' class="n"'
