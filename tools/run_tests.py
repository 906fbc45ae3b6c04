"""``make test``'s last step: the trials, and the other tests with coverage of their processes.

Trials mostly wait for a real Airflow, so they run beside the other tests, which leave them the
processor whenever they want it. With arguments: one pytest with those.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LEAST_COVERAGE = 93
SPREAD = ("-n", "2", "--dist", "loadfile", "-q")
TRIALS = ("-m", "trial", *SPREAD, "--no-loadscope-reorder", "--reruns", "1", "-rfER", "tests/trial")
"""On two Airflows. A trial that fails is tried once more, and said to be: Airflow 3.3 has races."""

GAVE_UP = r"not after|does not fire|Timeout"
OTHERS = ("-m", "not trial", *SPREAD, "--reruns", "1", "--only-rerun", GAVE_UP, "-rfER")
"""A test that gave up waiting for a process is tried once more; a wrong answer never is."""

POLITELY = ("nice", "-n", "15")
"""Trials count seconds; what else runs must not cost them any."""

TOLD = ROOT / ".artefacts" / "trials.txt"
"""What the failures of trials say."""


def main() -> int:
    """Run pytest and report coverage; return the first exit status that is not 0."""
    if status := _coverage("erase"):
        return status
    given = sys.argv[1:]
    if status := (_pytest(*given) if given else _all()):
        return status
    return _coverage("combine", "--quiet") or _coverage("report", f"--fail-under={LEAST_COVERAGE}")


def _all() -> int:
    TOLD.unlink(missing_ok=True)
    with tempfile.TemporaryFile() as said:
        trials = [sys.executable, "-m", "pytest", *TRIALS]
        with subprocess.Popen(trials, cwd=ROOT, stdout=said, stderr=said) as beside:
            others = _run(*POLITELY, *_command("run", "-m", "pytest", *OTHERS))
        said.seek(0)
        sys.stdout.flush()
        sys.stdout.buffer.write(said.read())
        sys.stdout.flush()
    if TOLD.exists():
        sys.stdout.write(TOLD.read_text())
    return others or beside.returncode


def _pytest(*arguments: str) -> int:
    return _coverage("run", "-m", "pytest", *arguments)


def _coverage(*step: str) -> int:
    return _run(*_command(*step))


def _run(*command: str) -> int:
    return subprocess.run(command, env=_env(), cwd=ROOT, check=False).returncode


def _command(*step: str) -> list[str]:
    return [sys.executable, "-m", "coverage", *step]


def _env() -> dict[str, str]:
    return {**os.environ, "COVERAGE_FILE": str(ROOT / ".coverage"), "PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    sys.exit(main())
