"""A report in a form, as text, and in a file that appears whole or not at all."""

from __future__ import annotations

import json
import os
from contextlib import contextmanager
from enum import StrEnum
from secrets import token_hex
from typing import TYPE_CHECKING

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.report_document import document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from airflow_carbon.core.report import Report


class Form(StrEnum):
    """In what a report is written."""

    HTML = "html"
    MARKDOWN = "markdown"
    JSON = "json"


SUFFIXES = {".html": Form.HTML, ".htm": Form.HTML, ".md": Form.MARKDOWN, ".json": Form.JSON}


def form_of(file: Path) -> Form:
    """Return the form that the name of a file says; HTML where it says none."""
    return SUFFIXES.get(file.suffix.lower(), Form.HTML)


def written_as(report: Report, form: Form) -> str:
    """Return a report as text, of which the last line ends, too."""
    if form is Form.JSON:
        return json.dumps(report.as_dict(), indent=2, ensure_ascii=False) + "\n"
    from airflow_carbon.reports import markdown, page  # noqa: PLC0415 - plots take their time

    said = document(report)
    return page.write(said) if form is Form.HTML else markdown.write(said)


@contextmanager
def appearing(file: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a path beside the file to write at; at the end, without an error, it is the file.

    Raises:
        InvalidOptionError: the file is there and must not be replaced, or can't be written.
    """
    target = file.resolve()
    if target.exists() and not (replace and target.is_file()):
        remedy = "name another" if not target.is_file() else "name another, or write --replace"
        raise InvalidOptionError("FILE", str(file), f"it is there already: {remedy}")
    part = target.with_name(f".{target.name}.{token_hex(4)}")
    try:
        yield part
        with part.open("rb+") as written:
            os.fsync(written.fileno())
        part.replace(target)
    except OSError as exc:
        fault = f"it can't be written: {exc.strerror or exc}"
        raise InvalidOptionError("FILE", str(file), fault) from exc
    finally:
        part.unlink(missing_ok=True)
