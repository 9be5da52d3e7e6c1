"""Verbs with many parts: one that cannot be read is a finding, and the others are shown."""

from collections.abc import Callable, Iterable, Sequence

from ops_local.summary import Part
from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.execution.isolation import isolated_in, what_failed

_NOT_KNOWN = "problem"

Look = Callable[[], list[Row]]


def looked(tx: Transaction, looks: Iterable[tuple[str, Look]]) -> list[Part]:
    """What each look finds, under its title."""
    return [Part(title, alone(tx, look)) for title, look in looks]


def alone(tx: Transaction, look: Look) -> list[Row]:
    """What a look finds; that it raised is a finding too."""
    found = isolated_in(tx, look)
    if isinstance(found, Exception):
        return [not_known(found)]
    return found


def not_known(error: Exception) -> Row:
    """The one row of a part that could not be read."""
    return {_NOT_KNOWN: f"not known: {what_failed(error)}"}


def is_known(parts: Sequence[Part]) -> bool:
    """Whether each part could be read."""
    return not any(_NOT_KNOWN in row for part in parts for row in part.rows)
