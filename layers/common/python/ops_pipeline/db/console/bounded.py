"""Keeps long values at the server: a statement that selects them gives NULL in their place.

A value may be a gigabyte. To send it the server writes it as text and copies that into a message,
three gigabytes in all. Its stored size is known without any copy, so rows whose values are
together longer than an answer may be are emptied before they are written as text.
"""

from collections.abc import Sequence

from ops_pipeline.db.console.protocol import Column, QueryResult
from ops_pipeline.db.migrations.lexer import split, tokens_of
from ops_pipeline.errors import InvalidInput

_ANY_LENGTH = -1
# Statistics of columns (pg_stats); a CASE cannot return them, and only the catalog makes them.
_ANY_ARRAY = 2277
_SELECTS = ("select", "values", "table", "with", "(")
# Postgres's most is 1,664, and one is added.
_MOST_COLUMNS = 1_600


def with_bounded_values(sql: str, columns: Sequence[Column], most_bytes: int) -> str | None:
    """The statement with a last column that says whether the row was emptied for its length.

    None where no column can be long, or the statement selects nothing (SHOW, EXPLAIN).

    Raises:
        InvalidInput: it has too many columns.
    """
    long = [number for number, column in enumerate(columns, start=1) if _may_be_long(column)]
    if not long or tokens_of(sql)[0] not in _SELECTS:
        return None
    if len(columns) > _MOST_COLUMNS:
        raise InvalidInput(f"more than {_MOST_COLUMNS} columns")
    names = [f"c{number}" for number in range(1, len(columns) + 1)]
    sizes = " + ".join(f"coalesce(pg_catalog.pg_column_size(c{n}), 0)::int8" for n in long)
    shown = [
        f"CASE WHEN long_row THEN NULL ELSE {name} END" if number in long else name
        for number, name in enumerate(names, start=1)
    ]
    # OFFSET 0: a subquery that is merged into the outer one would compute its values again.
    return (
        f"SELECT {', '.join(shown)}, long_row FROM (SELECT {', '.join(names)}, "
        f"{sizes} > {most_bytes} AS long_row FROM (SELECT * FROM (\n{_bare(sql)}\n) AS asked "
        f"OFFSET 0) AS named ({', '.join(names)}) OFFSET 0) AS sized"
    )


def cut_at_emptied_row(answer: QueryResult, columns: Sequence[Column]) -> None:
    """Take the added column out, and end the rows before the first that was emptied."""
    for number, row in enumerate(answer.rows):
        if row.pop() == "t":
            del answer.rows[number:]
            answer.cut = True
            break
    answer.columns = list(columns)


def _may_be_long(column: Column) -> bool:
    return column.size == _ANY_LENGTH and column.oid != _ANY_ARRAY


def _bare(sql: str) -> str:
    """The one statement without the semicolon and the comments behind it."""
    return split(sql)[0].text
