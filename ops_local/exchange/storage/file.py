"""The SQLite file of the store: transactions, and records in and out.

It is committed before a response is sent. WAL without a sync per commit survives a kill of
the process, but not of the machine. One process owns the file; SQLite refuses a second one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ops_local.exchange.storage.rows import (
    TABLE_OF,
    Record,
    RecordType,
    from_row,
    to_row,
    upsert,
)
from ops_local.exchange.storage.schema import TABLES
from ops_local.exchange.storage.upgrade import ensure_schema


class StoreFile:
    """Reads and writes records; contains no rules. Not thread safe."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=1)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
            self._connection.execute(f"PRAGMA {pragma}")
        ensure_schema(self._connection)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end of the block, or roll back."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def save(self, record: Record) -> None:
        """Insert a record, or overwrite the one with the same key."""
        self._connection.execute(upsert(type(record)), to_row(record))

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table, in a fixed order, so that two runs can be compared."""
        return {
            table: [
                dict(row)
                for row in self._connection.execute(f"SELECT * FROM {table} ORDER BY {key}")
            ]
            for table, key in TABLES.items()
        }

    def _all(self, kind: type[RecordType], where: str, *values: object) -> list[RecordType]:
        rows = self._connection.execute(f"SELECT * FROM {TABLE_OF[kind]} WHERE {where}", values)
        return [from_row(kind, row) for row in rows]

    def _first(self, kind: type[RecordType], where: str, *values: object) -> RecordType | None:
        found = self._all(kind, where, *values)
        return found[0] if found else None

    def _number(self, query: str, *values: object) -> int:
        return int(self._connection.execute(query, values).fetchone()[0])
