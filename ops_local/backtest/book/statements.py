"""Which function answers which statement of `ops_pipeline.db`.

A statement is known by the text that the db module holds: what is changed there is changed
here by its name alone, so tests hold both stores against each other.
"""

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from ops_local.backtest.book.tables import Row

if TYPE_CHECKING:
    from ops_local.backtest.book.book import Book

# The rows that a statement returns or, as a number, those that it touched.
Answer = list[Row] | int
Values = Mapping[str, Any]
Statement = Callable[["Book", Values], Answer]
T = TypeVar("T", bound=Statement)

_KNOWN: dict[str, Statement] = {}


class NotInMemory(BaseException):
    """A statement that no function answers here; no stage takes it for one item's failure."""


def answers(module: str, *names: str) -> Callable[[T], T]:
    """Register a function for the statements that a module of `ops_pipeline.db` holds by name."""

    def register(function: T) -> T:
        held = import_module(f"ops_pipeline.db.{module}")
        for name in names:
            _KNOWN[getattr(held, name)] = function
        return function

    return register


def run(book: "Book", sql: str, values: Values) -> Answer:
    """Answer one statement.

    Raises:
        NotInMemory: it has no function here.
    """
    known = _KNOWN.get(sql)
    if known is None:
        raise NotInMemory(f"not known in memory: {' '.join(sql.split())[:200]}")
    return known(book, values)


def known() -> frozenset[str]:
    """The texts of all statements that have a function."""
    return frozenset(_KNOWN)
