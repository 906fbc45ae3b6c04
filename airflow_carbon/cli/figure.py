"""A backtest as a picture: PNG, or HTML with the table beside it."""

from __future__ import annotations

import html
import io
from typing import TYPE_CHECKING, Final

from airflow_carbon.core.errors import InvalidOptionError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from airflow_carbon.core.backtest import Outcome

BARS: Final = {
    "one_shot_percent": ("planned once", "#9aa5b1"),
    "saved_percent": ("this policy", "#2f855a"),
    "hindsight_percent": ("with hindsight", "#c6e6d0"),
}

PAGE: Final = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<style>body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; }}
table {{ border-collapse: collapse; }} td, th {{ padding: .2rem .7rem; text-align: right; }}
svg {{ max-width: 100%; height: auto; }}</style></head>
<body><h1>{title}</h1>{svg}{table}</body></html>
"""


def draw(file: Path, outcomes: list[Outcome], table: pd.DataFrame, *, title: str) -> None:
    """Write the picture; the file's suffix says in which form.

    Raises:
        InvalidOptionError: another suffix, matplotlib is missing, or it can't be written.
    """
    suffix = file.suffix.lower()
    if suffix not in {".png", ".html"}:
        raise InvalidOptionError("--plot", str(file), "write a name that ends in .png or .html")
    try:
        figure = _figure(outcomes, table, title)
    except ImportError as exc:
        remedy = "plots need matplotlib: pip install 'airflow-carbon[dashboard]'"
        raise InvalidOptionError("--plot", str(file), remedy) from exc
    try:
        if suffix == ".png":
            figure.savefig(file, dpi=150)
        else:
            file.write_text(_page(figure, table, title), encoding="utf-8")
    except OSError as exc:
        raise InvalidOptionError("--plot", str(file), f"it can't be written: {exc}") from exc


def _figure(outcomes: list[Outcome], table: pd.DataFrame, title: str) -> Figure:
    from matplotlib.figure import Figure  # noqa: PLC0415 - not everybody has it

    figure = Figure(figsize=(9, 3.2 + 0.35 * len(table)), layout="constrained")
    above, below = figure.subplots(2, 1, height_ratios=[len(table) + 1, 4])
    figure.suptitle(title)
    names = [str(name) for name in table.index]
    for i, (column, (label, colour)) in enumerate(BARS.items()):
        places = [row + (i - 1) * 0.27 for row in range(len(names))]
        above.barh(places, table[column], height=0.25, color=colour, label=label)
    above.set_yticks(range(len(names)), names)
    above.invert_yaxis()
    above.set_xlabel("less than at once [%]")
    above.legend(loc="lower right", frameon=False)
    delays = [(one.start - one.job.flex.earliest).total_seconds() / 3600 for one in outcomes]
    below.hist(delays, bins=24, color=BARS["saved_percent"][1])
    below.set_xlabel("delay [h]")
    below.set_ylabel("jobs")
    return figure


def _page(figure: Figure, table: pd.DataFrame, title: str) -> str:
    picture = io.StringIO()
    figure.savefig(picture, format="svg")
    svg = picture.getvalue()
    return PAGE.format(
        title=html.escape(title),
        svg=svg[svg.index("<svg") :],
        table=table.round(2).to_html(border=0),
    )
