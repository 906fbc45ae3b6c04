"""What the reference says, read off the package: each topic is a function that returns Markdown."""

from __future__ import annotations

import argparse
import inspect
from enum import StrEnum
from functools import partial
from importlib import import_module
from pkgutil import walk_packages
from typing import TYPE_CHECKING, Any, Final

from sphinx.pycode import ModuleAnalyzer

import airflow_carbon
from airflow_carbon.cli import main as cli
from airflow_carbon.core.errors import CarbonError
from airflow_carbon.ledger import schema
from airflow_carbon.ledger.meanings import MEANINGS
from airflow_carbon.operators import metrics as counted
from airflow_carbon.provider_info import get_provider_info

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

APART: Final = ("airflow_carbon.ledger.migrations", "airflow_carbon.measure", "__main__")
"""What runs when it is imported."""

SHELL: Final = ("decorators", "listener", "notifications", "notifiers", "plugin", "timetables")
"""Rooms of the shell whose modules ``provider_info`` need not list."""

SOURCES: Final = {
    "electricity_maps": "Electricity Maps",
    "watttime": "WattTime",
    "carbon_aware_sdk": "Carbon Aware SDK",
    "replay": "Replay of a file",
    "archive": "The archive of forecasts",
}
"""How the connection's fields of a source begin, and what the source is called."""


def classes(*kinds: str) -> str:
    """Return the public classes of what ``provider_info`` lists under these kinds."""
    return "\n".join(_entry(one) for kind in kinds for one in _of_kind(kind))


def decorators() -> str:
    """Return the task decorators, and the operators that they make."""
    lines = []
    for made in get_provider_info().get("task-decorators", ()):
        module, name = made["class-name"].rsplit(".", 1)
        lines += [
            f"## `@task.{made['name']}`",
            "",
            _automatic(getattr(import_module(module), name)),
        ]
        lines += [
            _automatic(one) for one in _own_classes(module) if one.__name__.endswith("Operator")
        ]
    return "\n".join(lines)


def names(of: str) -> str:
    """Return the public names that ``provider_info`` does not list: of the shell, or the others."""
    listed = {one for kind in get_provider_info() for one in _of_kind(kind)}
    public = (getattr(airflow_carbon, name) for name in airflow_carbon.__all__)
    rest = [one for one in public if callable(one) and one not in listed]
    return "\n".join(_entry(one) for one in rest if _is_of_the_shell(one) == (of == "shell"))


def values(*modules: str) -> str:
    """Return the public classes of modules of the core, named by commas."""
    paths = [name for text in modules for name in text.split(",")]
    return "\n".join(_entry(one, members=True) for path in paths for one in _own_classes(path))


def connection() -> str:
    """Return the fields of the connection type, by source."""
    (carbon,) = (
        one for one in get_provider_info()["connection-types"] if one["connection-type"] == "carbon"
    )
    rows: dict[str, list[list[str]]] = {"All sources": []} | {one: [] for one in SOURCES.values()}
    for name, field in carbon["conn-fields"].items():
        source = next(
            (word for key, word in SOURCES.items() if name.startswith(key)), "All sources"
        )
        limits = field["schema"]
        allowed = " ".join(f"`{word}`" for word in limits.get("enum", ()) if word)
        default = limits.get("default")
        shown = "" if default in ("", None) else f"`{str(default).lower()}`"
        told = " ".join(filter(None, (f"{field['label']}.", field["description"])))
        rows[source].append([f"`{name}`", _cell(told), allowed, shown])
    heads = ["field", "meaning", "one of", "default"]
    return "\n".join(
        f"## {source}\n\n{_table(heads, some)}\n" for source, some in rows.items() if some
    )


def configuration() -> str:
    """Return the options of Airflow's configuration."""
    lines = []
    for section, about in get_provider_info()["config"].items():
        lines += [f"## `[{section}]`", "", about["description"], ""]
        rows = []
        for name, option in about["options"].items():
            variable = f"AIRFLOW__{section}__{name}".upper()
            told = _cell(option["description"])
            rows.append([f"`{name}`", told, _code(option.get("example")), f"`{variable}`"])
        lines += [_table(["option", "meaning", "example", "environment variable"], rows), ""]
    return "\n".join(lines)


def tables() -> str:
    """Return the ledger's tables and columns."""
    documented = ModuleAnalyzer.for_module(schema.__name__).find_attr_docs()
    lines = []
    for table in schema.metadata.tables.values():
        about = " ".join(documented[("", table.name)]).strip()
        rows = [
            [
                f"`{column.name}`",
                str(column.type).lower().replace("(", " (")
                + (", key" if column.primary_key else ""),
                "yes" if column.nullable else "",
                _cell(MEANINGS[column.name]),
            ]
            for column in table.columns
        ]
        lines += [f"## `{table.name}`", "", about, ""]
        lines += [_table(["column", "type", "may be null", "meaning"], rows), ""]
    return "\n".join(lines)


def error_tree() -> str:
    """Return the tree of errors, a line each."""
    _import_all()
    return "\n".join(["```text", *_tree(CarbonError), "```"])


def errors() -> str:
    """Return each error, with its facts."""
    _import_all()
    return "\n".join(_entry(error) for error in _below(CarbonError))


