"""``measure.pyz`` is the agent in one file, also for an old Python with nothing installed."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest

from airflow_carbon.meters import bundle as bundling
from airflow_carbon.meters.agent import main
from airflow_carbon.meters.bundle import PARTS, bundle

PACKAGE = Path(bundling.__file__).parents[1]
OLDEST = (3, 8)
OLDER = [f"python3.{minor}" for minor in range(6, 11)]


def found(name: str) -> str | None:
    """The path of a Python, also of one that pyenv has but does not put on the path."""
    pyenvs = sorted(Path.home().glob(f".pyenv/versions/{name.removeprefix('python')}.*/bin/python"))
    for python in (shutil.which(name), *pyenvs):
        asked = [python, "-c", "import sys; print(sys.executable)"]
        done = python and subprocess.run(asked, capture_output=True, text=True, check=False)
        if done and done.returncode == 0:
            return done.stdout.strip()
    return None


@pytest.fixture(scope="module")
def pyz(tmp_path_factory):
    return bundle(tmp_path_factory.mktemp("bundle") / "measure.pyz")


def measure(python: str, pyz: Path, folder: Path, **variables: str):
    """Run a command under the bundle, without any package of the tests."""
    command = ("sh", "-c", "sleep 0.5; exit 3")
    return subprocess.run(
        [python, "-I", str(pyz), "--out", "e.jsonl", "--interval", "0.2", "--", *command],
        cwd=folder,
        env={"PATH": os.environ["PATH"], **variables},
        capture_output=True,
        text=True,
        check=False,
    )


def test_it_is_small_and_always_the_same(pyz, tmp_path) -> None:
    assert pyz.stat().st_size < 150_000
    assert bundle(tmp_path / "again" / "measure.pyz").read_bytes() == pyz.read_bytes()


def test_it_counts_gpus_with_nothing_installed(pyz, driver, tmp_path) -> None:
    (tmp_path / "state").write_text("power_mw 300000\n")
    fake = {"LD_LIBRARY_PATH": str(driver), "FAKE_NVML_STATE": str(tmp_path / "state")}

    done = measure(sys.executable, pyz, tmp_path, **fake)

    header, *rest = map(json.loads, (tmp_path / "e.jsonl").read_text().splitlines())
    assert (done.returncode, done.stderr) == (3, "")
    assert [d["method"] for d in header["devices"]] == ["counter", "model", "model"]
    assert rest[-1]["rc"] == 3


@pytest.mark.parametrize("python", OLDER)
def test_it_runs_on_an_older_python_or_runs_the_command_alone(pyz, tmp_path, python) -> None:
    executable = found(python)
    if executable is None:
        pytest.skip(f"{python} is not here; the syntax of 3.8 is tested in any case")

    done = measure(executable, pyz, tmp_path, CUDA_VISIBLE_DEVICES="")

    assert done.returncode == 3
    supported = int(python.partition(".")[2]) >= OLDEST[1]
    assert (tmp_path / "e.jsonl").exists() == supported
    assert ("not recorded" in done.stderr) != supported


@pytest.mark.parametrize("part", [*PARTS, "measure.py"])
def test_each_part_is_of_the_syntax_of_the_oldest_python(part) -> None:
    ast.parse((PACKAGE / part).read_text(), feature_version=OLDEST)


@pytest.mark.parametrize("part", [part for part in PARTS if part != "__init__.py"])
def test_each_part_needs_what_is_in_the_bundle_and_the_standard_library(part) -> None:
    tree = ast.parse((PACKAGE / part).read_text())
    hints = {
        node
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    nodes = [node for node in ast.walk(tree) if node not in hints]
    wanted = {n.module for n in nodes if isinstance(n, ast.ImportFrom)}
    wanted |= {alias.name for n in nodes if isinstance(n, ast.Import) for alias in n.names}

    own = {name for name in wanted if name.startswith("airflow_carbon")}
    inside = {f"airflow_carbon.{re.sub('.py$', '', p).replace('/', '.')}" for p in PARTS}
    assert own - inside - {"airflow_carbon"} == set()
    assert {name.partition(".")[0] for name in wanted - own} <= {*sys.stdlib_module_names, "pynvml"}


def test_it_has_pynvml_with_its_licence(pyz) -> None:
    with zipfile.ZipFile(pyz) as archive:
        text = archive.read("pynvml.py").decode()

    assert "Redistributions of source code must retain the above copyright notice" in text


def test_the_build_makes_it(tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "airflow_carbon.meters.bundle", "dist/measure.pyz"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert (tmp_path / "dist" / "measure.pyz").exists()
    assert "kB" in done.stdout


def test_where_the_agent_cant_begin_the_command_is_run_instead(tmp_path, agent) -> None:
    """Signals can't be had outside of the main thread; so it is with whatever fails at first."""
    code = """
import sys, threading
from airflow_carbon.measure import run

threading.Thread(target=run, args=(["--out", "e", "--", "sh", "-c", "echo ran"],)).start()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=agent.variables(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "ran\n"
    assert "not recorded" in done.stderr


def test_what_runs_instead_has_the_last_word(tmp_path) -> None:
    asked = []

    def instead(command, why):
        asked.append((command, type(why)))
        return 42

    codes = []
    arguments = ["--out", str(tmp_path / "e"), "--", "true"]
    thread = threading.Thread(target=lambda: codes.append(main(arguments, instead)))
    thread.start()
    thread.join()

    assert codes == [42]
    assert asked == [(["true"], ValueError)]
