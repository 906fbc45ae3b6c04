"""``make test``'s last step: the tests, with coverage of every process that they start."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEAST_COVERAGE = 93


def main() -> int:
    """Run pytest and report coverage; return the first exit status that is not 0."""
    env = {**os.environ, "COVERAGE_FILE": str(ROOT / ".coverage"), "PYTHONUNBUFFERED": "1"}
    steps = (
        ("erase",),
        ("run", "-m", "pytest", *sys.argv[1:]),
        ("combine", "--quiet"),
        ("report", f"--fail-under={LEAST_COVERAGE}"),
    )
    for step in steps:
        command = [sys.executable, "-m", "coverage", *step]
        status = subprocess.run(command, env=env, cwd=ROOT, check=False).returncode
        if status:
            return status
    return 0


if __name__ == "__main__":
    sys.exit(main())
