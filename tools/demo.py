"""``make demo``: the main job on a real Airflow, with a day of the grid in two minutes."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from azure_stand_in import start_azure
from processes import stop_in
from rich.console import Console
from rich.table import Table
from standalone import AirflowFailedError, Standalone

from airflow_carbon import clock
from airflow_carbon.cli.demo_grid import Grid, facts
from airflow_carbon.core.errors import CarbonError
from airflow_carbon.ledger.store import Ledger

if TYPE_CHECKING:
    from datetime import datetime

    from airflow_carbon.ledger.entry import Entry

ROOT = Path(__file__).resolve().parents[1]
HOME = ROOT / ".demo"
DAG_ID = "carbon_demo"

HOUR_S = 5
"""How long an hour of the grid takes in the demo [s]."""


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
        grid = Grid.of(options.replay, timedelta(seconds=HOUR_S))
        return _demo(grid, console, keep=options.keep)
    except (CarbonError, AirflowFailedError) as exc:
        console.print(f"[red]{exc}[/red]")
        return 1
    except KeyboardInterrupt:
        console.print("interrupted: everything that was started has been ended")
        return 130


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


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
                self._say(f"    {self.grid.told(line, self.began)}", dim=True)

    def _say(self, text: str, *, dim: bool = False) -> None:
        stamp = self.grid.clock(clock.now(), self.began)
        self.console.print(f"[cyan]{stamp}[/cyan]  {text}", style="dim" if dim else None)


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
    for name, value in facts(entry, grid, began):
        table.add_row(name, value)
    console.print()
    console.print(table)
    console.print(f"the ledger: {HOME / 'carbon.db'}, tables carbon_run and carbon_interval")


if __name__ == "__main__":
    sys.exit(main())
