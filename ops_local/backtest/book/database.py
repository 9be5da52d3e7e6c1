"""Units of work on a book in memory, for stages that are written for Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager

from ops_local.backtest.book.all_statements import run
from ops_local.backtest.book.book import Book
from ops_local.backtest.book.tables import Row
from ops_pipeline.db.driver.connection import Transaction


class MemoryTransaction(Transaction):
    """The statements of one unit of work, each done at once."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def begin(self) -> None:
        """Nothing has to begin."""

    def rows(self, sql: str, **values: object) -> list[Row]:
        found = run(self._book, sql, values)
        if isinstance(found, int):
            raise TypeError(f"this statement returns no rows: {' '.join(sql.split())[:100]}")
        return found

    def execute(self, sql: str, **values: object) -> int:
        found = run(self._book, sql, values)
        return found if isinstance(found, int) else len(found)

    def enqueue(self, sql: str, **values: object) -> None:
        """Done at once too: what it raises comes no later than Postgres would tell it."""
        run(self._book, sql, values)

    def flush(self) -> None:
        """Nothing waits."""

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        before = len(self._book.undo.steps)
        try:
            yield
        except Exception:
            self._book.undo.roll_back(before)
            raise


class MemoryDatabase:
    """As `db.driver.connection.Database`, on one book; also without a lease to lose."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._inside = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """A unit of work: an error within takes back what was done in it."""
        if self._inside:
            raise RuntimeError("a unit of work is open already: units do not nest")
        self._inside = True
        try:
            yield MemoryTransaction(self._book)
        except BaseException:
            self._book.undo.roll_back()
            raise
        finally:
            self._inside = False
            self._book.undo.steps.clear()
