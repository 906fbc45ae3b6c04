"""A stand-in for Azure as a process of its own, for who has no account: see tests/servers/arm."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from processes import belongs_to

TESTS = Path(__file__).resolve().parents[1] / "tests"


def start_azure(home: Path) -> dict[str, str]:
    """Start it in a folder, with whose other processes it ends.

    Returns the environment variables by which Airflow knows its connections.

    Raises:
        RuntimeError: it did not start; says where its log is.
    """
    file, log = home / "connections.json", home / "azure.log"
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "servers.arm"),
                *("--ca", str(home / "ca.pem"), "--connections", str(file)),
            ],
            env={**os.environ, "PYTHONPATH": str(TESTS)},
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=stderr,
            start_new_session=True,
        )
    belongs_to(home, process.pid)
    if process.stdout is None or not process.stdout.readline():
        message = f"the stand-in for Azure did not start; see {log}"
        raise RuntimeError(message)
    connections = json.loads(file.read_text())
    return {f"AIRFLOW_CONN_{name.upper()}": json.dumps(one) for name, one in connections.items()}
