"""The HTML of a document: text stays text, nothing is loaded, and who can't see it can read it."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_carbon.core.document import (
    Bar,
    Bullets,
    Chart,
    Document,
    Fact,
    Facts,
    Paragraph,
    Section,
    Table,
    visible,
)
from airflow_carbon.reports import page
from airflow_carbon.reports.plots import svg

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</title><script>alert('1')</script>\"&amp; $x^2$ \u202eevil"


class Reader(HTMLParser):
    """Collects the elements, and what stands in cells."""

    def __init__(self, text):
        super().__init__()
        self.elements, self.cells, self.attributes = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.attributes += [(tag, *one) for one in attrs]
        if tag in {"td", "th"}:
            self.cells.append("")

    def handle_data(self, data):
        if self.elements and self.elements[-1] in {"td", "th"} and self.cells:
            self.cells[-1] += data

    def handle_endtag(self, tag):
        self.elements.append(f"/{tag}")


def document_of(*blocks):
    return Document(title="t", subtitle="s", sections=(Section(title="h", blocks=blocks),))


def chart_of(*names, upright=False):
    bars = tuple(Bar(name=name, value=2.0, low=1.0, high=4.0) for name in names)
    return Chart(title=HOSTILE, says=HOSTILE, unit="kg", bars=bars, upright=upright)


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2), min_size=1, max_size=3))
@settings(max_examples=50)
def test_a_cell_is_what_was_put_into_it(rows):
    table = Table(caption="c", columns=("x", "y"), rows=tuple(map(tuple, rows)))

    found = Reader(page.write(document_of(table)))

    assert found.cells == ["x", "y", *(visible(cell) for row in rows for cell in row)]


def test_no_name_makes_an_element_or_an_attribute_wherever_it_stands():
    everywhere = document_of(
        Paragraph(text=HOSTILE, notice=True),
        Bullets(items=(HOSTILE,)),
        Facts(name=HOSTILE, facts=(Fact(label=HOSTILE, value=HOSTILE, detail=HOSTILE),)),
        Table(caption=HOSTILE, columns=(HOSTILE,), rows=((HOSTILE,),)),
        chart_of(HOSTILE),
        chart_of(HOSTILE, upright=True),
    )
    text = page.write(
        Document(title=HOSTILE, subtitle=HOSTILE, sections=everywhere.sections, closing=HOSTILE)
    )

    found = Reader(text)

    assert "script" not in found.elements
    assert not [one for one in found.attributes if one[1].startswith("on")]
    assert "\u202e" not in text


def test_nothing_is_loaded_from_anywhere():
    found = Reader(page.write(document_of(chart_of("a", "b"))))

    links = [value for _, name, value in found.attributes if name in {"src", "href", "xlink:href"}]
    assert all(link.startswith("#") for link in links)
    assert "link" not in found.elements
    policy = [value for _, name, value in found.attributes if name == "content"]
    assert "default-src 'none'; style-src 'unsafe-inline'" in policy


@pytest.mark.parametrize("upright", [True, False])
def test_a_chart_says_what_it_shows_and_shows_names_as_text(upright):
    chart = chart_of("$\\alpha_1$", "<b>", "x" * 99, upright=upright)
    drawn = ET.fromstring(svg(chart, "c1"))  # noqa: S314 - our own

    said = {one.get("id"): one.text for one in drawn if one.tag in {f"{SVG}title", f"{SVG}desc"}}
    assert drawn.get("role") == "img"
    assert drawn.get("aria-labelledby").split() == list(said)
    assert set(said.values()) == {visible(HOSTILE)}
    texts = ["".join(one.itertext()) for one in drawn.iter(f"{SVG}text")]
    assert {"$\\alpha_1$", "<b>", "x" * 33 + "…"} <= set(texts)


def test_charts_of_a_page_share_no_id():
    text = page.write(document_of(chart_of("a"), chart_of("a"), chart_of("b", upright=True)))
    named = re.findall(r' id="(c0-\d-[td]|s\d|m[0-9a-f]+|p[0-9a-f]+)"', text)

    assert len(named) == len(set(named))
    assert text == page.write(
        document_of(chart_of("a"), chart_of("a"), chart_of("b", upright=True))
    )


def test_without_matplotlib_one_sentence_stands_for_all_plots(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)

    text = page.write(document_of(chart_of("a"), chart_of("b")))

    assert text.count("airflow-carbon[dashboard]") == 1
    assert "<svg" not in text
