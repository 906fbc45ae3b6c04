"""What the commands print with."""

from __future__ import annotations

import csv
import json
import os
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.text import Text

from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.core.policy import Policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

EIGHTHS: Final = " ▏▎▍▌▋▊▉"
WIDTH: Final = 40


WIDEST: Final = 4096
"""Columns that a table may take: what is printed does not depend on the terminal's width."""


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Leave it to the command line, which knows that its reader has had enough."""
        raise  # noqa: PLE0704 - rich calls this while it handles the error


def console(*, stderr: bool = False) -> Console:
    """Return the terminal; into a pipe, a file or where NO_COLOR is set without colours.

    What is printed on standard output is the same at every width; a progress bar on standard
    error keeps to the terminal's.
    """
    plain = bool(os.environ.get("NO_COLOR"))  # https://no-color.org
    return _Console(
        highlight=False,
        soft_wrap=True,
        stderr=stderr,
        color_system=None if plain else "auto",
        width=None if stderr else WIDEST,
    )


def bar(value: float, top: float, *, chosen: bool = False, width: int = WIDTH) -> Text:
    """Return a bar of blocks; green, and marked, where it is chosen."""
    eighths = round(8 * width * value / top) if top else 0
    blocks = "█" * (eighths // 8) + EIGHTHS[eighths % 8].strip()
    return Text(blocks + (" ◀" if chosen else ""), style="green" if chosen else "")


def read_policy(text: str | None) -> Policy:
    """Return the policy that was written: JSON, or a workload class.

    Raises:
        InputError: it can't be read.
    """
    try:
        value = json.loads(text) if text and text.lstrip().startswith("{") else text
    except ValueError as exc:
        remedy = "write a workload class, or a JSON object as docs/how-to/policies.md has it"
        raise InvalidOptionError("--policy", text, remedy) from exc
    return Policy.read(value)


def print_json(value: Any) -> None:
    """Print JSON on standard output."""
    json.dump(value, sys.stdout, indent=2)
    sys.stdout.write("\n")


def print_csv(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Print CSV with a header line on standard output."""
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
