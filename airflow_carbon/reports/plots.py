"""Charts as SVG within a page, by matplotlib where it is there; the same input, the same SVG."""

from __future__ import annotations

import io
import re
from html import escape
from typing import TYPE_CHECKING, Any, Final

from airflow_carbon.core.document import visible

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from airflow_carbon.core.document import Chart

GREEN, INK, SOFT, LINE = "#2f855a", "#1d2733", "#5b6775", "#d7dde4"

LONGEST: Final = 34
"""Characters of a name; the table has all of it."""

SETTINGS: Final[Any] = {
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 9,
    "text.color": INK,
    "axes.labelcolor": SOFT,
    "axes.edgecolor": LINE,
    "xtick.color": SOFT,
    "ytick.color": SOFT,
}


def svg(chart: Chart, name: str) -> str | None:
    """Return a chart as an SVG element with title and description; None without matplotlib.

    ``name`` is its own within the page.
    """
    try:
        import matplotlib as mpl  # noqa: PLC0415 - not everybody has it, and it is costly
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ModuleNotFoundError:
        return None
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with mpl.rc_context({**SETTINGS, "svg.hashsalt": name}):
        height = 2.6 if chart.upright else 0.75 + 0.3 * len(chart.bars)
        figure = Figure(figsize=(8, height), layout="constrained")
        axes = figure.subplots()
        _upright(axes, chart) if chart.upright else _lying(axes, chart)
        axes.spines[["top", "right"]].set_visible(False)
        written = io.StringIO()
        figure.savefig(written, format="svg", metadata=nothing)
    return _element(written.getvalue(), chart, name)


def _upright(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.bars))
    axes.bar(places, [one.value for one in chart.bars], width=0.6, color=GREEN)
    axes.errorbar(
        places,
        [one.value for one in chart.bars],
        yerr=_errors(chart),
        fmt="none",
        ecolor=INK,
        elinewidth=1,
        capsize=3,
    )
    axes.set_xticks(places, _names(chart), parse_math=False)
    axes.set_xlim(-0.6, max(len(chart.bars), 4) - 0.4)
    axes.set_ylabel(chart.unit)
    axes.grid(axis="y", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def _lying(axes: Axes, chart: Chart) -> None:
    places = range(len(chart.bars))
    axes.barh(places, [one.value for one in chart.bars], height=0.6, color=GREEN)
    axes.errorbar(
        [one.value for one in chart.bars],
        places,
        xerr=_errors(chart),
        fmt="none",
        ecolor=INK,
        elinewidth=1,
        capsize=3,
    )
    axes.set_yticks(places, _names(chart), parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel(chart.unit)
    axes.grid(axis="x", color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)


def _errors(chart: Chart) -> list[list[float]]:
    return [
        [max(0.0, one.value - one.low) for one in chart.bars],
        [max(0.0, one.high - one.value) for one in chart.bars],
    ]


def _names(chart: Chart) -> list[str]:
    names = [visible(one.name) for one in chart.bars]
    return [name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…" for name in names]


def _element(text: str, chart: Chart, name: str) -> str:
    """Return the element alone, with what a screen reader says."""
    body = text[text.index("<svg") :].strip()
    about = (
        f'<title id="{name}-t">{escape(visible(chart.title))}</title>'
        f'<desc id="{name}-d">{escape(visible(chart.says))}</desc>'
    )
    labelled = f'<svg role="img" aria-labelledby="{name}-t {name}-d"'
    head, rest = re.sub(r"^<svg", labelled, body, count=1).split(">", 1)
    return f"{head}>{about}{rest}"
