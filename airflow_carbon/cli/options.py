"""What the commands' parsers share; nothing here imports what a command needs."""

from __future__ import annotations

import argparse
from typing import Any, TypeAlias

Commands: TypeAlias = "argparse._SubParsersAction[Any]"  # noqa: SLF001 - its name


class Parser(argparse.ArgumentParser):
    """A parser whose options are not guessed from their beginnings; nor are its commands'."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(allow_abbrev=False, **kwargs)


def add_command(  # noqa: PLR0913 - what a command's help says
    commands: Commands, name: str, *, says: str, description: str, examples: str, more: str = ""
) -> argparse.ArgumentParser:
    """Add a command: one line for the list, a description, and examples under its options."""
    lines = "\n".join(f"  {line}" for line in examples.strip().splitlines())
    command: argparse.ArgumentParser = commands.add_parser(
        name,
        help=says,
        description=description,
        epilog=f"examples:\n{lines}" + (f"\n\n{more}" if more else ""),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    return command


def add_common(command: argparse.ArgumentParser, default: str = "carbon_default") -> None:
    """Add the connection, and the forms of the output."""
    command.add_argument("--conn-id", help=f"the Airflow connection (default: {default})")
    form = command.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print JSON")
    form.add_argument("--csv", action="store_true", help="print CSV")


def add_json(command: argparse.ArgumentParser) -> None:
    """Add JSON as the other form of the output."""
    command.add_argument("--json", action="store_true", help="print JSON; messages go to stderr")


def add_ledger_conn_id(command: argparse.ArgumentParser) -> None:
    """Add the ledger's connection."""
    command.add_argument(
        "--conn-id",
        metavar="CONN_ID",
        help="the ledger's Airflow connection (default: carbon_ledger)",
    )
