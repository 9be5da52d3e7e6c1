"""Postgres with a book in memory beside it: each statement is asked of both and compared."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pg8000.exceptions import DatabaseError

from ops_local.backtest.book.book import Book, LastBar, MarketKnown, TotalLimits
from ops_local.backtest.book.database import MemoryTransaction
from ops_local.backtest.book.statements import known
from ops_local.backtest.book.tables import Row
from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.db.driver.failures import error_fields
from ops_pipeline.errors import ConstraintViolated

_BARS = """
SELECT DISTINCT ON (ticker) ticker, ts, close FROM lane_telemetry ORDER BY ticker, ts DESC
"""
_TRADED = "SELECT ticker, max(ts) AS ts FROM lane_telemetry WHERE volume > 0 GROUP BY ticker"
_FEATURES = """
SELECT DISTINCT ON (ticker) ticker, ts, computed_at FROM lane_features ORDER BY ticker, ts DESC
"""
_ASKED = "SELECT ticker, upper(minutes) AS until FROM telemetry_asked"
_GUARDED = """
SELECT scope, max(tick) AS tick FROM pipeline_runs
WHERE stage = 'position_manager' AND status = 'succeeded' GROUP BY scope
"""
_LIMITS = "SELECT * FROM total_order_limits"
# Columns of the ledger's row that stand in no order.
_PAIRED = ("symbols", "tickers", "instruments", "costs")
_UNORDERED = ("external", "open_symbols", "closing")


class StoresDiffer(BaseException):
    """No stage may take it for one item's failure and go on."""


def load(book: Book, tx: Transaction) -> None:
    """Fill the book from Postgres: what both then do has to be the same."""
    for name in book.names:
        table = book.table(name)
        columns = ", ".join(table.columns)
        table.load(tx.rows(f"SELECT {columns} FROM {name}"))
    book.market = MarketKnown(
        bars={row["ticker"]: LastBar(row["ts"], row["close"]) for row in tx.rows(_BARS)},
        traded={row["ticker"]: row["ts"] for row in tx.rows(_TRADED)},
        features={row["ticker"]: (row["ts"], row["computed_at"]) for row in tx.rows(_FEATURES)},
        asked_until={row["ticker"]: row["until"] for row in tx.rows(_ASKED)},
        guarded={row["scope"]: row["tick"] for row in tx.rows(_GUARDED)},
    )
    (total,) = tx.rows(_LIMITS)
    book.limits = TotalLimits(
        total["max_orders_per_minute"], total["max_orders_per_day"], total["max_turnover_per_day"]
    )


def differences(book: Book, tx: Transaction, names: Sequence[str] = ()) -> list[str]:
    """Rows that only one of both stores has, in words; of all tables unless some are named."""
    found = []
    for name in names or book.names:
        table = book.table(name)
        stored = tx.rows(f"SELECT {', '.join(table.columns)} FROM {name}")
        there, here = (Counter(map(repr, map(canonical, rows))) for rows in (stored, table))
        found += [f"{name}, only in Postgres: {row}" for row in (there - here).elements()]
        found += [f"{name}, only in memory: {row}" for row in (here - there).elements()]
    return found


def canonical(row: Row) -> list[tuple[str, Any]]:
    """A row whose equal values have equal words."""
    changed = dict(row)
    if "costs" in changed:
        pairs = sorted(map(str, zip(*(changed.pop(name) for name in _PAIRED), strict=True)))
        changed["held"] = pairs
    for name in _UNORDERED:
        if isinstance(changed.get(name), list):
            changed[name] = sorted(changed[name])
    return sorted((name, _plain(value)) for name, value in changed.items())


def _plain(value: Any) -> Any:
    if hasattr(value, "as_tuple"):
        return f"{value.normalize():f}"
    if hasattr(value, "astimezone"):
        return value.timestamp()
    if isinstance(value, list | tuple):
        return [_plain(it) for it in value]
    if isinstance(value, dict):
        return sorted((name, repr(_plain(it))) for name, it in value.items())
    return value


