"""Statements on accounts, their halts, and their losses at the broker."""

from dataclasses import fields
from typing import Any

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.orders import filled_by_fills, is_live, is_since
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.accounts import Account

_COLUMNS = tuple(column.name for column in fields(Account))


def _named(rows: list[Row]) -> list[Row]:
    return [{"account_name": name} for name in sorted(row["account_name"] for row in rows)]


@answers("accounts", "_LOAD", "_LOAD_LOCKED")
def load(book: Book, values: Values) -> list[Row]:
    row = book.accounts.get(values["name"])
    return [] if row is None else [{name: row[name] for name in _COLUMNS}]


@answers("accounts", "_NAMES")
def names(book: Book, _: Values) -> list[Row]:
    return _named(list(book.accounts))


@answers("accounts", "_ENTRY")
def entry(book: Book, _: Values) -> list[Row]:
    return _named(book.accounts.where(lambda row: bool(row["active"])))


@answers("accounts", "_INACTIVE")
def inactive(book: Book, _: Values) -> list[Row]:
    return _named(book.accounts.where(lambda row: not row["active"]))


@answers("accounts", "_GUARD")
def guard(book: Book, values: Values) -> list[Row]:
    return _named(
        [
            row
            for row in book.accounts
            if row["active"] or _holds_anything(book, row["account_name"], values)
        ]
    )


def _holds_anything(book: Book, account: str, values: Values) -> bool:
    requests = book.table("close_requests")
    if book.held_by(account) or any(
        row["account_name"] == account and row["done_at"] is None for row in requests
    ):
        return True
    return any(_is_watched(book, row, values) for row in book.orders_of(account))


def _is_watched(book: Book, order: Row, values: Values) -> bool:
    """Whether it is live, or may still turn out to have filled."""
    if is_live(order):
        return True
    at_broker = order["execution_mode"] != "SIMULATED"
    if at_broker and is_since(order, values["watched_since"]):
        return True
    filled = order["filled_qty"]
    return bool(
        filled > 0
        and is_since(order, values["fills_since"])
        and filled > filled_by_fills(book, order["client_order_id"])
    )


@answers("facts", "_LOCK_ACCOUNT")
def lock_account(book: Book, values: Values) -> list[Row]:
    return [] if book.accounts.get(values["account"]) is None else [{"held": 1}]


def _latched(book: Book, values: Values, stands: bool, **changes: Any) -> list[Row]:
    row = book.accounts.get(values["account"])
    if row is None or stands or values["reason"] is None:
        return [{"done": False}]
    book.accounts.update(row, **changes)
    return [{"done": True}]


@answers("halts", "_LATCH")
def latch_kill_switch(book: Book, values: Values) -> list[Row]:
    row = book.accounts.get(values["account"]) or {}
    day, since = values["day"], row.get("kill_switch_day")
    stands = row.get("kill_switch") is not None and since is not None and since >= day
    return _latched(book, values, stands, kill_switch=values["reason"], kill_switch_day=day)


@answers("halts", "_LAPSED")
def lapsed(book: Book, values: Values) -> list[Row]:
    row = book.accounts.get(values["account"]) or {}
    latched = row.get("kill_switch_day")
    return [{"one": 1}] if latched is not None and latched < values["day"] else []


@answers("halts", "_ORDER_LIMIT")
def latch_order_limit(book: Book, values: Values) -> list[Row]:
    row = book.accounts.get(values["account"]) or {}
    stands = row.get("order_limit_halt") is not None
    return _latched(book, values, stands, order_limit_halt=values["reason"])


def _changed(book: Book, values: Values, **changes: Any) -> int:
    """Set what is another than before; how many rows that were."""
    row = book.accounts.get(values["account"])
    if row is None or all(row[name] == value for name, value in changes.items()):
        return 0
    book.accounts.update(row, **changes)
    return 1


@answers("halts", "_BOOKS")
def set_books_halt(book: Book, values: Values) -> int:
    return _changed(book, values, books_halt=values["reason"])


@answers("halts", "_COMPARED")
def set_ledger_agreed(book: Book, values: Values) -> int:
    row = book.accounts.get(values["account"]) or {}
    if row.get("ledger_halt") is None:
        return 0
    return _changed(book, values, ledger_agreed_at=values["agreed_at"])


@answers("halts", "_LEDGER")
def latch_ledger(book: Book, values: Values) -> list[Row]:
    row = book.accounts.get(values["account"]) or {}
    stands = row.get("ledger_halt") is not None and row.get("ledger_agreed_at") is None
    changes = {"ledger_compare_from": values["since"], "ledger_agreed_at": None}
    return _latched(book, values, stands, ledger_halt=values["reason"], **changes)


@answers("holdings.losses", "_EARLIER")
def earlier_loss(book: Book, values: Values) -> list[Row]:
    row = book.table("broker_losses").get(values["account"])
    if row is None or not values["oldest"] <= row["tick"] < values["tick"]:
        return []
    return [{"one": 1}]


@answers("holdings.losses", "_KEEP")
def keep_loss(book: Book, values: Values) -> int:
    losses = book.table("broker_losses")
    known = losses.get(values["account"])
    told = {"account_name": values["account"], "tick": values["tick"], "loss": values["loss"]}
    if known is not None and values["oldest"] <= known["tick"] <= values["tick"]:
        return 0
    losses.insert(told)
    return 1


@answers("holdings.losses", "_FORGET")
def forget_loss(book: Book, values: Values) -> int:
    losses = book.table("broker_losses")
    known = losses.get(values["account"])
    if known is None:
        return 0
    losses.delete(known)
    return 1
