"""The options of ``airflow-carbon report``."""

from __future__ import annotations

from airflow_carbon.cli.options import Commands, add_command, add_json, add_ledger_conn_id


def add_report(commands: Commands) -> None:
    """Add ``report``."""
    command = add_command(
        commands,
        "report",
        says="what was emitted in a month, as a page to be filed",
        description=(
            "Write the report of a month from the ledger: energy and emissions with their bounds, "
            "the difference against baseline, method, coverage and uncertainty. One file, without "
            "scripts, made for A4."
        ),
        examples="""
airflow-carbon report --month 2026-10 --output october.html
airflow-carbon report --month 2026-10 --dag 'nightly_*' --budget 'nightly_train=20 kg'
airflow-carbon report --month 2026-10 --json""",
    )
    command.add_argument("--month", required=True, help="2026-10: the runs that began in it, UTC")
    command.add_argument("--dag", metavar="PATTERN", help="of these DAGs alone: 'nightly_*'")
    command.add_argument(
        "--budget", action="append", default=[], metavar="DAG=LIMIT",
        help="a limit for the month, shown with what is left; model:NAME=LIMIT for a model",
    )  # fmt: skip
    command.add_argument(
        "--format", choices=("html", "markdown", "json"),
        help="default: as FILE ends; markdown where it is printed",
    )  # fmt: skip
    command.add_argument("--output", metavar="FILE", help="where to (default: print it)")
    command.add_argument("--replace", action="store_true", help="a file that is there already")
    add_ledger_conn_id(command)
    add_json(command)
