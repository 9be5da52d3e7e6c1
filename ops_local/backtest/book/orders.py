"""Statements on orders and fills."""

from dataclasses import fields
from datetime import datetime
from decimal import Decimal

from ops_local.backtest.book import caps
from ops_local.backtest.book.book import Book
from ops_local.backtest.book.numeric import less, total
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.orders import LIVE, Order

COLUMNS = tuple(column.name for column in fields(Order))
_SAVED = (
    "status",
    "broker_order_id",
    "filled_qty",
    "filled_avg_price",
    "reserved_notional",
    "acknowledged_at",
    "missed_at",
    "cancel_requested_at",
    "terminal_at",
    "overfilled_at",
    "covered_qty",
    "shorted_qty",
)


def is_live(row: Row) -> bool:
    return row["status"] in LIVE


def order_of(row: Row) -> Row:
    """The columns that an order is read from."""
    return {name: row[name] for name in COLUMNS}


def by_decision(rows: list[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row["decided_at"], row["client_order_id"]))


def is_since(row: Row, since: datetime) -> bool:
    """Whether the order was decided or ended since then."""
    ended_at = row["terminal_at"]
    return row["decided_at"] >= since or (ended_at is not None and ended_at >= since)


@answers("orders", "_INSERT")
def insert(book: Book, values: Values) -> int:
    row = {name: values[name] for name in COLUMNS}
    caps.require_new(book, row)
    book.orders.insert(row)
    return 1


@answers("orders", "_SAVE")
def save(book: Book, values: Values) -> int:
    row = book.orders.get(values["client_order_id"])
    if row is None:
        return 0
    changes = {name: values[name] for name in _SAVED}
    for name in ("reopened_at", "failure_reason"):
        changes[name] = row[name] if values[name] is None else values[name]
    caps.require_saved(book, row, {**row, **changes})
    book.orders.update(row, **changes)
    return 1


@answers("orders", "_ONE", "_LOCK")
def one(book: Book, values: Values) -> list[Row]:
    row = book.orders.get(values["id"])
    return [] if row is None else [order_of(row)]


@answers("orders", "_LIVE_OF_ACCOUNT")
def live(book: Book, values: Values) -> list[Row]:
    found = [row for row in book.orders_of(values["account"]) if is_live(row)]
    return [order_of(row) for row in by_decision(found)]


@answers("orders", "_LIVE_IN_SYMBOL")
def live_in_symbol(book: Book, values: Values) -> list[Row]:
    symbol = values["symbol"]
    held = {it["id"] for it in book.held_by(values["account"]) if it["symbol"] == symbol}
    found = [
        row
        for row in book.orders_of(values["account"])
        if is_live(row) and (row["symbol"] == symbol or row["position_id"] in held)
    ]
    return [order_of(row) for row in by_decision(found)]


@answers("orders", "_ATTEMPTS")
def attempts(book: Book, values: Values) -> list[Row]:
    found = [
        row["attempt"]
        for row in book.orders
        if row["position_id"] == values["position_id"] and row["purpose"] == values["purpose"]
    ]
    return [{"attempts": max(len(found), *found, 0)}]


@answers("orders", "_UNSTORED")
def unstored(book: Book, values: Values) -> list[Row]:
    own = {row["client_order_id"] for row in book.orders_of(values["account"])}
    return [{"id": name} for name in sorted(values["ids"]) if name not in own]


@answers("orders", "_SHORT")
def short(book: Book, values: Values) -> list[Row]:
    account, symbol = values["account"], values["symbol"]
    ids = {
        row["id"]
        for row in book.positions
        if row["account_name"] == account and row["symbol"] == symbol
    }
    beyond = [
        quantity_of(event) if event["kind"] == "oversold" else -quantity_of(event)
        for event in book.events
        if event["position_id"] in ids and event["kind"] in ("oversold", "covered")
    ]
    by_hand = [
        less(row["shorted_qty"], row["covered_qty"])
        for row in book.orders_of(account)
        if row["symbol"] == symbol and row["purpose"] == "adopted"
    ]
    return [{"quantity": total([*beyond, *by_hand])}]


def quantity_of(event: Row) -> Decimal:
    """The quantity in an event's details."""
    return Decimal(str(event["details"]["quantity"]))


@answers("orders", "_NEWEST_STOP")
def newest_stop(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.orders
        if row["position_id"] == values["position_id"] and row["purpose"] == "stop"
    ]
    newest = sorted(found, key=lambda row: -row["attempt"])
    return [order_of(row) for row in newest[:1]]


@answers("orders", "_NEWEST")
def newest(book: Book, values: Values) -> list[Row]:
    decided = (row["decided_at"] for row in book.orders_of(values["account"]))
    return [{"at": max(decided, default=None)}]


