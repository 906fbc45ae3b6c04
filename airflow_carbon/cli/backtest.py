"""``airflow-carbon backtest``: what a policy would have emitted in the past."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from rich.progress import Progress
from rich.table import Table

from airflow_carbon import clock
from airflow_carbon.cli.airflow_runs import AirflowApi
from airflow_carbon.cli.figure import draw
from airflow_carbon.cli.forecast import place_of
from airflow_carbon.cli.past import past_of, span_of, zones_in
from airflow_carbon.cli.show import console, print_csv, print_json, read_policy
from airflow_carbon.core.backtest import Job, jobs_every, replay, summary
from airflow_carbon.core.errors import InvalidOptionError, ServiceUnavailableError
from airflow_carbon.core.flexibility import parse_duration, parse_instant
from airflow_carbon.core.policy import Policy

if TYPE_CHECKING:
    import argparse

    from airflow_carbon.core.backtest import Outcome, Past

DAY: Final = timedelta(days=1)


def run(options: argparse.Namespace) -> None:
    """Build the jobs, let each wait through the past, print what came of it.

    Raises:
        InputError: an option that can't be read.
        ServiceUnavailableError: nothing knows the past that was asked for.
    """
    jobs, past = _from_airflow(options) if options.from_airflow else _made_up(options)
    outcomes, left_out = _replay(jobs, past, quiet=options.json or options.csv)
    if not outcomes:
        cause = f"the actuals cover none of the {len(jobs)} jobs: give an earlier --until"
        raise ServiceUnavailableError("the past", cause)
    table = summary(outcomes)
    if options.plot:
        draw(Path(options.plot), outcomes, table, title=_title(options, outcomes))
    if options.json:
        origins = {zone: one.origin for zone, one in past.items()}
        print_json({"summary": _records(table), "left_out": left_out, "past": origins})
    elif options.csv:
        rows = _records(table)
        print_csv(list(rows[0]), [list(row.values()) for row in rows])
    else:
        _print(options, outcomes, table, left_out)
        for origin in sorted({one.origin for one in past.values()}):
            console().print(f"The past: {origin}.")


def policy_of(options: argparse.Namespace) -> Policy:
    """Return the policy that the options say: JSON, a class, a longest delay, or all together."""
    policy = read_policy(options.policy)
    if options.max_delay:
        policy &= Policy(max_delay=parse_duration("--max-delay", options.max_delay))
    return policy if policy.is_bounded else policy & Policy.read("delay_tolerant")


def _made_up(options: argparse.Namespace) -> tuple[list[Job], dict[str, Past]]:
    """Return a job of the stated length at each step of a raster, in each zone."""
    if not options.duration:
        raise InvalidOptionError("--duration", None, "write how long the job takes: 4h, 90m")
    zones = [str(place_of(one).zone) for one in options.zone.split(",")] if options.zone else None
    if zones is None and not options.actuals:
        raise InvalidOptionError("--zone", None, "write one or more: DE,FR or swedencentral")
    zones = zones or zones_in(options.actuals)
    begin, end = _span(options)
    past = past_of(options, zones, begin, end)
    first, last = span_of(past)
    if not options.since:
        begin = max(begin, first + DAY)
    policy = policy_of(options)
    jobs = [
        job
        for zone in zones
        for job in jobs_every(
            parse_duration("--every", options.every),
            begin=max(begin, first),
            end=min(end, last),
            zone=zone,
            duration=options.duration,
            policy=policy,
        )
    ]
    return jobs, past


def _from_airflow(options: argparse.Namespace) -> tuple[list[Job], dict[str, Past]]:
    """Return a job for each past run of a real Airflow, all in one zone."""
    if not options.zone or "," in options.zone:
        raise InvalidOptionError("--zone", options.zone, "write the one that your Airflow runs in")
    zone = str(place_of(options.zone).zone)
    api = AirflowApi(
        url=options.from_airflow,
        token=options.token,
        username=options.username,
        password=options.password,
    )
    begin, end = _span(options)
    policy = policy_of(options)
    jobs = [
        Job(
            name=run.dag_id,
            zone=zone,
            submitted=run.started_at,
            flex=policy.flexibility(submitted=run.started_at, duration=run.duration),
            policy=policy,
        )
        for run in api.runs(begin=begin, end=end, dag_id=options.dag)
    ]
    if not jobs:
        cause = f"no run that succeeded started between {begin:%F} and {end:%F}"
        raise ServiceUnavailableError("Airflow's API", cause)
    return jobs, past_of(options, [zone], min(job.submitted for job in jobs), end)


def _span(options: argparse.Namespace) -> tuple[datetime, datetime]:
    """Return from when to when jobs are asked for: the last four weeks, or all of a file."""
    now = clock.now()
    earliest = datetime.min.replace(tzinfo=now.tzinfo) if options.actuals else now - 28 * DAY
    begin = _instant("--since", options.since) if options.since else earliest
    return begin, _instant("--until", options.until) if options.until else now


def _instant(name: str, text: str) -> datetime:
    return parse_instant(name, text if "T" in text else f"{text}T00:00:00+00:00")


def _replay(jobs: list[Job], past: dict[str, Past], *, quiet: bool) -> tuple[list[Outcome], int]:
    screen = console(stderr=True)
    quiet = quiet or not screen.is_terminal
    with Progress(console=screen, transient=True, disable=quiet) as progress:
        waits = replay(jobs, past)
        done = list(progress.track(waits, total=len(jobs), description="replaying"))
    outcomes = [one for one in done if one is not None]
    return outcomes, len(done) - len(outcomes)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    records = table.reset_index().round(4).to_dict("records")
    return [{str(k): None if pd.isna(v) else v for k, v in row.items()} for row in records]


def _title(options: argparse.Namespace, outcomes: list[Outcome]) -> str:
    first, last = (pick(one.job.submitted for one in outcomes) for pick in (min, max))
    what = f"the runs of {options.from_airflow}" if options.from_airflow else options.duration
    return f"{what}, submitted {first:%F} to {last:%F}"


def _print(
    options: argparse.Namespace, outcomes: list[Outcome], table: pd.DataFrame, left_out: int
) -> None:
    screen, total = console(), table.iloc[-1]
    shown = Table(title=_title(options, outcomes), title_justify="left", box=None, pad_edge=False)
    shown.add_column("", no_wrap=True)
    for name in ("jobs", "delay [h]", "at once", "policy", "one shot", "hindsight", "captured"):
        shown.add_column(name, justify="right", no_wrap=True)
    for label, row in table.iterrows():
        mean = row["at_once_g"] / row["energy_kwh"]
        shown.add_row(
            str(label),
            f"{row['jobs']:.0f}",
            f"{row['mean_delay_h']:.1f}",
            f"{mean:.0f} g/kWh",
            *(f"{-row[f'{kind}_percent']:+.1f} %" for kind in ("saved", "one_shot", "hindsight")),
            "" if row["captured"] != row["captured"] else f"{100 * row['captured']:.0f} %",
        )
    screen.print(shown, "")
    policy, once, best = (
        _against(float(total[f"{kind}_percent"])) for kind in ("saved", "one_shot", "hindsight")
    )
    screen.print(
        f"The policy would have emitted {policy} than running at once; planning once, {once}; "
        f"hindsight, {best}."
    )
    if left_out:
        screen.print(f"{left_out} jobs are left out: the actuals do not cover them.")


def _against(saved_percent: float) -> str:
    """Say a saving as people do."""
    return f"{abs(saved_percent):.1f} % {'less' if saved_percent >= 0 else 'more'}"
