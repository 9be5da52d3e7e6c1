"""Copies of JSON: what a state machine hands on is nothing else, and it copies all the time."""

import copy
from typing import Any


def copied(value: Any) -> Any:
    """As `copy.deepcopy`, several times as fast on dicts and lists of plain values."""
    if isinstance(value, dict):
        return {name: copied(part) for name, part in value.items()}
    if isinstance(value, list):
        return [copied(part) for part in value]
    if value is None or isinstance(value, str | int | float):
        return value
    return copy.deepcopy(value)
