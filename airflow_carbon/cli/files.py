"""Files of rows."""

from __future__ import annotations

import csv
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_carbon.core.errors import MissingExtraError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path


def write_csv(file: Path, columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> int:
    """Write a header and a line a row, instants as ISO 8601, None as nothing; return how many."""
    count = 0
    with file.open("w", newline="", encoding="utf-8") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(columns)
        for row in rows:
            writer.writerow([_text(row[name]) for name in columns])
            count += 1
    return count


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def write_parquet(
    file: Path, columns: Mapping[str, type], rows: Iterable[Mapping[str, Any]], at_a_time: int
) -> int:
    """Write Parquet, instants as microseconds in UTC, so many rows a group; return how many.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - not everybody has it
        from pyarrow import parquet  # noqa: PLC0415
    except ModuleNotFoundError as exc:
        raise MissingExtraError("dashboard", exc.name or "pyarrow") from exc
    kinds = {
        str: pa.string(),
        int: pa.int64(),
        float: pa.float64(),
        datetime: pa.timestamp("us", tz="UTC"),
    }
    schema = pa.schema([(name, kinds[kind]) for name, kind in columns.items()])
    left, count = iter(rows), 0
    with parquet.ParquetWriter(file, schema) as writer:
        while group := list(islice(left, at_a_time)):
            writer.write_table(pa.Table.from_pylist(group, schema=schema))
            count += len(group)
    return count
