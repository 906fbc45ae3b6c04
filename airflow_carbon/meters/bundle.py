"""Make ``measure.pyz``: the agent in one file, for machines with nothing but Python.

``python -m airflow_carbon.meters.bundle [FILE]``. The file holds the modules that count, and
pynvml from the installed nvidia-ml-py (one module of pure Python, under the BSD licence that it
begins with), so that NVML is read by the same code as from the installed package. It runs on
Python 3.8 and newer: ``python3 measure.pyz --out energy.jsonl -- python train.py``.
"""

from __future__ import annotations

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

NAME = "measure.pyz"
PARTS = (
    "__init__.py",
    "core/__init__.py",
    "core/handover.py",
    "meters/__init__.py",
    "meters/agent.py",
    "meters/cgroup.py",
    "meters/counting.py",
    "meters/host.py",
    "meters/journal.py",
    "meters/log.py",
    "meters/modelled.py",
    "meters/nvml.py",
    "meters/patience.py",
    "meters/processes.py",
    "meters/rapl.py",
    "meters/recorder.py",
    "meters/spoken.py",
    "meters/upload.py",
    "meters/visible.py",
)
"""The modules that run on the training machine."""

_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip file can say


def bundle(out: Path) -> Path:
    """Write the agent to a file that Python runs, and return its path.

    The same sources give the same bytes. Without nvidia-ml-py, GPUs are marked as missing
    where no pynvml is installed.

    Raises:
        OSError: it can't be written.
    """
    package = Path(__file__).parents[1]
    contents = {f"airflow_carbon/{part}": (package / part).read_bytes() for part in PARTS}
    contents["__main__.py"] = (package / "measure.py").read_bytes()
    pynvml = find_spec("pynvml")
    if pynvml is not None and pynvml.origin is not None:
        contents["pynvml.py"] = Path(pynvml.origin).read_bytes()
    out.parent.mkdir(parents=True, exist_ok=True)
    with out.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in sorted(contents.items()):
                entry = zipfile.ZipInfo(name, _EPOCH)
                archive.writestr(entry, content, zipfile.ZIP_DEFLATED)
    out.chmod(0o755)
    return out


def main() -> int:
    """Make the file that the first argument names."""
    out = bundle(Path(sys.argv[1] if len(sys.argv) > 1 else NAME))
    with zipfile.ZipFile(out) as archive:
        nvml = "pynvml.py" in archive.namelist()
    lacks = "" if nvml else ", without pynvml: pip install nvidia-ml-py, and make it again"
    sys.stdout.write(f"{out}: {out.stat().st_size / 1000:.0f} kB{lacks}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
