"""The command line: reads the arguments, asks, prints; needs no Airflow database.

Exit status: 0 done; 1 no source has an answer; 2 what was written can't be.
"""

from __future__ import annotations

import argparse
import logging
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Final

from airflow_carbon import __version__
from airflow_carbon.core.errors import CarbonError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE: Final = 0
NO_ANSWER: Final = 1
CAN_NOT_BE: Final = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        import_module(f"airflow_carbon.cli.{_module(options)}").run(options)
    except InputError as exc:
        print(f"airflow-carbon: {exc}", file=sys.stderr)
        return CAN_NOT_BE
    except CarbonError as exc:
        print(f"airflow-carbon: {exc}", file=sys.stderr)
        return NO_ANSWER
    except BrokenPipeError:  # `| head` has read enough
        sys.stderr.close()
    return DONE


def _module(options: argparse.Namespace) -> str:
    """Return the module of a command, or of its verb: ``azure_carbon``, ``ledger_export``."""
    words = (options.command, getattr(options, "verb", None))
    return "_".join(filter(None, words)).replace("-", "_")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="airflow-carbon",
        description="Carbon intensity as your DAGs see it: from the same Airflow connections.",
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )
    _add_forecast(commands)
    _add_regions(commands)
    _add_plan(commands)
    _add_backtest(commands)
    _add_azure_carbon(commands)
    _add_report(commands)
    _add_ledger(commands)
    return parser


def _add_forecast(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "forecast",
        help="the intensity of a zone or region, from now on",
        description="Print the forecast of carbon intensity [gCO2eq/kWh] as a table and a plot.",
        epilog="""examples:
  airflow-carbon forecast swedencentral --hours 24
  airflow-carbon forecast DE --duration 4h
  airflow-carbon forecast GB --json""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("place", metavar="ZONE_OR_REGION", help="DE, SE-SE3, swedencentral, ...")
    command.add_argument("--hours", type=float, default=48, help="how far ahead (default: 48)")
    command.add_argument("--duration", help="mark the best window of a job so long: 4h, 90m")
    _add_common(command)


def _add_regions(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "regions",
        help="Azure's regions, the cleanest first",
        description=(
            "Print Azure's regions by what a kWh of a job emits there over the next hours, "
            "PUE included."
        ),
        epilog="""examples:
  airflow-carbon regions
  airflow-carbon regions Europe US
  airflow-carbon regions swedencentral,westeurope --json""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "allowed", nargs="*", default=["all"],
        help="regions, countries, geographies or groups of them (default: all)",
    )  # fmt: skip
    command.add_argument("--hours", type=float, default=24, help="how far ahead (default: 24)")
    _add_common(command)


