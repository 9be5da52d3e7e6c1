"""Compares two databases: every table, row by row, matched by natural keys.

Ids are derived from natural keys, so a table's primary key is one, except for the tables in
`_NATURAL_KEYS`, whose serial numbers mean nothing in another replay.
"""

import json
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from pg8000.native import identifier

from ops_local.comparison.measured import left_out
from ops_local.database import DatabaseUrls
from ops_pipeline.db.driver.connection import Database, Row, Transaction, target_from_url

Kind = Literal["only in A", "only in B", "differs"]

_NATURAL_KEYS = {
    "dispatch_recommendations": ("ts", "account_name", "ticker", "action", "instrument_type"),
    "pipeline_runs": ("stage", "tick", "scope"),
    "dispatcher_runs": ("account_name", "tick"),
    "parameter_versions": ("checksum",),
    "alerts": ("kind", "scope", "subject", "opened_at"),
    "inbound_events_raw": ("event_uid",),
}

# Columns that tell a person which row an id stands for.
_LABELS = ("account_name", "symbol", "ticker", "stage")
_MOST_COLUMNS = 4

_COLUMNS = """
SELECT c.relname AS table_name, a.attname AS column_name,
       -- Counts from 0; the columns that a key merely includes stand behind its own.
       array_position(CAST(i.indkey AS smallint[]), a.attnum) < i.indnkeyatts AS in_key
FROM pg_class AS c
JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = 'public'
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary
-- An unlogged table holds rows within a transaction only, and the reader may not read it.
WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 'u'
ORDER BY c.relname COLLATE "C", a.attnum
"""


@dataclass(frozen=True, slots=True)
class RowDifference:
    """One row that differs between the two, or one table, which has no key and no rows.

    Attributes:
        key: The row's natural key, as JSON values; empty for a whole table.
        columns: Those that differ, sorted; empty when only one database has the row.
        a, b: The row as JSON values; None where it is missing.
    """

    table: str
    kind: Kind
    key: dict[str, Any]
    columns: tuple[str, ...]
    a: Row | None
    b: Row | None

    def __str__(self) -> str:
        row = self.a or self.b or {}
        named = [row[name] for name in _LABELS if name in row and name not in self.key]
        where = " ".join(map(str, [self.table, *self.key.values(), *named]))
        if self.a is None or self.b is None:
            return f"{where}: {self.kind}"
        shown = [
            f"{name} {_short(self.a[name])} | {_short(self.b[name])}"
            for name in self.columns[:_MOST_COLUMNS]
        ]
        more = len(self.columns) - len(shown)
        return f"{where}: {', '.join(shown)}{f', {more} columns more' if more else ''}"


def differences(
    urls_a: DatabaseUrls, urls_b: DatabaseUrls, *, after_kill: bool = False
) -> list[RowDifference]:
    """Every difference of two databases, by table and key.

    Args:
        after_kill: One of them was killed and resumed: leave out attempts and leases too.
    """
    with reading(urls_a.reader) as a, reading(urls_b.reader) as b:
        return compared(a, b, after_kill=after_kill)


@contextmanager
def reading(url: str) -> Iterator[Transaction]:
    """A read-only unit of work with its own login."""
    database = Database(target_from_url(url), application_name="ops-compare", read_only=True)
    with closing(database), database.transaction() as tx:
        yield tx


def compared(a: Transaction, b: Transaction, *, after_kill: bool = False) -> list[RowDifference]:
    """Compare two open databases; see `differences`."""
    tables_a, tables_b = _tables(a), _tables(b)
    found: list[RowDifference] = []
    for name in sorted({*tables_a, *tables_b}):
        passed_over = left_out(name, after_kill=after_kill)
        if passed_over is None:
            continue
        columns_a, columns_b = tables_a.get(name, {}), tables_b.get(name, {})
        if columns_a != columns_b:
            found.append(_whole_table(name, columns_a, columns_b))
            continue
        key = _NATURAL_KEYS.get(name) or tuple(c for c, in_key in columns_a.items() if in_key)
        columns = [column for column in columns_a if column not in passed_over]
        if _digest(a, name, columns) != _digest(b, name, columns):
            rows = list(_row_by_row(a, b, name, columns, key or tuple(columns)))
            # Rows without a key may differ only in how often they occur.
            found += rows or [RowDifference(name, "differs", {}, (), None, None)]
    return found


def _tables(tx: Transaction) -> dict[str, dict[str, bool]]:
    """The columns of each table in order, and whether they are in its primary key."""
    tables: dict[str, dict[str, bool]] = {}
    for row in tx.rows(_COLUMNS):
        tables.setdefault(row["table_name"], {})[row["column_name"]] = bool(row["in_key"])
    return tables


def _whole_table(
    name: str, columns_a: Mapping[str, bool], columns_b: Mapping[str, bool]
) -> RowDifference:
    kind: Kind = "differs" if columns_a and columns_b else "only in A" if columns_a else "only in B"
    return RowDifference(name, kind, {}, tuple(sorted({*columns_a} ^ {*columns_b})), None, None)


def _digest(tx: Transaction, table: str, columns: Collection[str]) -> str | None:
    """One digest of all rows: most tables are equal, and then their rows need not be fetched."""
    found = tx.one(
        "SELECT md5(string_agg(line, '' ORDER BY line COLLATE \"C\")) AS digest "
        f"FROM (SELECT md5(CAST(to_jsonb(t) AS text)) AS line FROM {_part(table, columns)}) AS l"
    )
    return found["digest"] if found else None


def _row_by_row(
    a: Transaction, b: Transaction, table: str, columns: Collection[str], key: tuple[str, ...]
) -> Iterator[RowDifference]:
    rows_a, rows_b = _rows(a, table, columns, key), _rows(b, table, columns, key)
    for text in sorted({*rows_a, *rows_b}):
        row_a, row_b = rows_a.get(text), rows_b.get(text)
        if row_a == row_b:
            continue
        values = dict(zip(key, json.loads(text), strict=True))
        if row_a is None or row_b is None:
            kind: Kind = "only in B" if row_a is None else "only in A"
            yield RowDifference(table, kind, values, (), row_a, row_b)
        else:
            differ = tuple(sorted(name for name in columns if row_a[name] != row_b[name]))
            yield RowDifference(table, "differs", values, differ, row_a, row_b)


def _rows(
    tx: Transaction, table: str, columns: Collection[str], key: tuple[str, ...]
) -> dict[str, Row]:
    """Rows as JSON values (numbers as text, with all their digits) by their key as JSON text."""
    wanted = _part(table, [*columns, *(name for name in key if name not in columns)])
    found: dict[str, Row] = {}
    for line in tx.rows(f"SELECT CAST(to_jsonb(t) AS text) AS line FROM {wanted}"):
        row = json.loads(line["line"], parse_float=str)
        found[json.dumps([row[name] for name in key])] = row
    return found


def _part(table: str, columns: Collection[str]) -> str:
    names = ", ".join(map(identifier, columns))
    return f"(SELECT {names} FROM {identifier(table)}) AS t"


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
