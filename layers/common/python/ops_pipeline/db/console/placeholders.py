"""Values for placeholders: a JSON list for `$1`, `$2`, or a JSON object for `:name`."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ops_pipeline.db.migrations.lexer import SqlUnreadable, placeholders
from ops_pipeline.errors import InvalidInput

# The protocol counts them in 16 bits.
_MOST_VALUES = 65_535


@dataclass(frozen=True, slots=True)
class Bound:
    """A statement with `$1` placeholders and their values, as Postgres's text.

    Attributes:
        shifts: For each `:name` that became `$n` the position behind it in `sql`, from 1, and
            what to add from there on to get the position in the original.
    """

    sql: str
    values: tuple[str | None, ...] = ()
    shifts: tuple[tuple[int, int], ...] = ()

    def original(self, position: int) -> int:
        """The position in the statement as it was given."""
        shift = 0
        for start, by in self.shifts:
            if position >= start:
                shift = by
        return position + shift


def bind(sql: str, params: object) -> Bound:
    """Bind the values to the statement's placeholders.

    Raises:
        InvalidInput: params are neither a list nor an object, or contain what is not JSON.
    """
    try:
        match params:
            case None:
                return Bound(sql)
            case list() if len(params) <= _MOST_VALUES:
                return Bound(sql, tuple(map(_as_text, params)))
            case list():
                raise InvalidInput(f"params are more than {_MOST_VALUES} values")
            case dict() if all(isinstance(name, str) for name in params):
                return _by_name(sql, params)
    except RecursionError:
        raise InvalidInput("params are nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"params hold what is no JSON: {error}") from None
    raise InvalidInput("params must be a list, for $1, $2, or an object, for :name")


def _by_name(sql: str, params: Mapping[str, object]) -> Bound:
    try:
        places = list(placeholders(sql))
    except SqlUnreadable as error:
        raise InvalidInput(f"sql {error}") from None
    # A slice of an array looks the same: `[1:n]` is one where n is no parameter.
    places = [place for place in places if place[0] in params]
    names = list(dict.fromkeys(name for name, _, _ in places))
    if unused := sorted(params.keys() - set(names)):
        raise InvalidInput(f"params has {', '.join(unused)}, which the statement does not name")
    pieces: list[str] = []
    shifts: list[tuple[int, int]] = []
    copied = length = 0
    for name, begin, end in places:
        piece = sql[copied:begin] + f"${names.index(name) + 1}"
        pieces.append(piece)
        length += len(piece)
        copied = end
        shifts.append((length + 1, copied - length))
    pieces.append(sql[copied:])
    return Bound("".join(pieces), tuple(_as_text(params[name]) for name in names), tuple(shifts))


def _as_text(value: object) -> str | None:
    """Postgres's text of a JSON value; Postgres infers the type from the context."""
    match value:
        case None:
            return None
        case str():
            return _clean(value)
        case list():
            return _array(value)
        case dict():
            return _clean(json.dumps(value))
    return json.dumps(value)


def _array(values: Sequence[object]) -> str:
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: object) -> str:
    if isinstance(value, list):
        return _array(value)
    text = _as_text(value)
    if text is None:
        return "NULL"
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _clean(text: str) -> str:
    try:
        encoded = text.encode()
    except UnicodeEncodeError:
        raise InvalidInput("params holds what is not Unicode text") from None
    if b"\0" in encoded:
        raise InvalidInput("params holds a NUL character")
    return text