def _constraint(refused: Exception | None) -> str | None:
    """Which constraint refused a row, "a trigger" where none is named."""
    if refused is None:
        return None
    named = getattr(refused, "constraint", None) or error_fields(refused).get("n")
    return named or "a trigger"


def _require(alike: bool, sql: str, values: object, *answers: object) -> None:
    if not alike:
        raise StoresDiffer("\n".join(map(str, (sql, values, *answers))))


class MirroredTransaction(MemoryTransaction):
    """Runs each statement in both; one that only Postgres knows ends the comparison."""

    def __init__(self, book: Book, postgres: Transaction, note: Callable[[str], None]) -> None:
        super().__init__(book)
        self._postgres = postgres
        self._note = note
        self.compared = True

    def rows(self, sql: str, **values: object) -> list[Row]:
        stored = self._postgres.rows(sql, **values)
        if self._is_known(sql):
            told = super().rows(sql, **values)
            one, other = ([canonical(row) for row in rows] for rows in (stored, told))
            if not sql.rstrip().endswith(("DESC", '"C"', "DESC LIMIT 1", "id", ":limit")):
                one, other = sorted(one, key=repr), sorted(other, key=repr)
            _require(one == other, sql, values, one, other)
        return stored

    def execute(self, sql: str, **values: object) -> int:
        stored = self._postgres.execute(sql, **values)
        if self._is_known(sql):
            told = super().execute(sql, **values)
            _require(stored == told, sql, values, stored, told)
        return stored

    def enqueue(self, sql: str, **values: object) -> None:
        """Done at once, so that both refuse at the same statement."""
        refused = self._refused(lambda: self._postgres.execute(sql, **values))
        if self._is_known(sql):
            told = self._refused(lambda: MemoryTransaction.enqueue(self, sql, **values))
            alike = _constraint(refused) == _constraint(told)
            _require(alike, sql, values, refused, told)
        if refused is not None:
            raise refused

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        with self._postgres.savepoint(), super().savepoint():
            yield

    def script(self, sql: str) -> None:
        self._is_known(sql)
        self._postgres.script(sql)

    def copy_in(self, sql: str, lines: Any) -> int:
        self._is_known(sql)
        return self._postgres.copy_in(sql, lines)

    def _refused(self, work: Callable[[], object]) -> Exception | None:
        try:
            work()
        except (DatabaseError, ConstraintViolated) as error:
            return error
        return None

    def _is_known(self, sql: str) -> bool:
        if sql not in known():
            self._note(sql)
            self.compared = False
        return self.compared


class MirroredDatabase(Database):
    """A database whose stages' statements are held against a book in memory.

    Attributes:
        unknown: Statements that only Postgres knows, since they were last counted.
        compared: How many units of work ended with both stores equal.
        is_loaded: The book holds what Postgres holds.
    """

    def __init__(self, database: Database) -> None:
        self.postgres = database
        self.book = Book()
        self.unknown: Counter[str] = Counter()
        self.compared = 0
        self.is_loaded = False

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        before = self.unknown.total()
        try:
            with self.postgres.transaction() as tx:
                if not self.is_loaded:
                    load(self.book, tx)
                    self.is_loaded = True
                mirrored = MirroredTransaction(self.book, tx, self._note)
                yield mirrored
                tx.flush()
                if mirrored.compared:
                    self._require_equal(tx)
        except BaseException:
            self.book.undo.roll_back()
            raise
        finally:
            self.book.undo.steps.clear()
            self.is_loaded = self.is_loaded and self.unknown.total() == before

    def read(self, sql: str, **values: object) -> list[Row]:
        return self.postgres.read(sql, **values)

    def close(self) -> None:
        self.postgres.close()

    def _note(self, sql: str) -> None:
        self.unknown[" ".join(sql.split())[:120]] += 1

    def _require_equal(self, tx: Transaction) -> None:
        if self.book.undo.steps:
            found = differences(self.book, tx)
            _require(not found, "tables", "", *found)
        self.compared += 1
