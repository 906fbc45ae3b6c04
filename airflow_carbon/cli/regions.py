"""``airflow-carbon regions``: Azure's regions, the cleanest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from airflow_carbon.azure.regions import select
from airflow_carbon.cli.forecast import ask
from airflow_carbon.cli.show import bar, console, print_csv, print_json
from airflow_carbon.core.errors import ServiceUnavailableError, UnknownZoneError
from airflow_carbon.core.plan import Place

if TYPE_CHECKING:
    import argparse

    from airflow_carbon.core.intensity import Forecast
    from airflow_carbon.core.region import Region

COLUMNS: Final = (
    "region", "geography", "country", "zone", "pue", "pue_is_published",
    "mean_g_per_kwh", "lowest_g_per_kwh", "g_per_it_kwh", "signal", "factor_type",
    "source", "quality",
)  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Ask for each zone once and print.

    Raises:
        InputError: a name that is neither region nor geography, or a connection that can't be.
    """
    options.duration = None
    forecasts: dict[str, Forecast | None] = {}
    rows = []
    for region in select(",".join(options.allowed)):
        if region.zone not in forecasts:
            forecasts[region.zone] = _forecast(region, options)
        rows.append(_row(region, forecasts[region.zone]))
    # average and marginal, lifecycle and direct don't compare: each kind is ranked by itself
    rows.sort(
        key=lambda row: (
            row["g_per_it_kwh"] is None,
            row["signal"] or "",
            row["factor_type"] or "",
            row["g_per_it_kwh"] or 0,
        )
    )
    if options.json:
        print_json(rows)
    elif options.csv:
        print_csv(COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    else:
        _print(rows, options.hours)


def _forecast(region: Region, options: argparse.Namespace) -> Forecast | None:
    try:
        return ask(Place(zone=region.zone, region=region.name), options)[0]
    except (ServiceUnavailableError, UnknownZoneError):
        return None


def _row(region: Region, forecast: Forecast | None) -> dict[str, Any]:
    mean = float(forecast.series.g_per_kwh.mean()) if forecast else None
    return {
        "region": region.name,
        "geography": region.geography,
        "country": region.country,
        "zone": region.zone,
        "pue": region.pue_or_default,
        "pue_is_published": region.pue is not None,
        "mean_g_per_kwh": None if mean is None else round(mean, 1),
        "lowest_g_per_kwh": round(float(forecast.series.g_per_kwh.min()), 1) if forecast else None,
        "g_per_it_kwh": None if mean is None else round(mean * region.pue_or_default, 1),
        "signal": forecast.series.signal.value if forecast else None,
        "factor_type": forecast.series.factor_type.value if forecast else None,
        "source": forecast.source if forecast else None,
        "quality": forecast.quality.value if forecast else None,
    }


def _print(rows: list[dict[str, Any]], hours: float) -> None:
    table = Table(
        title=f"g per kWh of a job, PUE included: mean of the next {hours:g} h",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    for name in ("region", "zone"):
        table.add_column(name, no_wrap=True)
    for name in ("g/kWh", "lowest", "PUE", "of a job"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    top = max((row["g_per_it_kwh"] for row in rows if row["g_per_it_kwh"] is not None), default=1)
    for row in rows:
        known = row["g_per_it_kwh"] is not None
        table.add_row(
            row["region"],
            row["zone"],
            f"{row['mean_g_per_kwh']:.0f}" if known else "unknown",
            f"{row['lowest_g_per_kwh']:.0f}" if known else "",
            f"{row['pue']:.2f}{'' if row['pue_is_published'] else '*'}",
            f"{row['g_per_it_kwh']:.0f}" if known else "",
            bar(row["g_per_it_kwh"], top, width=18) if known else "",
        )
    screen = console()
    screen.print(table)
    sources = sorted({f"{row['source']} ({row['quality']})" for row in rows if row["source"]})
    kinds = sorted({f"{row['signal']} {row['factor_type']}" for row in rows if row["source"]})
    if len(kinds) > 1:
        screen.print(f"{' and '.join(kinds)} intensities don't compare: each is ranked by itself")
    screen.print(f"from {', '.join(sources) or 'no source'}; * no published PUE: the default")
