"""``make dist``: the last commit as wheel and sdist, with a bill of materials, and checked.

What is built is the commit, not the working tree; it is built twice, the second time from the sdist
by somebody else's habits (another folder, another umask), and has to be the same bytes. Then it is
installed in clean environments, without extras and with all of them, and tried there by
``check_installed.py``.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from email import message_from_bytes
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from email.message import Message

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "airflow_carbon"
TWINE = ("--no-color", "check", "--strict")
DEVELOPERS = {"dev"}
"""Extras that are for who works on the package, not for who uses it."""

NEEDED = (
    f"{PACKAGE}/py.typed",
    f"{PACKAGE}/data/azure_regions.csv",
    f"{PACKAGE}/data/typical_profiles.csv",
)
LICENCES = ("LICENSE", f"{PACKAGE}/data/LICENSE.md")
ENTRY_POINTS = ("apache_airflow_provider", "airflow.plugins", "console_scripts")
ROOMS = ("tests/", "docs/", "dags/", "tools/", "benchmarks/", "docker/", "docker-compose.yaml")
"""What the sdist has beside the package: enough to test it and to start the trial."""

SUMS = "SHA256SUMS"
UV = [sys.executable, "-m", "uv"]


class CommandError(Exception):
    """A command failed; says what it was and what it said."""


@dataclass(frozen=True, slots=True)
class Built:
    """The two files of a release."""

    wheel: Path
    sdist: Path


def main() -> int:
    """Build, check, and leave everything in a folder; return 0 where all is well."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "dist", help="where to leave it")
    out = parser.parse_args().out.resolve()
    try:
        wrong = _made(out)
    except CommandError as exc:
        wrong = [str(exc)]
    if wrong:
        print(*wrong, sep="\n", file=sys.stderr)
        return 1
    _sum_up(out)
    return 0


def _made(out: Path) -> list[str]:
    """Make everything, and return what is wrong with it; what is right is left in the folder."""
    changed = _run(["git", "status", "--porcelain"])
    if changed:
        print(f"these changes are in no commit, and so not in what is built:\n{changed}")
    epoch = int(_run(["git", "log", "-1", "--format=%ct"]))
    out.mkdir(parents=True, exist_ok=True)
    for old in (*out.glob(f"{PACKAGE}-*"), out / SUMS):
        old.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        source = export(work / "commit")
        built = build(source, work / "one", epoch)
        again = build(unpacked(built.sdist, work / "unpacked"), work / "two", epoch, umask=0o077)
        wrong = [*differences(built, again), *faults(built, source)]
        if wrong:
            return wrong
        _tried(built, work, out, epoch)
        for file in (built.wheel, built.sdist):
            shutil.copy(file, out / file.name)
    return []


def build(source: Path, out: Path, epoch: int, *, umask: int = 0o022) -> Built:
    """Build the sdist, and from it the wheel, with the build backend of this environment.

    Raises:
        CommandError: it can't be built; says what was said.
    """
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(source)]
    env = {**os.environ, "SOURCE_DATE_EPOCH": str(epoch)}
    _run(command, env=env, umask=umask)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(wheel, sdist)


def export(into: Path) -> Path:
    """Lay out the last commit in a folder."""
    into.mkdir(parents=True)
    archive = into.with_suffix(".tar")
    _run(["git", "archive", "--output", str(archive), "HEAD"], cwd=ROOT)
    with tarfile.open(archive) as tar:
        tar.extractall(into, filter="data")
    return into


def unpacked(sdist: Path, into: Path) -> Path:
    """Unpack an sdist, and return its one folder."""
    with tarfile.open(sdist) as tar:
        tar.extractall(into, filter="data")
    (folder,) = into.iterdir()
    return folder


def differences(one: Built, other: Built) -> list[str]:
    """Say which files are not the same bytes."""
    pairs = ((one.wheel, other.wheel), (one.sdist, other.sdist))
    return [
        f"{a.name} differs when it is built again: {_digest(a)} and {_digest(b)}"
        for a, b in pairs
        if (a.name, a.read_bytes()) != (b.name, b.read_bytes())
    ]


