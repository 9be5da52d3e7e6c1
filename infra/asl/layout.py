"""Readable JSON: whatever fits on one line is written on one."""

import json
from collections.abc import Iterable
from typing import Any

_WIDTH = 120
_INDENT = 2


def text_of(value: Any) -> str:
    """The file's text; parsing it gives the value back."""
    return _text(value, indent=0, taken=0) + "\n"


def _text(value: Any, *, indent: int, taken: int) -> str:
    """Lay a value out.

    Args:
        indent: Indentation of the value's own line.
        taken: Columns already used on that line.
    """
    on_a_line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or taken + len(on_a_line) <= _WIDTH:
        return on_a_line
    inner = indent + _INDENT
    if isinstance(value, list):
        parts = [_text(item, indent=inner, taken=inner + 1) for item in value]
        return _block("[", parts, "]", indent)
    parts = [_member(key, item, inner) for key, item in value.items()]
    return _block("{", parts, "}", indent)


def _member(key: str, value: Any, indent: int) -> str:
    before = f"{json.dumps(key)}: "
    return before + _text(value, indent=indent, taken=indent + len(before) + 1)


def _block(opening: str, parts: Iterable[str], closing: str, indent: int) -> str:
    margin = " " * (indent + _INDENT)
    inside = ",\n".join(margin + part for part in parts)
    return f"{opening}\n{inside}\n{' ' * indent}{closing}"
