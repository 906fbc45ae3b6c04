"""``airflow-carbon forecast``: the intensity of one place, from now on."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from airflow_carbon import clock
from airflow_carbon.azure.regions import region
from airflow_carbon.cli.show import bar, console, print_csv, print_json
from airflow_carbon.core.errors import (
    InvalidOptionError,
    ServiceUnavailableError,
    UnknownRegionError,
)
from airflow_carbon.core.flexibility import Flexibility, parse_duration
from airflow_carbon.core.plan import Place, clock_text
from airflow_carbon.core.units import HOUR, ZoneKey
from airflow_carbon.core.window import best_window
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.window import Window

COLUMNS: Final = ("begin", "end", "g_per_kwh")


def run(options: argparse.Namespace) -> None:
    """Ask and print.

    Raises:
        InputError: a place, a length or a connection that can't be.
        ServiceUnavailableError: no source has an answer.
    """
    place = place_of(options.place)
    forecast, window = ask(place, options)
    if options.json:
        print_json(_as_dict(place, forecast, window))
    elif options.csv:
        print_csv(COLUMNS, [[step[name] for name in COLUMNS] for step in _steps(forecast)])
    else:
        _print(place, forecast, window)


def place_of(text: str) -> Place:
    """Return the place that is meant: an Azure region by name, otherwise a grid zone."""
    try:
        found = region(text)
    except UnknownRegionError:
        return Place(zone=text)
    return Place(zone=found.zone, region=found.name)


def hours_of(options: argparse.Namespace) -> timedelta:
    """Return how far ahead to look.

    Raises:
        InvalidOptionError: not a positive length, or over a fortnight.
    """
    if not 0 < options.hours <= 336:  # noqa: PLR2004 - a fortnight
        raise InvalidOptionError("--hours", options.hours, "write a number from 1 to 336")
    return timedelta(hours=options.hours)


def ask(place: Place, options: argparse.Namespace) -> tuple[Forecast, Window | None]:
    """Climb the ladder as a wait would; return the forecast, and the best window if asked for."""
    now, ahead = clock.now(), hours_of(options)
    duration = parse_duration("--duration", options.duration) if options.duration else None
    flex = Flexibility(duration=duration or min(HOUR, ahead), earliest=now, deadline=now + ahead)
    forecast = CarbonHook(options.conn_id or DEFAULT_CONN_ID).forecast(
        ZoneKey(place.zone), flex, strict=True
    )
    if forecast is None:
        raise ServiceUnavailableError("the ladder", f"no source has a forecast for {place}")
    if duration is None:
        return cut(forecast, now + ahead), None
    end = min(flex.deadline, forecast.series.ends)
    return cut(forecast, now + ahead), best_window(forecast.series, replace(flex, deadline=end))


def cut(forecast: Forecast, end: datetime) -> Forecast:
    """Return a forecast up to the step that holds an instant."""
    series = forecast.series
    steps = max(1, -(-(end - series.begins) // series.step))
    return replace(forecast, series=replace(series, g_per_kwh=series.g_per_kwh[:steps]))


def _steps(forecast: Forecast) -> list[dict[str, Any]]:
    series = forecast.series
    return [
        {
            "begin": (series.begins + i * series.step).isoformat(),
            "end": (series.begins + (i + 1) * series.step).isoformat(),
            "g_per_kwh": round(float(value), 3),
        }
        for i, value in enumerate(series.g_per_kwh)
    ]


def _as_dict(place: Place, forecast: Forecast, window: Window | None) -> dict[str, Any]:
    series = forecast.series
    found: dict[str, Any] = {
        "zone": place.zone,
        "region": place.region,
        "source": forecast.source,
        "quality": forecast.quality.value,
        "issued_at": forecast.issued_at.isoformat(),
        "signal": series.signal.value,
        "factor_type": series.factor_type.value,
        "steps": _steps(forecast),
    }
    if window is not None:
        found["window"] = {
            "start": window.start.isoformat(),
            "end": window.end.isoformat(),
            "mean_g_per_kwh": round(window.mean_g_per_kwh, 3),
        }
    return found


def _print(place: Place, forecast: Forecast, window: Window | None) -> None:
    screen = console()
    screen.print(plot(place, forecast, window))
    screen.print(origin(forecast))
    if window is not None:
        series = forecast.series
        now = series.mean(series.begins, series.begins + (window.end - window.start))
        less = 100 * (1 - window.mean_g_per_kwh / now) if now else 0.0
        screen.print(
            f"best window: {clock_text(window.start)} to {clock_text(window.end)}, "
            f"{window.mean_g_per_kwh:.0f} g/kWh, {less:.0f} % less than at once"
        )


def origin(forecast: Forecast) -> str:
    """Return where a forecast is from, and between what it lies."""
    values = forecast.series.g_per_kwh
    return (
        f"{forecast.source} ({forecast.quality}), issued {clock_text(forecast.issued_at)}; "
        f"from {values.min():.0f} to {values.max():.0f}, mean {values.mean():.0f}"
    )


def plot(place: Place, forecast: Forecast, window: Window | None) -> Table:
    """Return a line a step, with a bar; the steps of the window are marked."""
    series = forecast.series
    top = float(series.g_per_kwh.max())
    title = f"{place}: {series.signal} intensity in gCO2eq/kWh, {series.factor_type} factors"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("begins (UTC)")
    table.add_column("local time")
    table.add_column("g/kWh", justify="right")
    table.add_column("")
    for i, value in enumerate(series.g_per_kwh):
        begin = series.begins + i * series.step
        chosen = window is not None and begin < window.end and window.start < begin + series.step
        table.add_row(
            f"{begin:%a %d %H:%M}",
            f"{begin.astimezone():%a %d %H:%M}",
            f"{value:.0f}",
            bar(float(value), top, chosen=chosen),
        )
    return table
