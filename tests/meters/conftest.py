"""A fake NVIDIA driver in C, and the agent in a process of its own."""

from __future__ import annotations

import ctypes
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGHUP, SIGINT
from typing import TYPE_CHECKING, Any

import pytest
from hanging import HANGS_S
from packed import unpacked

import airflow_carbon

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
"""No test waits longer for the agent: then it hangs."""


def in_full(last: dict[str, Any], ms: int, *mj: int | None) -> dict[str, Any]:
    """What a short line says, after the last line of its segment."""
    drawn = dict(zip(last["j"], mj, strict=True))
    return {
        **{key: last[key] for key in ("type", "seg", "q")},
        "t0": last["t1"],
        "t1": round(last["t1"] + ms / 1000, 3),
        "j": {device: None if one is None else one / 1000 for device, one in drawn.items()},
        "raw_mj": {device: raw + drawn[device] for device, raw in last["raw_mj"].items()},
    }


@dataclass
class Agent:
    """Runs ``python -m airflow_carbon.measure`` in ``folder``; ``$OUT`` is its log."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    started: list[int] = field(default_factory=list)

    @property
    def out(self) -> Path:
        return self.folder / "energy.jsonl"

    def arguments(self, *command: str, out: Path | None = None, interval_s: float = 0.1):
        own = ("--out", str(out or self.out), "--interval", str(interval_s), "--")
        return [sys.executable, "-m", "airflow_carbon.measure", *own, *command]

    def variables(self, **more: str) -> dict[str, str]:
        """The tests' own environment, without what shows GPUs or a run to the agent."""
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AIRFLOW_CTX_", "CUDA_"))
        }
        package = str(Path(airflow_carbon.__file__).parents[1])
        own = {"PYTHONPATH": package, "OUT": str(self.out)}
        return {**inherited, **own, **self.environment, **more}

    def start(
        self, *command: str, out: Path | None = None, interval_s: float = 0.1, **variables: str
    ):
        """Start the agent away from any terminal.

        Its command is a shell script, or a program and its arguments.
        """
        command = ("sh", "-c", *command) if len(command) == 1 else command
        process = subprocess.Popen(
            self.arguments(*command, out=out, interval_s=interval_s),
            cwd=self.folder,
            env=self.variables(**variables),
            stderr=subprocess.PIPE,
            start_new_session=True,
            text=True,
        )
        self.started.append(process.pid)
        return process

    def run(self, *command: str, out: Path | None = None, **variables: str):
        """Run to the end, and return the exit code and what was said on stderr."""
        with self.start(*command, out=out, **variables) as agent:
            try:
                _, stderr = agent.communicate(timeout=HANGS_S)
            except subprocess.TimeoutExpired:
                agent.kill()
                raise
        return agent.returncode, stderr

    def lines(self, kind: str) -> list[dict[str, Any]]:
        """The log's lines of a kind, as far as they are whole; short ones in so many words."""
        found: list[dict[str, Any]] = []
        full: dict[str, dict[str, Any]] = {}
        for line in self.out.read_text().splitlines():
            try:
                record = json.loads(line)
            except ValueError:
                continue
            if isinstance(record, str):
                numbers = unpacked(record)
                (seg,) = (one for one in full if int(one[:6], 16) == numbers[0])
                record = in_full(full[seg], *numbers[1:])
            if isinstance(record, list):
                record = in_full(full[record[0]], *record[1:])
            if record["type"] == "interval":
                full[record["seg"]] = record
            found.append(record)
        return [record for record in found if record["type"] == kind]

    def joules(self, device: str) -> float:
        """All joules of a device that the log knows."""
        return sum(line["j"][device] or 0 for line in self.lines("interval"))

    def qualities(self, device: str) -> set[str]:
        return {line["q"][device] for line in self.lines("interval")}

    def devices(self) -> list[str]:
        return [device["id"] for device in self.lines("segment")[-1]["devices"]]

    def state(self, text: str, name: str = "state") -> None:
        """Write what the fake driver answers from; a script moves another file there."""
        fresh = self.folder / f"{name}.new"
        fresh.write_text("\n".join(text.split("; ")) + "\n")
        fresh.rename(self.folder / name)


@pytest.fixture
def signals_as_usual() -> Iterator[None]:
    """Under nohup or in the background, signals are ignored that the agent should pass on."""
    ignored = [n for n in (SIGHUP, SIGINT) if signal.getsignal(n) is signal.SIG_IGN]
    for number in ignored:
        signal.signal(number, signal.SIG_DFL)
    yield
    for number in ignored:
        signal.signal(number, signal.SIG_IGN)


@pytest.fixture
def agent(tmp_path, signals_as_usual) -> Iterator[Agent]:
    """The agent where there is no GPU; what a failed test leaves running is ended."""
    agent = Agent(tmp_path, {"CUDA_VISIBLE_DEVICES": ""})
    yield agent
    for session in agent.started:
        with suppress(ProcessLookupError):
            os.killpg(session, signal.SIGKILL)


@pytest.fixture(scope="session")
def driver(tmp_path_factory) -> Path:
    """The folder of the fake libnvidia-ml.so.1."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("no C compiler: nothing that concerns GPUs is tested; install gcc or clang")
    if not sys.platform.startswith("linux"):
        pytest.skip("the fake driver is a Linux library: nothing that concerns GPUs is tested")
    folder = tmp_path_factory.mktemp("driver")
    library = folder / "libnvidia-ml.so.1"
    source = HERE / "fake_nvml.c"
    options = ("-std=gnu11", "-Wall", "-Wextra", "-Werror", "-O1", "-shared", "-fPIC")
    subprocess.run(
        [compiler, *options, f"-Wl,-soname,{library.name}", "-o", library, source, "-lm"],
        check=True,
    )
    return folder


@pytest.fixture
def gpus(agent, driver) -> Agent:
    """The agent where the fake driver is."""
    agent.environment = {
        "LD_LIBRARY_PATH": str(driver),
        "FAKE_NVML_STATE": str(agent.folder / "state"),
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    }
    return agent


@pytest.fixture
def nv(driver, tmp_path, monkeypatch):
    """The real pynvml, in a copy of its own, on the fake driver."""
    spec = importlib.util.find_spec("pynvml")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "pynvml", module)
    spec.loader.exec_module(module)
    module.nvmlLib = ctypes.CDLL(str(driver / "libnvidia-ml.so.1"))
    monkeypatch.setenv("FAKE_NVML_STATE", str(tmp_path / "state"))
    return module
