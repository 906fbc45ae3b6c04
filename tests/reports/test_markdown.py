"""Whatever a name is, Markdown shows it as text."""

from __future__ import annotations

from html import unescape

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from airflow_carbon.core.document import Bullets, Document, Paragraph, Section, Table, visible
from airflow_carbon.reports import markdown

HARMLESS = {"text", "text_special", "softbreak"}
nasty = st.text(st.sampled_from("a_*`|<>&[]()!#+-=~\\$^:/@.1 \n\t\r\u202e\"'"), max_size=30)
names = st.one_of(nasty, st.text(max_size=30))


def tokens_of(text):
    return MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)


def shown(inline):
    """What a reader sees of a cell or a line, where nothing in it is markup."""
    assert {child.type for child in inline.children} <= HARMLESS, inline.content
    return unescape("".join(child.content for child in inline.children))


def squeezed(text):
    return " ".join(visible(text).split())


@given(st.lists(st.lists(names, min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_cell_is_text_and_the_table_keeps_its_shape(rows):
    table = Table(caption="c", columns=("x", "y", "z"), rows=tuple(map(tuple, rows)))
    page = Document(title="t", subtitle="s", sections=(Section(title="h", blocks=(table,)),))

    found = tokens_of(markdown.write(page))

    begin = next(i for i, one in enumerate(found) if one.type == "tbody_open")
    cells = [shown(one) for one in found[begin:] if one.type == "inline"]
    assert [squeezed(cell) for cell in cells] == [squeezed(cell) for row in rows for cell in row]


@given(text=names.filter(lambda text: squeezed(text) != ""), as_bullet=st.booleans())
@example(text="1. a", as_bullet=False)
@example(text="12) a", as_bullet=True)
@example(text="     code", as_bullet=False)
@example(text="     code", as_bullet=True)
@example(text="- - -", as_bullet=False)
@example(text="+ a", as_bullet=True)
@example(text="# a", as_bullet=False)
@example(text="[a]: b", as_bullet=False)
def test_a_line_is_text_and_begins_nothing(text, as_bullet):
    block = Bullets(items=(text, "b")) if as_bullet else Paragraph(text=text)
    page = Document(title="t", subtitle="s", sections=(Section(title="h", blocks=(block,)),))

    found = [one for one in tokens_of(markdown.write(page)) if one.type == "inline"]

    assert squeezed(shown(found[3])) == squeezed(text)
    assert len(found) == 4 + as_bullet


@pytest.mark.parametrize("link", ["https://evil.example", "www.evil.example", "a@evil.example"])
def test_what_github_makes_a_link_of_is_none(link):
    written = markdown.escape(link)

    assert link not in written
    assert unescape(written) == link
