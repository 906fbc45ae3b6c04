"""Try what is installed, in an environment that has nothing but the package and Airflow.

``python -I check_installed.py [EXTRA ...]``: the arguments are the extras it was installed with.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import distribution
from importlib.resources import files
from pathlib import Path
from pkgutil import walk_packages

import jsonschema
from airflow.providers_manager import ProvidersManager

import airflow_carbon
from airflow_carbon.provider_info import get_provider_info

NAME = "airflow-carbon"
ITS_OWN = {"airflow_carbon.ledger.migrations.env"}
"""Modules that only their tool can import: Alembic."""

OPTIONAL = {"airflow_carbon.azure": ("azure", {"azure", "aiohttp"})}
"""Rooms that may lack something, of which extra, and what."""

BIN = Path(sys.executable).parent


def main() -> None:
    """Try everything; raises where something is wrong."""
    given = set(sys.argv[1:])
    modules = _import_all(given)
    for point in distribution(NAME).entry_points:
        point.load()
    schema = json.loads(files("airflow").joinpath("provider_info.schema.json").read_text())
    jsonschema.validate(get_provider_info(), schema)
    known = ProvidersManager().providers[NAME]
    for public in airflow_carbon.__all__:
        getattr(airflow_carbon, public)
    command = str(BIN / NAME)
    _run(command, "--help")
    _run(command, "plan", "--duration", "2h", "--within", "12h", "--region", "swedencentral")
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "energy.jsonl"
        _run(sys.executable, "-m", "airflow_carbon.measure", "--out", str(log), "--", "true")
        if not log.stat().st_size:
            raise SystemExit("the agent wrote nothing")
    print(f"{NAME} {known.version}: {modules} modules, {len(airflow_carbon.__all__)} public names")


def _import_all(given: set[str]) -> int:
    """Import every module; only what an extra lacks may be missing."""
    count, wrong = 0, []
    for module in walk_packages(airflow_carbon.__path__, "airflow_carbon."):
        if module.name in ITS_OWN:
            continue
        room = ".".join(module.name.split(".")[:2])
        extra, lacking = OPTIONAL.get(room, ("", set()))
        try:
            import_module(module.name)
            count += 1
        except ModuleNotFoundError as exc:
            if extra in given or (exc.name or "").partition(".")[0] not in lacking:
                wrong.append(f"{module.name}: {exc}")
    if wrong:
        raise SystemExit("\n".join(wrong))
    return count


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit("\n".join((" ".join(command), done.stdout, done.stderr)))


if __name__ == "__main__":
    main()
