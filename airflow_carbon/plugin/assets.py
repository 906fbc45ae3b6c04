"""Style, script and icons, and plotly's script as its Python package ships it."""

from __future__ import annotations

import gzip
from functools import cache
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from fastapi import APIRouter, HTTPException, Request, status
from fastapi.responses import FileResponse, Response

FOLDER: Final = Path(__file__).parent / "static"

FOREVER: Final = "private, max-age=31536000, immutable"
"""A file's address changes with its content."""

TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}

router = APIRouter()


@router.get("/static/{name}")
def static(name: str, request: Request) -> Response:
    """Return one of our own files."""
    file = FOLDER / name
    if name not in {one.name for one in FOLDER.iterdir()} or file.suffix not in TYPES:
        raise HTTPException(status.HTTP_404_NOT_FOUND, f"there is no file {name!r}")
    age = FOREVER if request.query_params.get("v") else "private, max-age=3600"
    return FileResponse(file, media_type=TYPES[file.suffix], headers={"cache-control": age})


@router.get("/plotly.js")
def plotly() -> Response:
    """Return plotly's script, compressed: every browser takes that."""
    if not has_plotly():
        raise HTTPException(status.HTTP_404_NOT_FOUND, NO_PLOTLY)
    headers = {"cache-control": FOREVER, "content-encoding": "gzip"}
    return Response(_plotly(), media_type=TYPES[".js"], headers=headers)


NO_PLOTLY: Final = (
    "The plots need plotly: pip install 'airflow-carbon[dashboard]' where Airflow's API server "
    "runs, and restart it."
)


@cache
def has_plotly() -> bool:
    """Tell whether plotly is installed here."""
    return find_spec("plotly") is not None


@cache
def version(name: str) -> str:
    """Return what an asset's address ends in: it changes with its content."""
    if name == "plotly.js":
        from importlib.metadata import version as installed

        return installed("plotly") if has_plotly() else "none"
    return sha256((FOLDER / name).read_bytes()).hexdigest()[:12]


@cache
def _plotly() -> bytes:
    from plotly.offline import get_plotlyjs

    return gzip.compress(get_plotlyjs().encode(), 6)
