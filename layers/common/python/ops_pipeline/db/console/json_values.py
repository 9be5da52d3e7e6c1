"""Postgres's text form of a value as exact JSON: no value goes through a float.

Numbers keep every digit, json and jsonb are copied (both become a string where they are
longer or deeper than common readers accept), times become ISO 8601, and everything else
(uuid, inet, interval, ranges, bytea as \\x and hex, NaN, infinity, dates beyond the calendar)
is Postgres's own text as a string.
"""

import re
from collections.abc import Callable
from json.encoder import encode_basestring_ascii

from pg8000 import converters as pg

ToJson = Callable[[str], str]

text_to_json: ToJson = encode_basestring_ascii

_ELEMENT = re.compile(r'"(?P<quoted>(?:[^"\\]|\\.)*)"|(?P<bare>[^{},"]+)|[{},]', re.DOTALL)
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_SHORT_OFFSET = re.compile(r"[+-]\d\d$")
_NOT_FINITE = frozenset(("NaN", "Infinity", "-Infinity"))
# Python's own reader refuses integers with more digits, and runs out of stack at twice the depth.
_MOST_DIGITS = 4300
_DEEPEST = 500
_TOO_LONG = re.compile(rf"\d{{{_MOST_DIGITS + 1}}}")
_JSON_PARTS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]')
_BRACKETS = {"{": "[", "}": "]", ",": ", "}
_OID_ARRAY = 1028


def _as_it_is(text: str) -> str:
    return text


def _number(text: str) -> str:
    return f'"{text}"' if text in _NOT_FINITE or len(text) > _MOST_DIGITS else text


def _json(text: str) -> str:
    if text.count("[") + text.count("{") > _DEEPEST and _depth(text) > _DEEPEST:
        return text_to_json(text)
    if len(text) > _MOST_DIGITS and _TOO_LONG.search(text):
        return text_to_json(text)
    return text


def _depth(text: str) -> int:
    """How deep arrays and objects are nested."""
    now = deepest = 0
    for part in _JSON_PARTS.finditer(text):
        if part.group() in "[{":
            now += 1
            deepest = max(deepest, now)
        elif part.group() in "]}":
            now -= 1
    return deepest


def _boolean(text: str) -> str:
    return "true" if text == "t" else "false"


def _time(text: str) -> str:
    """`2026-02-04 14:31:00+00` becomes `2026-02-04T14:31:00+00:00`."""
    iso = text.replace(" ", "T", 1) if text[-1:].isdigit() else text
    return text_to_json(f"{iso}:00" if _SHORT_OFFSET.search(iso) else iso)


def array_to_json(text: str, element: ToJson) -> str:
    """Turn `{1,NULL,"a b"}` into a JSON array, nested ones too; bounds are left out."""

    def piece(match: re.Match[str]) -> str:
        quoted, bare = match["quoted"], match["bare"]
        if quoted is not None:
            return element(_ESCAPE.sub(r"\1", quoted))
        if bare is not None:
            return "null" if bare == "NULL" else element(bare)
        return _BRACKETS[match.group()]

    return _ELEMENT.sub(piece, text[text.index("{") :])


def array_of(element: ToJson) -> ToJson:
    """The converter of arrays whose elements `element` converts."""
    return lambda text: array_to_json(text, element)


_TIMES = (pg.TIMESTAMP, pg.TIMESTAMPTZ)
_TIME_ARRAYS = (pg.TIMESTAMP_ARRAY, pg.TIMESTAMPTZ_ARRAY)
_NUMBERS = (pg.FLOAT, pg.REAL, pg.NUMERIC)
_NUMBER_ARRAYS = (pg.FLOAT_ARRAY, pg.REAL_ARRAY, pg.NUMERIC_ARRAY)
_INTEGERS = (pg.SMALLINT, pg.INTEGER, pg.BIGINT, pg.OID)
_INTEGER_ARRAYS = (pg.SMALLINT_ARRAY, pg.INTEGER_ARRAY, pg.BIGINT_ARRAY, _OID_ARRAY)
_TEXT_ARRAYS = tuple(
    oid
    for name, oid in vars(pg).items()
    if name.endswith("_ARRAY") and name != "ANY_ARRAY" and isinstance(oid, int)
)

# By the type's oid; all other types, arrays of user-defined types too, are sent as text.
TO_JSON: dict[int, ToJson] = {
    **dict.fromkeys(_TEXT_ARRAYS, array_of(text_to_json)),
    **dict.fromkeys(_TIMES, _time),
    **dict.fromkeys(_TIME_ARRAYS, array_of(_time)),
    **dict.fromkeys(_NUMBERS, _number),
    **dict.fromkeys(_NUMBER_ARRAYS, array_of(_number)),
    **dict.fromkeys(_INTEGERS, _as_it_is),
    **dict.fromkeys(_INTEGER_ARRAYS, array_of(_as_it_is)),
    pg.BOOLEAN: _boolean,
    pg.BOOLEAN_ARRAY: array_of(_boolean),
    **dict.fromkeys((pg.JSON, pg.JSONB), _json),
    **dict.fromkeys((pg.JSON_ARRAY, pg.JSONB_ARRAY), array_of(_json)),
}
