"""The README and the pages of the docs, and the blocks of code in them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
KINDS = ("tutorial", "how-to", "reference", "explanation")  # of Diataxis
PAGES = [ROOT / "README.md", *sorted(page for kind in KINDS for page in (DOCS / kind).glob("*.md"))]


def blocks_in(language):
    """Return every block of a language: a name for it, and what it says."""
    return [
        (f"{page.stem}-{number}", block)
        for page in PAGES
        for number, block in enumerate(
            re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE)
        )
    ]


def commands_of(block):
    """Return the words of each of our own commands in a block of shell."""
    lines = re.sub(r"\\\n(> )?", " ", block).splitlines()
    plain = (line.strip().removeprefix("$ ") for line in lines)
    return [
        shlex.split(line.split(" | ")[0], comments=True)[1:]
        for line in plain
        if line.startswith("airflow-carbon ")
    ]
