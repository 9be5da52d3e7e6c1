"""Text as Postgres stores it: a NUL and half a surrogate pair fit no column."""

import re
from collections.abc import Mapping

_ILLEGIBLE = re.compile("[\x00\ud800-\udfff]")
_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


def is_legible(text: str) -> bool:
    return _ILLEGIBLE.search(text) is None


def legible(text: str) -> str:
    """The text with each NUL and each lone surrogate replaced."""
    return _ILLEGIBLE.sub(_REPLACEMENT, text)


def legible_values(value: object) -> object:
    """The same of every text in what JSON will hold."""
    match value:
        case str():
            return legible(value)
        case Mapping():
            return {legible_values(key): legible_values(item) for key, item in value.items()}
        case list() | tuple():
            return [legible_values(item) for item in value]
        case _:
            return value
