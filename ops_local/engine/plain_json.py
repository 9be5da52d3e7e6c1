"""Fast copies of JSON: state machines pass nothing else between states, and copy it each time."""

import copy
import marshal
from typing import Any


def copied(value: Any) -> Any:
    """As `copy.deepcopy`, but much faster for plain values in dicts and lists."""
    try:
        return marshal.loads(marshal.dumps(value))  # noqa: S302 - what was dumped just here
    except ValueError:
        return copy.deepcopy(value)