def metrics() -> str:
    """Return the metrics that runs are counted in."""
    documented = ModuleAnalyzer.for_module(counted.__name__).find_attr_docs()
    rows = []
    for name, unit in counted.UNITS.items():
        constant = next(key for key, value in vars(counted).items() if value == name)
        about = (
            " ".join(documented[("", constant)]).split("Reference:")[0].replace("``", "`").strip()
        )
        rows.append([f"`{name}`", unit, f"`airflow.{name}`", _cell(about)])
    return _table(["OpenTelemetry", "unit", "StatsD, with Airflow's default prefix", "what"], rows)


def words() -> str:
    """Return every enumeration of the package: the words that plans, XComs and rows have."""
    lines = []
    for kind in _all_words():
        documented = ModuleAnalyzer.for_module(kind.__module__).find_attr_docs()
        told = {word: " ".join(documented.get((kind.__name__, word.name), ())) for word in kind}
        lines += [f"## {kind.__name__}", "", _first_line(kind), f"`{kind.__module__}`", ""]
        if any(told.values()):
            rows = [[f"`{word.value}`", _cell(about)] for word, about in told.items()]
            lines += [_table(["word", "meaning"], rows), ""]
        else:
            lines += [", ".join(f"`{word.value}`" for word in kind), ""]
    return "\n".join(lines)


def commands() -> str:
    """Return the help of every command, as its parser prints it."""
    return "\n".join(_help(cli._parser()))  # noqa: SLF001 - what is printed is what is public


def _help(parser: argparse.ArgumentParser) -> Iterator[str]:
    parser.formatter_class = partial(parser.formatter_class, width=96)  # type: ignore[assignment]
    yield f"## `{parser.prog}`\n\n```text\n{parser.format_help().rstrip()}\n```\n"
    for action in parser._actions:  # noqa: SLF001 - argparse has no other way to walk its commands
        if isinstance(action, argparse._SubParsersAction):  # noqa: SLF001
            for command in action.choices.values():
                yield from _help(command)


def _modules() -> list[str]:
    found = walk_packages(airflow_carbon.__path__, "airflow_carbon.")
    return [one.name for one in found if not any(part in one.name for part in APART)]


def _import_all() -> None:
    for name in _modules():
        import_module(name)


def _all_words() -> list[type[StrEnum]]:
    _import_all()
    ours = [one for one in StrEnum.__subclasses__() if one.__module__.startswith("airflow_carbon.")]
    return sorted(ours, key=lambda one: (one.__name__, one.__module__))


def _of_kind(kind: str) -> list[type]:
    """Return the classes of the modules that ``provider_info`` lists, in its order."""
    listed = get_provider_info().get(kind, ())
    modules = [
        module
        for one in listed
        if isinstance(one, dict)
        for module in one.get("python-modules", ())
    ]
    return [found for module in modules for found in _own(module)]


def _is_of_the_shell(one: Any) -> bool:
    return one.__module__.split(".")[1] in SHELL


def _own(module: str) -> list[Any]:
    """Return a module's own public classes, and its functions that the package exports."""
    home = import_module(module)
    mine = [one for one in vars(home).values() if getattr(one, "__module__", None) == module]
    return [
        one
        for one in mine
        if (inspect.isclass(one) and not one.__name__.startswith("_"))
        or getattr(one, "__name__", None) in airflow_carbon.__all__
    ]


def _own_classes(module: str) -> list[type]:
    return [one for one in _own(module) if inspect.isclass(one)]


def _below(error: type[CarbonError]) -> Iterator[type[CarbonError]]:
    """Yield an error and those below it; a private one only joins what is below it."""
    if not error.__name__.startswith("_"):
        yield error
    for one in sorted(error.__subclasses__(), key=lambda one: one.__name__.lstrip("_")):
        yield from _below(one)


def _tree(error: type[CarbonError], indent: str = "") -> Iterator[str]:
    private = error.__name__.startswith("_")
    if not private:
        yield f"{indent + error.__name__:<34} {_first_line(error).replace('``', '')}"
    for one in sorted(error.__subclasses__(), key=lambda one: one.__name__.lstrip("_")):
        yield from _tree(one, indent if private else indent + "  ")


def _first_line(one: Any) -> str:
    return (inspect.getdoc(one) or "").split("\n")[0]


def _entry(one: Any, *, members: bool = False) -> str:
    return f"## {one.__name__}\n\n{_automatic(one, members=members)}"


def _automatic(one: Any, *, members: bool = False) -> str:
    """Return Sphinx's own directive for a class or a function."""
    kind = "autoclass" if inspect.isclass(one) else "autofunction"
    options = "   :members:\n" if members else ""
    return f"```{{eval-rst}}\n.. {kind}:: {one.__module__}.{one.__qualname__}\n{options}```\n"


def _table(heads: list[str], rows: list[list[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").strip()


def _code(text: str | None) -> str:
    return f"`{_cell(text)}`" if text else ""


TOPICS: Final[dict[str, Callable[..., str]]] = {
    one.__name__: one
    for one in (
        classes,
        commands,
        configuration,
        connection,
        decorators,
        error_tree,
        errors,
        metrics,
        names,
        tables,
        values,
        words,
    )
}
