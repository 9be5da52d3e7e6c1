"""The body of an answer: rows as JSON objects, up to a number of rows and bytes."""

from collections.abc import Mapping, Sequence

from ops_pipeline.db.console.json_values import TO_JSON, ToJson, text_to_json
from ops_pipeline.db.console.protocol import QueryResult


def body(answer: QueryResult, own_types: Mapping[int, ToJson], *, rows: int, size: int) -> str:
    """Return `{"success": true, "rows": [...]}`, with `"truncated": true` if rows are missing.

    Args:
        answer: The rows as text.
        own_types: Converters for types that are not Postgres's own.
        rows: How many at most.
        size: How many bytes at most, the body being a string inside JSON.
    """
    keys = [
        f"{text_to_json(name)}: " for name in unique_names([one.name for one in answer.columns])
    ]
    to_json = [
        own_types.get(one.oid) or TO_JSON.get(one.oid, text_to_json) for one in answer.columns
    ]
    pieces: list[str] = []
    used = 0
    for row in answer.rows[:rows]:
        piece = _object(keys, to_json, row)
        # Quotes and backslashes are escaped once more when Lambda sends the body.
        used += len(piece) + piece.count('"') + piece.count("\\") + 2
        if used > size:
            break
        pieces.append(piece)
    cut = len(pieces) < len(answer.rows) or not answer.whole or answer.cut
    truncated = ', "truncated": true' if cut else ""
    return f'{{"success": true, "rows": [{", ".join(pieces)}]{truncated}}}'


def _object(keys: Sequence[str], to_json: Sequence[ToJson], row: Sequence[str | None]) -> str:
    values = [
        key + ("null" if text is None else convert(text))
        for key, convert, text in zip(keys, to_json, row, strict=True)
    ]
    return f"{{{', '.join(values)}}}"


def unique_names(names: Sequence[str]) -> list[str]:
    """Names as keys of one object: the second `n` becomes `n_2`."""
    found: list[str] = []
    taken: set[str] = set()
    given = set(names)
    for name in names:
        unique, number = name, 1
        while unique in taken or (number > 1 and unique in given):
            number += 1
            unique = f"{name}_{number}"
        found.append(unique)
        taken.add(unique)
    return found
