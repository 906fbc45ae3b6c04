"""``make demo``: the main job on a real Airflow, with a day of the grid in two minutes."""

from __future__ import annotations

import argparse
import re
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from azure_stand_in import start_azure
from processes import stop_in
from rich.console import Console
from rich.table import Table
from standalone import AirflowFailedError, Standalone

from airflow_carbon import clock
from airflow_carbon.azure.regions import select
from airflow_carbon.core.errors import CarbonError
from airflow_carbon.ledger.store import Ledger
from airflow_carbon.services.replay import TYPICAL_YEAR, read_series

if TYPE_CHECKING:
    from airflow_carbon.ledger.entry import Entry

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".demo"
DAG_ID = "carbon_demo"
REGIONS = "westeurope, northeurope, uksouth, germanywestcentral, spaincentral"
DEFAULT_REGION = "westeurope"

HOUR_S = 5
"""How long an hour of the grid takes in the demo [s]."""

EVENING = 18
"""The hour of the grid's day at which the demo begins: the sun is gone."""

HOUR = timedelta(hours=1)


def main() -> int:
    """Run the demo; return 0 where its run succeeded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave Airflow running afterwards")
    parser.add_argument("--stop", action="store_true", help="end an Airflow that was left running")
    parser.add_argument(
        "--replay", type=Path, help="CSV or Parquet: instants, a column a grid zone"
    )
    options = parser.parse_args()
    console = Console(soft_wrap=True, highlight=False)
    if options.stop:
        console.print("stopped" if stop_in(HOME) else "nothing was running")
        return 0
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGHUP, _interrupt)
    try:
        grid = Grid.of(options.replay)
        return _demo(grid, console, keep=options.keep)
    except (CarbonError, AirflowFailedError) as exc:
        console.print(f"[red]{exc}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted: everything that was started has been ended")
        return 130


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


@dataclass(frozen=True, kw_only=True)
class Grid:
    """The series that is replayed, and the regions whose zones it knows."""

    file: Path | None
    begins: datetime
    regions: str

    @classmethod
    def of(cls, file: Path | None) -> Grid:
        """Look into a file, or take the bundled typical year."""
        if file is None:
            return cls(file=None, begins=TYPICAL_YEAR, regions=REGIONS)
        file = file.expanduser().resolve()
        columns = read_series(file)
        everywhere = [region for region in select("all") if region.zone in columns]
        usual = [region for region in select(REGIONS) if region.zone in columns]
        chosen = usual if len(usual) > 1 else everywhere
        return cls(
            file=file,
            begins=next(iter(columns.values())).begins,
            regions=", ".join(region.name for region in chosen) or REGIONS,
        )

    @property
    def first_evening(self) -> datetime:
        """The first evening of the series."""
        return self.begins + (EVENING - self.begins.hour) % 24 * HOUR

    def connection(self, now: datetime) -> dict[str, Any]:
        """Return the fields of a connection for which it is that evening now."""
        begun = now - (self.first_evening - self.begins) / HOUR * timedelta(seconds=HOUR_S)
        fields = {
            "sources": "replay",
            "replay_speed": HOUR / timedelta(seconds=HOUR_S),
            "replay_starts_at": begun.isoformat(),
            "default_region": DEFAULT_REGION,
        }
        return fields if self.file is None else {**fields, "replay_file": str(self.file)}

    def clock(self, at: datetime, began: datetime) -> str:
        """Return the grid's day and hour at an instant of the demo."""
        moment = self.first_evening + (at - began) / timedelta(seconds=HOUR_S) * HOUR
        return f"{moment:%a %H:%M}"


def _demo(grid: Grid, console: Console, *, keep: bool) -> int:
    if stop_in(HOME):
        console.print("ended the Airflow that an earlier demo had left running")
    shutil.rmtree(HOME, ignore_errors=True)
    console.print("starting Airflow (scheduler, dag-processor, triggerer, api-server) ...")
    dags = HOME / "dags"
    dags.mkdir(parents=True)
    for name in (f"{DAG_ID}.py", "training", ".airflowignore"):
        (dags / name).symlink_to(ROOT / "dags" / name)
    env = {
        "CARBON_DEMO_HOUR_SECONDS": str(HOUR_S),
        "CARBON_DEMO_REGIONS": grid.regions,
        "AIRFLOW_CONN_CARBON_LEDGER": "",
        **start_azure(HOME),
    }
    airflow = Standalone(home=HOME, dags=dags, env=env)
    with airflow:
        console.print(f"Airflow is healthy at {airflow.url}")
        airflow.until(lambda: airflow.has_dag(DAG_ID), 120, f"there is no DAG {DAG_ID}")
        began = clock.now()
        airflow.connect("carbon_default", **grid.connection(began))
        console.print(
            f"\n[bold]{DAG_ID}[/bold]: two hours of training, anywhere in {grid.regions}, begun "
            "within 24 h, in a stand-in for Azure.\n"
            f"An hour of the grid takes {HOUR_S} s here: it is {grid.clock(began, began)}, and "
            f"{grid.file or 'a typical week'} is replayed.\n"
        )
        run_id = airflow.trigger(DAG_ID)
        state = Progress(airflow, grid, console, run_id, began).follow()
        if state != "success":
            return 1
        with Ledger.open(f"sqlite:///{HOME / 'carbon.db'}") as ledger:
            (entry,) = ledger.recent(limit=1)
        _report(entry, grid, began, console)
        if keep:
            console.print(f"Airflow goes on at {airflow.url} (no login); `make stop` ends it")
            airflow.leave()
        else:
            console.print("Airflow has been ended; `make demo KEEP=1` leaves it up to look around")
    return 0


