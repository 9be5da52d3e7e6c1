"""Copies of JSON: what a state machine hands on is nothing else, and it copies all the time."""

import copy
import marshal
from typing import Any


def copied(value: Any) -> Any:
    """As `copy.deepcopy`; plain values in dicts and lists in a fraction of its time."""
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - what was dumped just here
    except ValueError:
        return copy.deepcopy(value)
