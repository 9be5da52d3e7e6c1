"""Reads files that a person gives: what is wrong with one is a sentence that names it."""

import csv
import io
import json
import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ops_pipeline.errors import InvalidInput

_MIB = 2**20


def bytes_of(path: Path, *, most_bytes: int) -> bytes:
    """What is in a file, or comes from a pipe or device, whose length nobody tells before.

    Raises:
        InvalidInput: it is longer than that.
        OSError: it is not there or may not be read.
    """
    with path.open("rb") as opened:
        content = opened.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise InvalidInput(f"{path} is longer than {most_bytes} bytes")
    return content


def text_of(path: Path, *, most_bytes: int = 64 * _MIB) -> str:
    """The text of a UTF-8 file, without the mark that some editors put before it.

    Raises:
        InvalidInput: it is longer than that, or no UTF-8.
        OSError: it is not there or may not be read.
    """
    content = bytes_of(path, most_bytes=most_bytes)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{path}: no UTF-8 text at byte {error.start}") from None


def json_of(path: Path) -> Any:
    """Raises InvalidInput where it is no JSON; else as text_of."""
    text = text_of(path)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: not JSON: {error}") from None


def toml_of(path: Path, *, most_bytes: int) -> dict[str, Any]:
    """Raises InvalidInput where it is no TOML; else as text_of."""
    text = text_of(path, most_bytes=most_bytes)
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"{path}: {error}") from None


def csv_rows(
    path: Path, *, columns: Collection[str], required: Collection[str], most_bytes: int = 64 * _MIB
) -> Iterator[tuple[int, dict[str, str | None]]]:
    """Each row of a CSV with a header, and the number of its last line.

    A row with more fields than the header has them under the name None.

    Raises:
        InvalidInput: the header has other columns, or lacks a required one; it is no CSV.
    """
    text = text_of(path, most_bytes=most_bytes)
    rows = csv.DictReader(io.StringIO(text, newline=""))
    try:
        _require_columns(path, rows.fieldnames or (), columns, required)
        for row in rows:
            yield rows.line_num, row
    except csv.Error as error:
        raise InvalidInput(f"{path}, line {rows.line_num}: no CSV: {error}") from None


def _require_columns(
    path: Path, header: Collection[str], columns: Collection[str], required: Collection[str]
) -> None:
    if set(required) <= set(header) <= set(columns) and len(set(header)) == len(header):
        return
    optional = ", ".join(name for name in columns if name not in required)
    others = f", and may have {optional}" if optional else " alone"
    raise InvalidInput(
        f"{path}: the header must have {' and '.join(required)}{others}; "
        f"it has {', '.join(header) or 'nothing'}"
    )
