"""The agent of the listener: it counts beside a task, and becomes the accountant when that ends."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

from airflow_carbon.meters.beside import attend, options

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def main() -> int:
    """Count, then account; a task that was killed is accounted for, too."""
    args = options(sys.argv[1:])
    order = attend(args)
    if args.out.exists() and (order is None or order.get("rc") is not None):
        _become_accountant(args.out, order or {})
    return 0


def _become_accountant(file: Path, order: Mapping[str, Any]) -> None:
    """Have the order read by a program that takes the place of this one, meters and all.

    By a pipe, since it has secrets. The standard output ends here: the task reads no more.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)  # more than a pipe holds is no connection
    os.write(writing, json.dumps(order).encode())
    os.close(writing)
    os.dup2(reading, sys.stdin.fileno())
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    program = [sys.executable, "-P", "-m", "airflow_carbon.listener.accountant", str(file)]
    os.execv(program[0], program)  # noqa: S606 - our own module


if __name__ == "__main__":
    raise SystemExit(main())
