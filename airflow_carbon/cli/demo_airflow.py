"""A real Airflow in a folder of its own, as the demo needs it: one command after the other."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psutil

from airflow_carbon.core.errors import CarbonError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

DAG_ID: Final = "carbon_demo"
DAG_FILE: Final = Path(__file__).with_name("demo_dag.py")

POLITE_S: Final = 10
"""How long Airflow may take to end by itself [s]."""


class DemoFailedError(CarbonError):
    """Airflow did not do what the demo asked of it."""

    def __init__(self, command: str, log: str, said: str) -> None:
        super().__init__(command, log, said)
        self.command = command
        self.log = log
        self.said = said

    def __str__(self) -> str:
        said = f": {self.said}" if self.said else ""
        return f"`airflow {self.command}` failed{said}; all that it said is in {self.log}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Home:
    """The folder; ``env`` is added to the environment, in which nothing of another Airflow is."""

    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def log(self) -> Path:
        """All that Airflow said."""
        return self.folder / "demo.log"

    def prepare(self) -> None:
        """Make the folder, with the demo's DAG."""
        (self.folder / "dags").mkdir(parents=True, exist_ok=True)
        shutil.copyfile(DAG_FILE, self.folder / "dags" / f"{DAG_ID}.py")

    def environment(self) -> dict[str, str]:
        """Return the environment of its processes."""
        kept = {name: value for name, value in os.environ.items() if "AIRFLOW" not in name}
        path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
        return {
            **kept,
            "PATH": path,
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__LOGGING__JSON_LOGS": "True",
            **self.env,
        }

    def run(self, *command: str) -> Iterator[dict[str, Any]]:
        """Run an ``airflow`` command to its end; yield the lines of its log as they come.

        Raises:
            DemoFailedError: it failed; the last error that it logged is in it.
        """
        wrong = ""
        with self.started(*command) as process, self.log.open("ab") as log:
            for line in process.stdout or ():
                log.write(line)
                log.flush()
                with suppress(ValueError):
                    said = json.loads(line)
                    if isinstance(said, dict):
                        if said.get("level") in {"error", "critical"}:
                            wrong = str(said.get("event"))
                        yield said
        if process.returncode:
            raise DemoFailedError(" ".join(command), str(self.log), wrong)

    @contextmanager
    def started(self, *command: str) -> Iterator[subprocess.Popen[bytes]]:
        """Start an ``airflow`` command; at the end, whatever it is, no process of it is left."""
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [sys.executable, "-m", "airflow", *command],
            env=self.environment(),
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C is ours, and theirs is the end below
        )
        try:
            yield process
            process.wait()
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all that it started, politely and then not."""
    family: list[psutil.Process] = []
    with suppress(psutil.NoSuchProcess):
        parent = psutil.Process(process.pid)
        family = [*parent.children(recursive=True), parent]
    _end_all(family)
    process.wait()
    if process.stdout:
        process.stdout.close()


def end_children() -> None:
    """End whatever this process started: also what an interrupt found half started."""
    _end_all(psutil.Process().children(recursive=True))


def _end_all(family: list[psutil.Process]) -> None:
    for number, patience_s in ((signal.SIGTERM, POLITE_S), (signal.SIGKILL, POLITE_S)):
        for one in family:
            with suppress(psutil.NoSuchProcess):
                one.send_signal(number)
        _, family = psutil.wait_procs(family, timeout=patience_s)