def faults(built: Built, source: Path) -> list[str]:
    """Say what a wheel and an sdist lack, or have too much, beside the sources they are of."""
    wanted = {
        path.relative_to(source).as_posix(): path.read_bytes()
        for path in (source / PACKAGE).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(built.wheel) as wheel:
        has = {name: wheel.read(name) for name in wheel.namelist()}
    with tarfile.open(built.sdist) as tar:
        sources = {name.partition("/")[2] for name in tar.getnames()}
    info = "-".join(built.wheel.name.split("-")[:2]) + ".dist-info"
    points = has.get(f"{info}/entry_points.txt", b"").decode()
    inside = {name: content for name, content in has.items() if not name.startswith(f"{info}/")}
    must = {*wanted, *NEEDED, *(f"{info}/licenses/{name}" for name in LICENCES)}
    beside = {*wanted, *LICENCES, *ROOMS, "PKG-INFO"}
    folders = {f"{name.partition('/')[0]}/" for name in sources}
    return [
        *(f"the wheel lacks {name}" for name in sorted(must - has.keys())),
        *(f"the wheel has {name}, and should not" for name in sorted(inside.keys() - wanted)),
        *(f"{name} is another in the wheel" for name in wanted if inside.get(name) != wanted[name]),
        *(f"there is no entry point {name}" for name in ENTRY_POINTS if f"[{name}]" not in points),
        *(f"the sdist lacks {name}" for name in sorted(beside - sources - folders)),
    ]


def extras(wheel: Path) -> list[str]:
    """Return the extras that users may want."""
    return sorted(set(_metadata(wheel).get_all("Provides-Extra", [])) - DEVELOPERS)


def bill_of_materials(
    python: str | Path, version: str, file: Path, epoch: int, *, checked: bool = True
) -> None:
    """Write what is installed beside the package as CycloneDX; the same twice for the same.

    ``checked`` holds it against the format's schema, which takes a while.
    """
    # The tool reads no version that the build backend finds out.
    stated = (ROOT / "pyproject.toml").read_text()
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "pyproject.toml"
        project.write_text(stated.replace('dynamic = ["version"]', f'version = "{version}"'))
        what = ["--pyproject", str(project), "--mc-type", "library", "--output-reproducible"]
        what.append("--validate" if checked else "--no-validate")
        _run(
            [sys.executable, "-m", "cyclonedx_py", "environment", *what, "-o", file, python],
            env={**os.environ, "SOURCE_DATE_EPOCH": str(epoch)},
        )


def _tried(built: Built, work: Path, out: Path, epoch: int) -> None:
    """Check the description, install, try what is installed, and write the bill of materials."""
    _run([sys.executable, "-m", "twine", *TWINE, str(built.wheel), str(built.sdist)])
    everything = extras(built.wheel)
    for name, chosen in (("no extras", []), (f"the extras {', '.join(everything)}", everything)):
        print(f"installing with {name} ...", flush=True)
        python = _installed(built.wheel, chosen, work / ("all" if chosen else "bare"))
        _run(
            [str(python), "-I", str(ROOT / "tools" / "check_installed.py"), *chosen],
            env={**os.environ, "AIRFLOW_HOME": str(work / "home"), "PYTHONWARNINGS": "ignore"},
            cwd=work,
        )
    bill = out / f"{built.wheel.name.removesuffix('-py3-none-any.whl')}.cdx.json"
    bill_of_materials(python, _metadata(built.wheel)["Version"], bill, epoch)


def _installed(wheel: Path, chosen: list[str], venv: Path) -> Path:
    python = venv / "bin" / "python"
    asked = f"airflow-carbon[{','.join(chosen)}] @ {wheel.as_uri()}"
    _run([*UV, "venv", "--quiet", "--python", sys.executable, str(venv)])
    _run([*UV, "pip", "install", "--quiet", "--python", str(python), asked])
    _run([*UV, "pip", "check", "--quiet", "--python", str(python)])
    return python


def _sum_up(out: Path) -> None:
    """Write the digests, and say what there is."""
    lines = [f"{_digest(path)}  {path.name}" for path in sorted(out.glob(f"{PACKAGE}-*"))]
    (out / SUMS).write_text("\n".join([*lines, ""]))
    print(*lines, sep="\n")


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return message_from_bytes(archive.read(name))


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _run(
    command: Sequence[str | Path],
    *,
    env: dict[str, str] | None = None,
    cwd: Path = ROOT,
    umask: int = -1,
) -> str:
    """Run a command and return what it printed.

    Raises:
        CommandError: it ended with another status than 0.
    """
    done = subprocess.run(
        command, env=env, cwd=cwd, umask=umask, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = "\n".join((" ".join(map(str, command)), done.stdout, done.stderr))
        raise CommandError(said)
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
