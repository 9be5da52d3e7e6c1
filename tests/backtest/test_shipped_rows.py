"""What a backtest starts from is what the migrations ship."""

import json
from datetime import date
from decimal import Decimal
from typing import Any

from ops_local.backtest import shipped
from ops_local.backtest.book.book import Book
from ops_pipeline.db.driver.connection import Database


def test_accounts_and_securities_are_those_of_a_migrated_database(db: Database) -> None:
    """To write the file anew, print `_plain` of these rows."""
    stored = json.loads(shipped.FILE.read_text(encoding="utf-8"))
    for table, key in (("accounts", "account_name"), ("tickers", "ticker")):
        columns = ", ".join(stored[table][0])
        with db.transaction() as tx:
            rows = tx.rows(f'SELECT {columns} FROM {table} ORDER BY {key} COLLATE "C"')
        assert [_plain(row) for row in rows] == stored[table]


def test_every_other_column_of_an_account_is_empty(db: Database) -> None:
    with db.transaction() as tx:
        rows = tx.rows("SELECT * FROM accounts ORDER BY account_name")
        (total,) = tx.rows("SELECT * FROM total_order_limits")
    book = Book()
    shipped.add_accounts(book, ("large", "tiny"))
    assert [{it: row[it] for it in book.accounts.columns} for row in rows] == list(book.accounts)
    limits = (book.limits.orders_per_minute, book.limits.orders_per_day, book.limits.turnover)
    assert limits == tuple(total[it] for it in total if it != "one_row")


def test_a_ticker_that_nobody_knows_is_named_by_its_symbol() -> None:
    book = Book()
    shipped.add_securities(book, ("AAPL", "ZZZZ"))
    names = {row["ticker"]: row["name"] for row in book.table("tickers")}
    assert (names["AAPL"], names["ZZZZ"]) == ("Apple", "ZZZZ")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: _plainly(value) for name, value in row.items()}


def _plainly(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    return value.isoformat() if isinstance(value, date) else value
