"""Count the energy of a command: ``python -m airflow_carbon.measure --out FILE -- CMD ...``.

In ``measure.pyz`` it is read first, also by a Python (from 3.6 on) for which the agent is too
new, and then runs the command alone.
"""

import os
import sys


def run(argv: list) -> int:  # type: ignore[type-arg]
    """Run the command under the agent, or in its place where the agent can't start."""
    try:
        from airflow_carbon.meters.agent import main  # noqa: PLC0415 - it may fail
    except Exception as exc:
        if "--" not in argv[:-1]:
            raise
        return alone(argv[argv.index("--") + 1 :], exc)
    return main(argv, alone)


def alone(command, why: Exception) -> int:  # type: ignore[no-untyped-def] # noqa: ANN001
    """Become the command; like a shell where it can't be run."""
    python = ".".join(map(str, sys.version_info[:2]))
    _say(f"the energy of this command is not recorded, the agent can't start ({python}: {why!r})")
    try:
        os.execvp(command[0], command)  # noqa: S606 - the user's own command
    except OSError as exc:
        _say(f"can't run {command[0]!r}: {exc}")
        return 127 if isinstance(exc, FileNotFoundError) else 126


def _say(message: str) -> None:
    sys.stderr.write(f"airflow_carbon.measure: {message}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
