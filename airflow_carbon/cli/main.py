"""The command line: reads the arguments, asks, prints; needs no Airflow database."""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Final

from airflow_carbon import __version__
from airflow_carbon.cli.ledger_options import add_ledger
from airflow_carbon.cli.options import Commands, Parser, add_common
from airflow_carbon.cli.report_options import add_report
from airflow_carbon.cli.setup_options import add_demo, add_doctor, add_measure
from airflow_carbon.core.errors import CarbonError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

DONE: Final = 0
NO_ANSWER: Final = 1
CAN_NOT_BE: Final = 2
OUR_FAULT: Final = 70
"""``EX_SOFTWARE`` of BSD's sysexits."""
INTERRUPTED: Final = 130

STATUSES: Final = """\
exit status:
  0    done; of doctor: nothing fails
  1    no source has an answer, or the ledger, a file or Azure does not do as asked
  2    what was written can't be: an option, a connection, a place
  70   a fault of airflow-carbon itself; --traceback shows where
  130  interrupted by Ctrl-C
  of measure: the command's own"""

WITHOUT_AIRFLOW: Final = frozenset({"demo", "measure"})
"""The commands in whose process Airflow is not imported."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["measure"]:
        from airflow_carbon.measure import run  # noqa: PLC0415 - it is alone in its process

        return run(given[1:])
    try:
        try:
            status = _run(_parser().parse_args(given))
        finally:
            sys.stdout.flush()  # what fails here should not fail at the interpreter's end
    except BrokenPipeError:  # `| head` has read enough
        _write_no_more()
        return DONE
    except (Exception, KeyboardInterrupt) as exc:  # noqa: BLE001 - each has its sentence and status
        return _failed(exc, show="--traceback" in given)
    return status


def _run(options: argparse.Namespace) -> int:
    module = f"airflow_carbon.cli.{_module(options)}"
    if options.command in WITHOUT_AIRFLOW:
        return _status(module, options)
    from airflow_carbon.cli.airflow_side import its_connections  # noqa: PLC0415 - heavy
    from airflow_carbon.cli.logs import sentences_on_stderr  # noqa: PLC0415 - it imports Airflow

    with sentences_on_stderr(), its_connections():
        return _status(module, options)


def _status(module: str, options: argparse.Namespace) -> int:
    """Run a command's module; it returns nothing, or a status."""
    status: int | None = import_module(module).run(options)
    return DONE if status is None else status


def _failed(error: BaseException, *, show: bool) -> int:
    """Say what went wrong in a sentence, after the traceback where it is asked for."""
    if show:
        traceback.print_exception(error)
    if isinstance(error, OSError):
        _write_no_more()
    match error:
        case KeyboardInterrupt():
            sentence, status = "interrupted", INTERRUPTED
        case InputError():
            sentence, status = str(error), CAN_NOT_BE
        case CarbonError() | OSError():
            sentence, status = str(error), NO_ANSWER
        case _:
            what = " ".join(f"{type(error).__name__}: {error}".split())
            sentence = f"this should not happen: {what}; --traceback shows where"
            status = OUR_FAULT
    print(f"airflow-carbon: {sentence}", file=sys.stderr)
    return status


def _write_no_more() -> None:
    """Drop what standard output did not take, at which the interpreter's end would fail again."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _module(options: argparse.Namespace) -> str:
    """Return the module of a command, or of its verb: ``azure_carbon``, ``ledger_export``."""
    words = (options.command, getattr(options, "verb", None))
    return "_".join(filter(None, words)).replace("-", "_")


def _parser() -> argparse.ArgumentParser:
    parser = Parser(
        prog="airflow-carbon",
        description="Carbon intensity as your DAGs see it: from the same Airflow connections.",
        epilog=f"{STATUSES}\n\nairflow-carbon COMMAND --help has examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.add_argument("--traceback", action="store_true", help="show where a failure is from")
    commands = parser.add_subparsers(
        title="commands", dest="command", required=True, metavar="COMMAND"
    )
    add_demo(commands)
    _add_plan(commands)
    _add_forecast(commands)
    _add_regions(commands)
    _add_backtest(commands)
    add_measure(commands)
    _add_azure_carbon(commands)
    add_report(commands)
    add_ledger(commands)
    add_doctor(commands)
    return parser


def _add_forecast(commands: Commands) -> None:
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
    add_common(command)


def _add_regions(commands: Commands) -> None:
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
    add_common(command)


def _add_plan(commands: Commands) -> None:
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
    add_common(command)


def _add_backtest(commands: Commands) -> None:
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
    add_common(command)


def _add_azure_carbon(commands: Commands) -> None:
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
    add_common(command, default="azure_default")
