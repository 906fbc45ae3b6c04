"""The options of ``airflow-carbon ledger``'s verbs."""

from __future__ import annotations

from airflow_carbon.cli.options import Commands, add_command, add_common, add_json
from airflow_carbon.cli.options import add_ledger_conn_id as add_conn_id


def add_ledger(commands: Commands) -> None:
    """Add ``ledger`` and its verbs."""
    ledger = commands.add_parser(
        "ledger", help="the table of what was emitted: written out, brought up to date, pruned"
    )
    verbs = ledger.add_subparsers(title="commands", dest="verb", required=True, metavar="COMMAND")
    _add_export(verbs)
    _add_migrate(verbs)
    _add_prune(verbs)
    _add_reconcile(verbs)


def _add_export(verbs: Commands) -> None:
    command = add_command(
        verbs,
        "export",
        says="write the ledger's runs into a file",
        description=(
            "Write the runs of the ledger into a file, which appears whole or not at all: its own "
            "columns as CSV or Parquet, or the columns of codecarbon's emissions.csv."
        ),
        examples="""
airflow-carbon ledger export --month 2026-10 october.csv
airflow-carbon ledger export --format parquet --since 2026-01-01 --dag nightly runs.parquet
airflow-carbon ledger export --format codecarbon emissions.csv""",
    )
    command.add_argument("file", metavar="FILE", help="where to")
    command.add_argument(
        "--format", choices=("codecarbon", "csv", "parquet"), default="csv",
        help="the columns and the kind of file (default: csv)",
    )  # fmt: skip
    command.add_argument("--month", help="runs that started in it, UTC: 2026-10")
    command.add_argument("--since", help="runs that started on this day, or at this instant, or on")
    command.add_argument("--until", help="runs that started before this one")
    command.add_argument("--dag", help="of this DAG alone")
    command.add_argument("--replace", action="store_true", help="a file that is there already")
    add_conn_id(command)
    add_json(command)


def _add_migrate(verbs: Commands) -> None:
    command = add_command(
        verbs,
        "migrate",
        says="make the ledger's tables, or bring them up to date",
        description=(
            "Make the ledger's tables, or bring them up to date. Whatever opens the ledger does so "
            "too; this is for a deployment that wants it done before, by a login that may."
        ),
        examples="""
airflow-carbon ledger migrate
airflow-carbon ledger migrate --check || echo 'the ledger is behind'""",
    )
    command.add_argument(
        "--check", action="store_true", help="change nothing; 1 where the tables are behind"
    )
    add_conn_id(command)
    add_json(command)


def _add_prune(verbs: Commands) -> None:
    command = add_command(
        verbs,
        "prune",
        says="delete what is old: archived forecasts, and runs where you ask for it",
        description=(
            "Delete from the ledger what is older than so long: archived forecasts and actual "
            "intensities, and what budgets and shared capacities remember of runs that are over. "
            "Runs go only with --runs, and then whole: every version of a try, its intervals and "
            "what stands beside it. What Microsoft reported is never deleted. Without --yes it "
            "says how much would go, and deletes nothing."
        ),
        examples="""
airflow-carbon ledger prune --older-than 2y --dry-run
airflow-carbon ledger prune --older-than 400d --archive-only --yes
airflow-carbon ledger prune --older-than 5y --runs --yes --json""",
    )
    command.add_argument(
        "--older-than", required=True, metavar="AGE", help="2y, 18mo, 90d: years, months, days"
    )
    what = command.add_mutually_exclusive_group()
    what.add_argument("--archive-only", action="store_true", help="forecasts and actuals alone")
    what.add_argument(
        "--runs", action="store_true",
        help="runs that ended so long ago, too: export them first; a budget without a period "
        "then no longer counts them",
    )  # fmt: skip
    sure = command.add_mutually_exclusive_group()
    sure.add_argument("--dry-run", action="store_true", help="say how much, and delete nothing")
    sure.add_argument("--yes", action="store_true", help="delete it")
    add_conn_id(command)
    add_json(command)


def _add_reconcile(verbs: Commands) -> None:
    command = add_command(
        verbs,
        "reconcile",
        says="account once more for runs whose hours are known better now",
        description=(
            "Price the runs of the ledger anew that ended some days ago and are not final. What "
            "changed is written as a new version; none is edited."
        ),
        examples="""
airflow-carbon ledger reconcile
airflow-carbon ledger reconcile --after 72h --within 60d --json""",
    )
    command.add_argument("--after", default="48h", help="how long ago they ended (default: 48h)")
    command.add_argument("--within", default="30d", help="how long at most (default: 30d)")
    command.add_argument(
        "--ledger-conn-id", default="carbon_ledger", help="the ledger's connection"
    )
    add_common(command)
