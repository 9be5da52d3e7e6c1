"""A store that an earlier version of the exchange wrote is opened with all its rows."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from ops_local.exchange.launcher import ExchangeFailed
from ops_local.exchange.storage.schema import VERSION
from tests.contract.paper_street import LARGE, at, look, own, place, start_exchange

# The table of orders as it was before stores had a version.
_FIRST_ORDERS = """
CREATE TABLE orders_first (
    order_id TEXT PRIMARY KEY,
    account_number TEXT NOT NULL REFERENCES accounts,
    number INTEGER NOT NULL,
    client_order_id TEXT NOT NULL,
    symbol TEXT NOT NULL,
    side TEXT NOT NULL,
    order_type TEXT NOT NULL CHECK (order_type IN ('limit', 'market', 'stop')),
    time_in_force TEXT NOT NULL CHECK (time_in_force IN ('day', 'gtc')),
    qty INTEGER NOT NULL CHECK (qty > 0),
    limit_price TEXT, stop_price TEXT,
    reserve_price TEXT NOT NULL, position_intent TEXT NOT NULL, status TEXT NOT NULL,
    submitted_at TEXT NOT NULL, updated_at TEXT NOT NULL, expires_at TEXT NOT NULL,
    filled_qty INTEGER NOT NULL CHECK (filled_qty BETWEEN 0 AND qty),
    filled_value TEXT NOT NULL,
    triggered_at TEXT, filled_at TEXT, canceled_at TEXT, expired_at TEXT, replaced_at TEXT,
    replaced_by TEXT, replaces TEXT,
    UNIQUE (account_number, number), UNIQUE (account_number, client_order_id)
) STRICT
"""
_SWITCHES = (
    "transferred_holdings",
    "account_conditions",
    "asset_conditions",
    "symbol_halts",
    "behaviours",
    "order_faults",
    "vanished_orders",
)


def _write_as_the_first_version(store: Path) -> None:
    """Take back everything that came with versions."""
    with closing(sqlite3.connect(store)) as connection:
        connection.execute(_FIRST_ORDERS)
        columns = [row[1] for row in connection.execute("PRAGMA table_info(orders_first)")]
        names = ", ".join(columns)
        connection.executescript(
            f"INSERT INTO orders_first ({names}) SELECT {names} FROM orders; DROP TABLE orders;"
            "ALTER TABLE orders_first RENAME TO orders;"
            + "".join(f"DROP TABLE {table};" for table in _SWITCHES)
            + "PRAGMA user_version = 0;"
        )


def test_a_store_of_the_first_version_keeps_its_rows_and_gets_the_new_tables(
    tmp_path: Path,
) -> None:
    with start_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
        resting = place(exchange, limit_price="9")
        before = exchange.tables()
    _write_as_the_first_version(tmp_path / "exchange.sqlite")

    with start_exchange(tmp_path) as again:
        assert again.tables() == before
        assert look(again, resting)["status"] == "new"
        assert again.end_order("large", resting, "rejected")["status"] == "rejected"
        assert place(again, type="trailing_stop", limit_price=None, qty="1", trail_price="1")


def test_fills_still_refer_to_their_orders(tmp_path: Path) -> None:
    with start_exchange(tmp_path) as exchange:
        exchange.set_clock(at("10:31"))
        own(exchange, 10)
    _write_as_the_first_version(tmp_path / "exchange.sqlite")
    start_exchange(tmp_path).stop()

    with closing(sqlite3.connect(tmp_path / "exchange.sqlite")) as store:
        assert store.execute("PRAGMA foreign_key_check").fetchall() == []
        (target,) = {row[2] for row in store.execute("PRAGMA foreign_key_list(fills)")} - {
            "accounts"
        }
        assert target == "orders"
        assert store.execute("PRAGMA user_version").fetchone() == (VERSION,)


def test_a_store_of_a_later_version_is_refused(tmp_path: Path) -> None:
    start_exchange(tmp_path).stop()
    with closing(sqlite3.connect(tmp_path / "exchange.sqlite")) as store:
        store.execute(f"PRAGMA user_version = {VERSION + 1}")
    with pytest.raises(ExchangeFailed, match="newer than"):
        start_exchange(tmp_path, accounts=[LARGE])
