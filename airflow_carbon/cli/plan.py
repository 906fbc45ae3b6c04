"""``airflow-carbon plan``: the region and the window in which a job would emit least."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.table import Table

from airflow_carbon import clock
from airflow_carbon.azure.regions import resident
from airflow_carbon.cli.forecast import cut, origin, plot
from airflow_carbon.cli.show import bar, console, print_csv, print_json, read_policy
from airflow_carbon.core.auto import Auto, Question
from airflow_carbon.core.errors import InvalidOptionError, ServiceUnavailableError
from airflow_carbon.core.estimate import STATED
from airflow_carbon.core.flexibility import parse_duration
from airflow_carbon.core.placement import rank
from airflow_carbon.core.plan import Place, clock_text
from airflow_carbon.hooks.carbon import DEFAULT_CONN_ID, CarbonHook
from airflow_carbon.hooks.past_runs import answer

if TYPE_CHECKING:
    import argparse

    from airflow_carbon.core.flexibility import Flexibility
    from airflow_carbon.core.placement import Placement

COLUMNS: Final = (
    "region", "zone", "start", "end", "mean_g_per_kwh", "pue", "g_per_it_kwh",
    "at_once_g_per_it_kwh", "source", "quality",
)  # fmt: skip


def run(options: argparse.Namespace) -> None:
    """Ask for each zone once, rank, and print.

    Raises:
        InputError: a name, a length or a connection that can't be; a job that does not fit.
        ServiceUnavailableError: no source knows any of the regions.
    """
    now = clock.now()
    within = parse_duration("--within", options.within) if options.within else None
    policy = read_policy(options.policy)
    if within is None and not policy.is_bounded:
        remedy = "say how soon it must have ended (24h), or give a --policy that does"
        raise InvalidOptionError("--within", None, remedy)
    hook = CarbonHook(options.conn_id or DEFAULT_CONN_ID)
    asked = _question(options)
    learned = answer(asked, hook).duration if asked else None
    flex = policy.flexibility(
        submitted=now,
        duration=learned.value if learned else parse_duration("--duration", options.duration),
        deadline=None if within is None else now + within,
    )
    regions = resident(options.region, options.residency)
    zones = {region.zone for region in regions}
    known = {zone: hook.forecast(zone, flex, strict=True) for zone in sorted(zones)}
    placements, left_out = rank({region: known[region.zone] for region in regions}, flex)
    if not placements:
        raise ServiceUnavailableError("the ladder", "no source has a forecast for any of them")
    rows = [_row(place, flex) for place in placements]
    if options.json:
        print_json(
            {
                "duration": str(flex.duration),
                "duration_from": learned.origin if learned else STATED,
                "placements": rows,
                "left_out": {str(region.name): why for region, why in left_out.items()},
            }
        )
    elif options.csv:
        print_csv(COLUMNS, [[row[name] for name in COLUMNS] for row in rows])
    else:
        if learned:
            console().print(f"the job takes {learned.value}: {learned.origin}")
        _print(placements, rows, flex)
        for region, why in left_out.items():
            console().print(f"{region.name} is left out: {why}")


def _question(options: argparse.Namespace) -> Question | None:
    """Return what is for past runs to tell.

    Raises:
        InputError: nobody says whose; no fallback.
    """
    unknown = Auto.read("duration", options.duration)
    if unknown is None:
        return None
    unknown.check()
    if not options.learn_from:
        remedy = "say whose past runs tell the duration: --learn-from nightly/train"
        raise InvalidOptionError("--learn-from", None, remedy)
    return Question.read(duration=options.duration, energy_kwh=None, learn_from=options.learn_from)


def _row(place: Placement, flex: Flexibility) -> dict[str, Any]:
    series, pue = place.forecast.series, place.region.pue_or_default
    end = flex.earliest + flex.duration
    at_once = series.mean(flex.earliest, end) * pue if series.covers(flex.earliest, end) else None
    return {
        "region": place.region.name,
        "zone": place.region.zone,
        "start": place.window.start.isoformat(),
        "end": place.window.end.isoformat(),
        "mean_g_per_kwh": round(place.window.mean_g_per_kwh, 3),
        "pue": pue,
        "g_per_it_kwh": round(place.g_per_it_kwh, 3),
        "at_once_g_per_it_kwh": None if at_once is None else round(at_once, 3),
        "source": place.forecast.source,
        "quality": place.forecast.quality.value,
    }


def _print(placements: list[Placement], rows: list[dict[str, Any]], flex: Flexibility) -> None:
    best, top = placements[0], rows[-1]["g_per_it_kwh"]
    screen = console()
    screen.print(_sentence(best, rows) + "\n")
    table = Table(
        title="g per kWh of the job, PUE included", title_justify="left", box=None, pad_edge=False
    )
    for name in ("region", "zone", "begins (UTC)"):
        table.add_column(name, no_wrap=True)
    for name in ("of the job", "at once"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for place, row in zip(placements, rows, strict=True):
        at_once = row["at_once_g_per_it_kwh"]
        table.add_row(
            row["region"],
            row["zone"],
            f"{place.window.start:%a %d %H:%M}",
            f"{place.g_per_it_kwh:.0f}",
            "" if at_once is None else f"{at_once:.0f}",
            bar(place.g_per_it_kwh, top, chosen=place is best, width=16),
        )
    screen.print(table, "")
    where = Place(zone=best.region.zone, region=best.region.name)
    forecast = cut(best.forecast, flex.deadline)
    screen.print(plot(where, forecast, best.window))
    screen.print(origin(forecast))


def _sentence(best: Placement, rows: list[dict[str, Any]]) -> str:
    text = (
        f"{best.region.name} ({best.region.zone}) from {clock_text(best.window.start)} to "
        f"{clock_text(best.window.end)}: {best.g_per_it_kwh:.0f} g per kWh of the job"
    )
    at_once = rows[0]["at_once_g_per_it_kwh"]
    if at_once:
        text += f", {100 * (1 - best.g_per_it_kwh / at_once):.0f} % less than there at once"
    if len(rows) > 1:
        text += f"; the runner-up is {rows[1]['region']} with {rows[1]['g_per_it_kwh']:.0f}"
    return text
