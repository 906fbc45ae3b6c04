"""Draw a typical day of a grid with the window that a job would take: the README's picture.

python tools/plot_day.py docs/images/day.svg
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime, timedelta
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.dates import DateFormatter, HourLocator

from airflow_carbon.azure.regions import region
from airflow_carbon.core.flexibility import flexibility
from airflow_carbon.core.window import best_window
from airflow_carbon.services.calls import send
from airflow_carbon.services.typical import Typical

SUBMITTED = datetime(2026, 6, 8, 18, tzinfo=UTC)


def draw(file: Path, name: str = "westeurope") -> None:
    """Write the picture."""
    flex = flexibility(submitted=SUBMITTED, duration="4h", max_delay="20h")
    place = region(name)
    series = send(Typical().forecast(place.zone, now=SUBMITTED, until=flex.deadline)).series
    window = best_window(series, flex)
    at_once = series.mean(SUBMITTED, SUBMITTED + flex.duration)

    mpl.rcParams["svg.hashsalt"] = "airflow_carbon"
    figure, axes = plt.subplots(figsize=(8, 2.8), layout="constrained")
    rows = series.to_pandas()
    edges = [*rows.index, series.ends]
    axes.stairs(rows.to_numpy(), edges, color="#333333", linewidth=1.5)
    for begin, end, mean, colour, text in (
        (SUBMITTED, SUBMITTED + flex.duration, at_once, "#c0504d", "at once"),
        (window.start, window.end, window.mean_g_per_kwh, "#3a9a5b", "chosen"),
    ):
        axes.axvspan(begin, end, color=colour, alpha=0.25)
        middle = begin + (end - begin) / 2
        axes.text(middle, 40, f"{text}\n{mean:.0f} g/kWh", ha="center", color=colour, weight="bold")
    axes.axvline(flex.deadline, color="#333333", linestyle=":")
    axes.text(flex.deadline, series.g_per_kwh.max(), "deadline ", ha="right", va="top")
    axes.set_ylim(0)
    axes.set_xlim(SUBMITTED, flex.deadline + timedelta(minutes=20))
    axes.xaxis.set_major_locator(HourLocator(interval=3))
    axes.xaxis.set_major_formatter(DateFormatter("%H:%M", tz=UTC))
    axes.set_ylabel("gCO2eq/kWh")
    axes.set_title(
        f"A four-hour job in {name}, submitted at {SUBMITTED:%H:%M} UTC: "
        f"{100 * (window.mean_g_per_kwh / at_once - 1):+.0f} %",
        loc="left",
    )
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(file, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    draw(parser.parse_args().file)