@dataclass
class Progress:
    """Says what happens while it happens."""

    airflow: Standalone
    grid: Grid
    console: Console
    run_id: str
    began: datetime
    states: dict[str, str | None] = field(default_factory=dict)
    said: set[str] = field(default_factory=set)

    def follow(self, patience_s: float = 600) -> str:
        """Follow a run to its end and return its state."""
        end = time.monotonic() + patience_s
        while True:
            state: str = self.airflow.dag_run(DAG_ID, self.run_id)["state"]
            self._look()
            if state in {"success", "failed"}:
                return state
            if time.monotonic() > end:
                message = f"the run did not end in {patience_s:.0f} s; see {self.airflow.log_file}"
                raise AirflowFailedError(message)
            time.sleep(1)

    def _look(self) -> None:
        order = ["choose_region", "wait", "train", "account"]
        tasks = {t["task_id"]: t for t in self.airflow.task_instances(DAG_ID, self.run_id)}
        for name in order:
            state = tasks[name]["state"]
            if self.states.get(name) != state:
                self.states[name] = state
                if state in {"running", "deferred", "success", "failed", "up_for_retry"}:
                    self._say(f"[bold]{name}[/bold] {_STATES.get(state, state)}")
            if state in {"deferred", "running", "success", "failed"}:
                self._sentences(name, failed=state == "failed")

    def _sentences(self, name: str, *, failed: bool) -> None:
        for line in self.airflow.log(DAG_ID, self.run_id, name):
            if line not in self.said and (failed or any(mark in line for mark in _WORTH_SAYING)):
                self.said.add(line)
                self._say(f"    {_INSTANT.sub(self._on_the_grid, line)}", dim=True)

    def _on_the_grid(self, match: re.Match[str]) -> str:
        return self.grid.clock(datetime.fromisoformat(match[0]), self.began)

    def _say(self, text: str, *, dim: bool = False) -> None:
        stamp = self.grid.clock(clock.now(), self.began)
        self.console.print(f"[cyan]{stamp}[/cyan]  {text}", style="dim" if dim else None)


_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d(:\d\d)?Z")
_STATES = {"deferred": "waits in the triggerer, with no worker", "running": "runs on a worker"}
_WORTH_SAYING = (
    ": waits to ",
    ": starts now, ",
    "g per kWh of the job",
    "carbon-",
    "CO2eq between",
)


def _report(entry: Entry, grid: Grid, began: datetime, console: Console) -> None:
    """Print what the ledger knows of the run."""
    table = Table(title="What the ledger says", show_header=False, title_justify="left")
    table.add_column(style="bold")
    table.add_column()
    for name, value in _facts(entry, grid, began):
        table.add_row(name, value)
    console.print()
    console.print(table)
    console.print(f"the ledger: {HOME / 'carbon.db'}, tables carbon_run and carbon_interval")


def _facts(entry: Entry, grid: Grid, began: datetime) -> list[tuple[str, str]]:
    start, end = (grid.clock(at, began) for at in (entry.started_at, entry.ended_at))
    bounds = f"{_mg(entry.emissions_low_g)} and {_mg(entry.emissions_high_g)}"
    facts = [
        ("region", f"{entry.region} ({entry.zone}), PUE {entry.pue:g} ({entry.pue_source})"),
        ("ran", f"{start} to {end} of the grid's time"),
        ("energy", f"{entry.energy_j:.1f} J = {entry.energy_j / 3600:.4f} Wh"),
        ("obtained by", f"{entry.energy_method}, {entry.coverage:.0%} of the time known"),
        ("emissions", f"{_mg(entry.emissions_g)} CO2eq, between {bounds}"),
        ("intensity", f"{entry.intensity_mean_g_per_kwh or 0:.0f} g/kWh, {entry.intensity_source}"),
    ]
    if entry.planned_g_per_kwh is not None:
        facts.append(("promised", f"{entry.planned_g_per_kwh:.0f} g/kWh ({entry.plan_reason})"))
    if entry.baseline_g is None or entry.delta_g is None:
        return [*facts, ("baseline", f"unknown: {entry.baseline_method}")]
    percent = "" if entry.delta_percent is None else f" ({entry.delta_percent:+.0f} %)"
    return [
        *facts,
        ("baseline", f"{_mg(entry.baseline_g)} at once in {entry.baseline_region}"),
        ("difference", f"{_mg(entry.delta_g, signed=True)}{percent}"),
    ]


def _mg(grams: float, *, signed: bool = False) -> str:
    return f"{grams * 1000:{'+' if signed else ''}.2f} mg"


if __name__ == "__main__":
    sys.exit(main())
