"""How the page writes: templates that escape everything, and numbers as people read them."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from airflow.api_fastapi.app import API_ROOT_PATH
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from airflow_carbon import __version__
from airflow_carbon.core.month import written
from airflow_carbon.core.quantities import energy_text, length_text, mass_text
from airflow_carbon.operators.page_link import PREFIX, run_query
from airflow_carbon.plugin.assets import NO_PLOTLY, has_plotly, version

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from airflow_carbon.ledger.entry import RunKey

UNKNOWN: Final = "\N{EN DASH}"
"""What is shown where nothing is known: never 0."""


def render(template: str, **facts: Any) -> str:
    """Return a page."""
    return environment().get_template(template).render(**facts)


@cache
def environment() -> Environment:
    """Return the templates' environment."""
    made = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(
        mass=mass, energy=energy, percent=percent, whole=whole, clock=clock_text, lasting=lasting
    )
    made.globals.update(
        asset=asset,
        here=here,
        airflow=airflow,
        run_page=run_page,
        written=written,
        release=__version__,
        has_plotly=has_plotly,
        no_plotly=NO_PLOTLY,
        unknown=UNKNOWN,
    )
    return made


def here(path: str = "") -> str:
    """Return the address of one of our pages."""
    return f"{API_ROOT_PATH}{PREFIX}/{path}"


def asset(name: str) -> str:
    """Return the address of a file, which changes with its content."""
    folder = "" if name == "plotly.js" else "static/"
    return f"{here(folder + name)}?v={version(name)}"


def airflow(
    dag_id: str, run_id: str | None = None, task_id: str | None = None, index: int = -1
) -> str:
    """Return the address of a DAG, a run or a task instance in Airflow's grid."""
    parts = ["dags", dag_id]
    parts += ["runs", run_id] if run_id is not None else []
    parts += ["tasks", task_id] if task_id is not None else []
    parts += ["mapped", str(index)] if index >= 0 and task_id is not None else []
    return API_ROOT_PATH + "/".join(quote(part, safe="") for part in parts)


def run_page(key: RunKey) -> str:
    """Return the address of a try's own page."""
    query = run_query(
        dag_id=key.dag_id,
        task_id=key.task_id,
        run_id=key.run_id,
        map_index=key.map_index,
        try_number=key.try_number,
    )
    return f"{here('run')}?{query}"


def mass(grams: float | None, *, signed: bool = False) -> str:
    """Write a mass; a minus sign that is one."""
    return (
        UNKNOWN if grams is None else mass_text(grams, signed=signed).replace("-", "\N{MINUS SIGN}")
    )


def energy(kwh: float | None) -> str:
    """Write an energy."""
    return UNKNOWN if kwh is None else energy_text(kwh)


def percent(value: float | None) -> str:
    """Write a signed percentage."""
    if value is None:
        return UNKNOWN
    return f"{value:+.0f} %".replace("-", "\N{MINUS SIGN}")


def whole(value: float | None, unit: str = "") -> str:
    """Write a number to the nearest whole."""
    return (
        UNKNOWN
        if value is None
        else f"{value:,.0f}{unit}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    )


def clock_text(at: datetime | None, how: str = "%d %b %Y, %H:%M") -> str:
    """Write an instant, UTC."""
    return UNKNOWN if at is None else f"{at:{how}}"


def lasting(length: timedelta) -> str:
    """Write a length of time in its two largest units."""
    return length_text(length, most=2)
