"""The options of the commands that try out and check an installation, and of the agent."""

from __future__ import annotations

from airflow_carbon.cli.options import Commands, add_command, add_json


def add_doctor(commands: Commands) -> None:
    """Add ``doctor``."""
    command = add_command(
        commands,
        "doctor",
        says="check this installation, and say what to mend",
        description=(
            "Check what carbon-aware DAGs need on this machine: Airflow and this provider in it, "
            "the connections and their keys, how far forecasts reach, the ledger, the GPUs' energy "
            "counters, the triggerer, the clock. Nothing is changed."
        ),
        examples="""
airflow-carbon doctor
airflow-carbon doctor --conn-id carbon_default --region swedencentral
airflow-carbon doctor --airflow-url http://localhost:8080 --azure-conn-id azure_default
airflow-carbon doctor --json""",
        more="exit status: 0 all is well, or warnings; 1 something fails; 2 wrong usage",
    )
    command.add_argument(
        "--conn-id", action="append", default=[], metavar="CONN_ID",
        help="a connection of type carbon; may be repeated (default: all that Airflow knows)",
    )  # fmt: skip
    place = command.add_mutually_exclusive_group()
    place.add_argument("--region", help="ask for this Azure region's forecast")
    place.add_argument("--zone", help="ask for this grid zone's forecast")
    command.add_argument("--ledger-conn-id", default="carbon_ledger", help="the ledger's")
    command.add_argument("--azure-conn-id", help="log in to Azure by this connection, too")
    command.add_argument(
        "--airflow-url", metavar="URL",
        help="ask this Airflow's API for its triggerer, instead of Airflow's database",
    )  # fmt: skip
    add_json(command)


def add_demo(commands: Commands) -> None:
    """Add ``demo``."""
    command = add_command(
        commands,
        "demo",
        says="see it work in a minute: no account, no key, no network",
        description=(
            "Run a DAG on a real Airflow in a folder of its own: it chooses a region, waits for "
            "its cleanest hours, works under the measuring agent and writes what that emitted to "
            "a ledger. A typical day of the grid is replayed, an hour in two seconds; the work is "
            "done on this machine, and priced as if it ran in that region."
        ),
        examples="""
airflow-carbon demo
airflow-carbon demo --home ~/carbon-demo
airflow-carbon demo --ui
airflow-carbon demo --json""",
    )
    command.add_argument(
        "--home", metavar="FOLDER",
        help="AIRFLOW_HOME of the demo, absent or empty (default: a new temporary one)",
    )  # fmt: skip
    command.add_argument(
        "--hour-seconds", type=float, default=2.0, metavar="SECONDS",
        help="how long an hour of the grid takes (default: 2)",
    )  # fmt: skip
    command.add_argument(
        "--ui", action="store_true",
        help="afterwards start Airflow's page there, without a login, until Ctrl-C",
    )  # fmt: skip
    add_json(command)


def add_measure(commands: Commands) -> None:
    """Add ``measure``, whose arguments the agent reads itself."""
    commands.add_parser(
        "measure",
        help="run a command and count its energy: measure --out FILE -- CMD ...",
        usage="%(prog)s --out FILE [--interval SECONDS] -- CMD ...",
        description="The agent, as `python -m airflow_carbon.measure`: its --help says more.",
        prog="airflow-carbon measure",
        add_help=False,
    )
