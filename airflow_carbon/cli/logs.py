"""Airflow writes its log on standard output; a command's output is for what was asked alone."""

from __future__ import annotations

import logging
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from airflow_carbon.cli.airflow_side import import_airflow

if TYPE_CHECKING:
    from collections.abc import Iterator, MutableMapping


@contextmanager
def sentences_on_stderr(level: int = logging.WARNING) -> Iterator[None]:
    """Have what Airflow and this package log from a level on printed as sentences on stderr."""
    import_airflow()  # it sets logging up, to be changed here
    import structlog  # noqa: PLC0415 - Airflow's

    root, theirs, before = logging.getLogger(), structlog.get_config(), logging.getLogger().level
    terminals = [one for one in root.handlers if type(one) is logging.StreamHandler]
    ours = logging.StreamHandler(sys.stderr)
    ours.setFormatter(_Sentence("%(message)s"))
    structlog.configure(
        processors=[_sentence],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    for one in terminals:
        root.removeHandler(one)
    root.addHandler(ours)
    root.setLevel(level)
    try:
        yield
    finally:
        root.setLevel(before)
        root.removeHandler(ours)
        for one in terminals:
            root.addHandler(one)
        structlog.configure(**theirs)


class _Sentence(logging.Formatter):
    def formatException(self, ei: object) -> str:  # noqa: ARG002, N802 - logging's own name
        return ""

    def formatStack(self, stack_info: str) -> str:  # noqa: ARG002, N802 - likewise
        return ""


def _sentence(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    return str(event["event"])
