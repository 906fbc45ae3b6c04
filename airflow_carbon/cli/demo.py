"""``airflow-carbon demo``: the main job on a real Airflow, with no account, key or network."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import sys
import tempfile
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

from rich.markup import escape

from airflow_carbon import clock
from airflow_carbon.cli.demo_airflow import DAG_ID, Home, end_children
from airflow_carbon.cli.demo_grid import REGIONS, Grid, facts
from airflow_carbon.cli.show import console, print_json
from airflow_carbon.core.errors import InvalidOptionError
from airflow_carbon.ledger.rows import ENTRY, values_of
from airflow_carbon.ledger.store import Ledger

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable

    from rich.console import Console

    from airflow_carbon.ledger.entry import Entry

STARTING: Final = timedelta(seconds=10)
"""About how long Airflow takes from its start to the first task: then it shall be evening."""


def run(options: argparse.Namespace) -> None:
    """Run the demo's DAG, saying what happens, and show what the ledger knows of it.

    Interrupted on the way, it ends what it started, and a temporary folder is gone.

    Raises:
        InvalidOptionError: a folder that has something in it.
        DemoFailedError: Airflow did not do what was asked.
    """
    if not 0.1 <= options.hour_seconds <= 3600:  # noqa: PLR2004 - as long as an hour
        raise InvalidOptionError("--hour-seconds", options.hour_seconds, "write 0.1 to 3600")
    grid = Grid.of(None, timedelta(seconds=options.hour_seconds))
    folder = _folder(options.home)
    signal.signal(signal.SIGTERM, _interrupt)
    screen = console(stderr=options.json)
    try:
        entry = _show(folder, grid, screen)
        if options.json:
            print_json({"home": str(folder), "run": _plain(entry)})
            sys.stdout.flush()
        if options.ui:
            _serve(folder, grid, screen)
    except BaseException:
        end_children()
        if options.home is None:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


def _folder(text: str | None) -> Path:
    if text is None:
        return Path(tempfile.mkdtemp(prefix="airflow-carbon-demo-"))
    folder = Path(text).expanduser().resolve()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidOptionError("--home", text, "name a folder that is empty, or not there yet")
    return folder


def _show(folder: Path, grid: Grid, screen: Console) -> Entry:
    screen.print(f"An Airflow in {escape(str(folder))}: its database is made ...")
    began = clock.now()
    home = _home(folder, grid, began)
    home.prepare()
    for _ in home.run("db", "migrate"):
        pass
    screen.print(
        f"[bold]{DAG_ID}[/bold] runs: two hours of work, anywhere in {REGIONS}, begun within "
        f"24 h. A typical day is replayed, an hour in {grid.hour.total_seconds():g} s.\n"
    )
    began = clock.now() + STARTING
    home = _home(folder, grid, began)
    _follow(home.run("dags", "test", DAG_ID), grid, began, screen)
    with Ledger.open(f"sqlite:///{folder / 'carbon.db'}") as ledger:
        (entry,) = ledger.recent(limit=1)
    screen.print("\n[bold]What the ledger says[/bold]")
    for name, value in facts(entry, grid, began):
        screen.print(f"  [bold]{name:<12}[/bold]{escape(value)}")
    where = escape(str(folder))
    screen.print(
        f"\nThe work ran on this machine, priced as if it ran in {entry.region}.\n"
        f"The DAG:        {where}/dags/{DAG_ID}.py\n"
        f"The ledger:     AIRFLOW_HOME={where} airflow-carbon ledger export runs.csv\n"
        f"Airflow's log:  {where}/demo.log\n"
        f"With its page:  airflow-carbon demo --ui\n"
        f"When done:      rm -r {where}"
    )
    return entry


def _home(folder: Path, grid: Grid, began: datetime) -> Home:
    connection = {"conn_type": "carbon", "extra": grid.connection(began)}
    return Home(
        folder=folder,
        env={
            "CARBON_DEMO_HOUR_SECONDS": str(grid.hour.total_seconds()),
            "AIRFLOW_CONN_CARBON_DEFAULT": json.dumps(connection),
        },
    )


def _follow(lines: Iterable[dict[str, Any]], grid: Grid, began: datetime, screen: Console) -> None:
    """Print which task runs, and what ours say."""
    for line in lines:
        event, logger = str(line.get("event")), str(line.get("logger"))
        stamp = grid.clock(clock.now(), began)
        if found := _STARTING.match(event):
            screen.print(f"[cyan]{stamp}[/cyan]  [bold]{escape(found[1])}[/bold]")
        elif "airflow_carbon." in logger and line.get("level") in _SAID:
            screen.print(f"[cyan]{stamp}[/cyan]    {escape(grid.told(event, began))}")


_STARTING: Final = re.compile(r"\[DAG TEST\] starting task_id=(\w+)")
_SAID: Final = {"info", "warning", "error"}


def _plain(entry: Entry) -> dict[str, Any]:
    """Return a run as JSON has it."""
    row = values_of(entry.key) | {name: getattr(entry, name) for name in ENTRY}
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in row.items()
    }


def _serve(folder: Path, grid: Grid, screen: Console) -> None:
    """Serve Airflow's own page on loopback until Ctrl-C, which is then how it is meant to end."""
    port = _free_port()
    url = f"http://127.0.0.1:{port}"
    own = {
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": url,
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
        "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(_free_port()),
        "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(_free_port()),
    }
    env = {**_home(folder, grid, clock.now()).env, **own}
    screen.print(f"\nAirflow's page, without a login: {url} (in half a minute; Ctrl-C ends it all)")
    with suppress(KeyboardInterrupt):
        for _ in Home(folder=folder, env=env).run("standalone"):
            pass
    screen.print(f"Airflow has ended; {escape(str(folder))} stays")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