def _add_plan(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "plan",
        help="where and when a job would emit least",
        description="Print the region and the window in which a job would emit least, from now on.",
        epilog="""examples:
  airflow-carbon plan --duration 4h --within 24h --region swedencentral,westeurope
  airflow-carbon plan --duration 90m --within 12h --region Europe --json
  airflow-carbon plan --duration 'auto, else 4h' --learn-from nightly/train --within 24h""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--duration", required=True, help="how long the job takes: 4h, 90m, or 'auto, else 4h'"
    )
    command.add_argument(
        "--learn-from", metavar="DAG/TASK", help="of whose past runs, in the ledger, auto is told"
    )
    command.add_argument("--within", help="how soon it must have ended: 24h")
    command.add_argument("--policy", help="a workload class, or a JSON object: how it may wait")
    command.add_argument(
        "--residency", default="all", help="where the data must stay: EU, Germany (default: all)"
    )
    command.add_argument(
        "--region", default="all", help="regions, countries, geographies, by commas (default: all)"
    )
    _add_common(command)


def _add_backtest(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "backtest",
        help="what a policy would have emitted in the past",
        description=(
            "Let past jobs wait through past forecasts, and compare what they would have emitted "
            "with running at once, with planning once, and with hindsight."
        ),
        epilog="""examples:
  airflow-carbon backtest --zone DE --duration 4h --max-delay 24h
  airflow-carbon backtest --actuals actuals.parquet --issues issues.parquet --duration 6h \\
      --policy '{"done_by": {"at": "09:00", "days": "working"}}' --plot saved.html
  airflow-carbon backtest --from-airflow http://localhost:8080 --zone westeurope --max-delay 12h""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    jobs = command.add_argument_group("which jobs")
    jobs.add_argument("--zone", help="grid zones or regions, by commas")
    jobs.add_argument("--duration", help="how long each takes: 4h, 90m")
    jobs.add_argument("--every", default="6h", help="how often one is submitted (default: 6h)")
    jobs.add_argument("--since", help="from this day, or instant, on")
    jobs.add_argument("--until", help="up to this one")
    jobs.add_argument("--from-airflow", metavar="URL", help="the past runs of a real Airflow")
    jobs.add_argument("--dag", help="of this DAG alone")
    jobs.add_argument("--token", help="of Airflow's API")
    jobs.add_argument("--username", help="for Airflow's API, instead of a token")
    jobs.add_argument("--password", help="the same")
    how = command.add_argument_group("how they wait")
    how.add_argument("--policy", help="a workload class, or a JSON object")
    how.add_argument("--max-delay", help="how long at most (default: of the class, else 24h)")
    past = command.add_argument_group("what happened (without a file: as the sources know it)")
    past.add_argument("--actuals", metavar="FILE", help="CSV or Parquet: instants, a column a zone")
    past.add_argument("--issues", metavar="FILE", help="zone, issued_at, then a column a step")
    past.add_argument("--issue-step", type=float, default=60, help="minutes (default: 60)")
    past.add_argument("--scale", type=float, default=1.0, help="g/kWh of a unit (default: 1)")
    past.add_argument("--archive", action="store_true", help="what the ledger kept")
    command.add_argument("--plot", metavar="FILE", help="write a picture: .png or .html")
    _add_common(command)


def _add_azure_carbon(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "azure-carbon",
        help="what Microsoft reports for a month, beside what was measured",
        description=(
            "Print what Azure Carbon Optimization reports for a month beside what the ledger "
            "measured. A month comes by about day 19 of the next; it is fetched where the ledger "
            "lacks it."
        ),
        epilog="""examples:
  airflow-carbon azure-carbon --month 2026-10
  airflow-carbon azure-carbon --month 2026-10 --refresh --json""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--month", required=True, help="2026-10")
    command.add_argument("--subscription", help="another than the connection's")
    command.add_argument("--refresh", action="store_true", help="fetch it again")
    _add_common(command, default="azure_default")


def _add_report(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = commands.add_parser(
        "report",
        help="what was emitted in a month, as a page to be filed",
        description=(
            "Write the report of a month from the ledger: energy and emissions with their bounds, "
            "the difference against baseline, method, coverage and uncertainty. One file, without "
            "scripts, made for A4."
        ),
        epilog="""examples:
  airflow-carbon report --month 2026-10 --output october.html
  airflow-carbon report --month 2026-10 --dag 'nightly_*' --budget 'nightly_train=20 kg'
  airflow-carbon report --month 2026-10 --json""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    command.add_argument("--conn-id", help="the Airflow connection (default: carbon_ledger)")
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_ledger(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    ledger = commands.add_parser("ledger", help="what was emitted: once more, or in a file")
    verbs = ledger.add_subparsers(title="commands", dest="verb", required=True, metavar="COMMAND")
    _add_export(verbs)
    _add_reconcile(verbs)


def _add_export(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = verbs.add_parser(
        "export",
        help="write the ledger's runs into a file",
        description=(
            "Write the runs of the ledger into a file, which appears whole or not at all: its own "
            "columns as CSV or Parquet, or the columns of codecarbon's emissions.csv."
        ),
        epilog="""examples:
  airflow-carbon ledger export --month 2026-10 october.csv
  airflow-carbon ledger export --format parquet --since 2026-01-01 --dag nightly runs.parquet
  airflow-carbon ledger export --format codecarbon emissions.csv""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
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
    command.add_argument("--conn-id", help="the Airflow connection (default: carbon_ledger)")
    command.add_argument("--json", action="store_true", help="print JSON")


def _add_reconcile(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    command = verbs.add_parser(
        "reconcile",
        help="account once more for runs whose hours are known better now",
        description=(
            "Price the runs of the ledger anew that ended some days ago and are not final. What "
            "changed is written as a new version; none is edited."
        ),
        epilog="""examples:
  airflow-carbon ledger reconcile
  airflow-carbon ledger reconcile --after 72h --within 60d --json""",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument("--after", default="48h", help="how long ago they ended (default: 48h)")
    command.add_argument("--within", default="30d", help="how long at most (default: 30d)")
    command.add_argument(
        "--ledger-conn-id", default="carbon_ledger", help="the ledger's connection"
    )
    _add_common(command)


def _add_common(command: argparse.ArgumentParser, default: str = "carbon_default") -> None:
    command.add_argument("--conn-id", help=f"the Airflow connection (default: {default})")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")
