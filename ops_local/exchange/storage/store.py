"""The exchange's store: one SQLite file, committed before a response is sent.

WAL without a sync per commit survives a kill of the process, but not of the machine.
One process owns the file; SQLite refuses a second one.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import Any

from ops_local.exchange.records import (
    LIVE,
    CashActivity,
    ClosingPrice,
    DayEnd,
    ExchangeFill,
    ExchangeLedger,
    ExchangeOrder,
    Holding,
)
from ops_local.exchange.storage.rows import (
    TABLE_OF,
    Record,
    RecordType,
    from_row,
    stamp,
    to_row,
    upsert,
)
from ops_local.exchange.storage.schema import SCHEMA, TABLES
from ops_pipeline.domain.broker import Side

_LIVE = ", ".join(f"'{status}'" for status in LIVE)


class Store:
    """Reads and writes records; contains no rules. Not thread safe."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, timeout=1)
        self._connection.row_factory = sqlite3.Row
        for pragma in ("locking_mode=EXCLUSIVE", "journal_mode=WAL", "synchronous=NORMAL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.execute("PRAGMA foreign_keys=ON")
        self._connection.executescript(SCHEMA)

    def close(self) -> None:
        self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit at the end of the block, or roll back."""
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def save(self, record: Record) -> None:
        """Insert a record, or overwrite the one with the same key."""
        self._connection.execute(upsert(type(record)), to_row(record))

    def now(self) -> datetime | None:
        """The exchange's current time, or None in a new store."""
        row = self._connection.execute("SELECT now FROM clock").fetchone()
        return None if row is None else datetime.fromisoformat(row["now"])

    def set_now(self, now: datetime) -> None:
        self._connection.execute("INSERT OR REPLACE INTO clock VALUES (1, ?)", (stamp(now),))

    def ledgers(self) -> list[ExchangeLedger]:
        return self._all(ExchangeLedger, "TRUE ORDER BY account_number")

    def ledger(self, account_number: str) -> ExchangeLedger:
        """The cash of an account. Raises LookupError when it was never opened."""
        found = self._all(ExchangeLedger, "account_number = ?", account_number)
        if not found:
            raise LookupError(f"no account {account_number}")
        return found[0]

    def order(self, account_number: str, order_id: str) -> ExchangeOrder | None:
        return self._first(
            ExchangeOrder, "account_number = ? AND order_id = ?", account_number, order_id
        )

    def order_by_client_id(self, account_number: str, client_order_id: str) -> ExchangeOrder | None:
        return self._first(
            ExchangeOrder,
            "account_number = ? AND client_order_id = ?",
            account_number,
            client_order_id,
        )

    def orders(self, account_number: str) -> list[ExchangeOrder]:
        """All orders of the account, oldest first."""
        return self._all(ExchangeOrder, "account_number = ? ORDER BY number", account_number)

    def live_orders(self, account_number: str | None = None) -> list[ExchangeOrder]:
        """The open orders of one or of all accounts, oldest first."""
        of_account = "" if account_number is None else "account_number = ? AND "
        return self._all(
            ExchangeOrder,
            f"{of_account}status IN ({_LIVE}) ORDER BY submitted_at, account_number, number",
            *(() if account_number is None else (account_number,)),
        )

    def next_order_number(self, account_number: str) -> int:
        row = self._connection.execute(
            "SELECT coalesce(max(number), 0) + 1 AS number FROM orders WHERE account_number = ?",
            (account_number,),
        ).fetchone()
        return int(row["number"])

    def fills(self, account_number: str) -> list[ExchangeFill]:
        """All executions of the account, by activity id, which sorts by time."""
        return self._all(ExchangeFill, "account_number = ? ORDER BY activity_id", account_number)

    def cash_activities(self, account_number: str) -> list[CashActivity]:
        """Cash that moved without a trade, oldest first."""
        return self._all(CashActivity, "account_number = ? ORDER BY number", account_number)

    def fill_count(self, order_id: str) -> int:
        row = self._connection.execute(
            "SELECT count(*) AS number FROM fills WHERE order_id = ?", (order_id,)
        ).fetchone()
        return int(row["number"])

    def traded_since(self, account_number: str, symbol: str, side: Side, since: datetime) -> int:
        """Shares filled for the account on that side at or after `since`."""
        row = self._connection.execute(
            "SELECT coalesce(sum(qty), 0) AS qty FROM fills"
            " WHERE account_number = ? AND symbol = ? AND side = ? AND executed_at >= ?",
            (account_number, symbol, side, stamp(since)),
        ).fetchone()
        return int(row["qty"])

    def holdings(self, account_number: str) -> list[Holding]:
        return self._all(Holding, "account_number = ? ORDER BY symbol", account_number)

    def holding(self, account_number: str, symbol: str) -> Holding | None:
        return self._first(Holding, "account_number = ? AND symbol = ?", account_number, symbol)

    def drop_holding(self, account_number: str, symbol: str) -> None:
        self._connection.execute(
            "DELETE FROM positions WHERE account_number = ? AND symbol = ?",
            (account_number, symbol),
        )

    def last_day_end(self, account_number: str, before: date) -> DayEnd | None:
        """The latest close before that New York day."""
        return self._first(
            DayEnd,
            "account_number = ? AND day < ? ORDER BY day DESC LIMIT 1",
            account_number,
            before.isoformat(),
        )

    def last_closing_price(self, symbol: str, before: date) -> ClosingPrice | None:
        return self._first(
            ClosingPrice,
            "symbol = ? AND day < ? ORDER BY day DESC LIMIT 1",
            symbol,
            before.isoformat(),
        )

    def tables(self) -> dict[str, list[dict[str, Any]]]:
        """Every row of every table, in a fixed order, so that two runs can be compared."""
        return {
            table: [
                dict(row)
                for row in self._connection.execute(f"SELECT * FROM {table} ORDER BY {key}")
            ]
            for table, key in TABLES.items()
        }

    def _all(self, kind: type[RecordType], where: str, *values: object) -> list[RecordType]:
        rows = self._connection.execute(f"SELECT * FROM {TABLE_OF[kind]} WHERE {where}", values)
        return [from_row(kind, row) for row in rows]

    def _first(self, kind: type[RecordType], where: str, *values: object) -> RecordType | None:
        found = self._all(kind, where, *values)
        return found[0] if found else None