@answers("orders", "_NEWEST_OWN")
def newest_own(book: Book, values: Values) -> list[Row]:
    own = (row for row in book.orders_of(values["account"]) if row["purpose"] != "adopted")
    return [{"at": max((row["decided_at"] for row in own), default=None)}]


def filled_by_fills(book: Book, client_order_id: str) -> Decimal:
    """The quantity of an order's recorded fills."""
    return total(
        fill["quantity"] for fill in book.fills if fill["client_order_id"] == client_order_id
    )


@answers("orders", "_AWAITING_FILLS")
def awaiting_fills(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.orders_of(values["account"])
        if row["filled_qty"] > 0
        and is_since(row, values["since"])
        and row["filled_qty"] > filled_by_fills(book, row["client_order_id"])
    ]
    return [order_of(row) for row in by_decision(found)]


@answers("orders", "_NEWEST_ACKNOWLEDGED")
def newest_acknowledged(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.orders_of(values["account"])
        if row["broker_order_id"] is not None and not row["broker_order_id"].startswith("sim-")
    ]
    ordered = sorted(found, key=lambda row: row["client_order_id"])
    first = sorted(ordered, key=lambda row: row["decided_at"], reverse=True)[:1]
    return [{"client_order_id": row["client_order_id"]} for row in first]


@answers("orders", "_ENDED")
def ended(book: Book, values: Values) -> list[Row]:
    found = [
        row
        for row in book.orders_of(values["account"])
        if not is_live(row)
        and row["execution_mode"] != "SIMULATED"
        and is_since(row, values["since"])
    ]
    return [order_of(row) for row in by_decision(found)]


@answers("orders", "_GIVE_POSITION")
def give_position(book: Book, values: Values) -> int:
    found = [
        row
        for row in book.orders_of(values["account"])
        if row["symbol"] == values["symbol"]
        and is_live(row)
        and (row["purpose"], row["side"]) == ("adopted", "sell")
        and row["position_id"] is None
        and row["filled_qty"] == 0
    ]
    for row in found:
        book.orders.update(row, position_id=values["position_id"])
    return len(found)


@answers("orders", "_SETTLED")
def settled(book: Book, values: Values) -> list[Row]:
    account, since = values["account"], values["since"]
    moments = [
        (row["symbol"], row["terminal_at"])
        for row in book.orders_of(account)
        if row["terminal_at"] is not None
        and row["terminal_at"] >= since
        and row["purpose"] != "adopted"
        and (
            row["broker_order_id"] is not None
            or row["missed_at"] is not None
            or row["status"] not in ("rejected", "not_placed")
        )
    ]
    moments += [
        (fill["symbol"], fill["executed_at"])
        for fill in book.fills
        if fill["account_name"] == account and fill["executed_at"] >= since
    ]
    newest: dict[str, datetime] = {}
    for symbol, at in moments:
        newest[symbol] = max(at, newest.get(symbol, at))
    return [{"symbol": symbol, "at": at} for symbol, at in newest.items()]


@answers("orders", "_INSERT_FILL")
def insert_fill(book: Book, values: Values) -> int:
    if book.fills.get(values["account"], values["fill_id"]) is not None:
        return 0
    book.fills.insert(
        {
            "account_name": values["account"],
            "recorded_at": values["now"],
            **{name: values[name] for name in values if name not in ("account", "now")},
        }
    )
    return 1


@answers("orders", "_SALES")
def sales(book: Book, values: Values) -> list[Row]:
    found = list[Row]()
    selling = [row for row in book.orders if row["position_id"] == values["position_id"]]
    for row in by_decision(selling):
        order = {name: row[name] for name in ("client_order_id", "filled_qty", "filled_avg_price")}
        fills = [it for it in book.fills if it["client_order_id"] == row["client_order_id"]]
        none: list[Row] = [{"fill_id": None, "quantity": None, "price": None}]
        names = ("fill_id", "quantity", "price")
        found += [
            {**order, **{name: fill[name] for name in names}}
            for fill in sorted(fills, key=lambda it: str(it["fill_id"])) or none
        ]
    return found


@answers("orders", "_COVERED")
def covered(book: Book, values: Values) -> list[Row]:
    found = [
        event
        for event in book.events
        if event["position_id"] == values["position_id"] and event["kind"] == "covered"
    ]
    return [
        {
            "client_order_id": event["details"]["order"],
            "filled_qty": quantity_of(event),
            "filled_avg_price": Decimal(str(event["details"]["price"])),
        }
        for event in sorted(found, key=lambda event: event["seq"])
    ]
