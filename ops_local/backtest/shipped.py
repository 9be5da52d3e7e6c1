"""What the migrations ship: the accounts with their limits, and securities with their names."""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from ops_local.backtest.book.book import Book

# Written from a migrated database; a test compares it with one.
FILE = Path(__file__).with_name("shipped.json")
_MONEY = (
    "max_exposure",
    "max_daily_loss",
    "max_position_notional",
    "max_order_notional",
    "max_turnover_per_day",
)
_DAYS = ("valid_from", "valid_to", "names_to")


@cache
def _shipped() -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = json.loads(FILE.read_text(encoding="utf-8"))
    for row in found["accounts"]:
        row |= {it: Decimal(str(row[it])) for it in _MONEY if row[it] is not None}
    for row in found["tickers"]:
        row |= {it: date.fromisoformat(row[it]) for it in _DAYS if row[it] is not None}
    return found


def add_accounts(book: Book, names: Iterable[str]) -> None:
    """The accounts of these names with the limits that they ship with."""
    wanted = set(names)
    for row in _shipped()["accounts"]:
        if row["account_name"] in wanted:
            book.accounts.insert(row)


def add_securities(book: Book, watched: Iterable[str]) -> None:
    """The securities that ship; one that is watched and unknown is named by its symbol."""
    tickers = book.table("tickers")
    for row in _shipped()["tickers"]:
        tickers.insert(row)
    for symbol in watched:
        if tickers.get(symbol) is None:
            tickers.insert({"ticker": symbol, "name": symbol})
