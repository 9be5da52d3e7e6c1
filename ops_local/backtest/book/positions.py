"""Statements on positions, their events, marks and history."""

import json
from dataclasses import fields
from datetime import datetime
from operator import itemgetter

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.numeric import total
from ops_local.backtest.book.orders import quantity_of
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.exits import Position

COLUMNS = tuple(column.name for column in fields(Position))
_SAVED = (
    "quantity",
    "opened_quantity",
    "entry_price",
    "stop_loss",
    "take_profit",
    "initial_risk",
    "peak_price",
    "trough_price",
    "trailing_armed",
    "lifecycle_state",
    "status",
    "close_reason",
    "exit_requested",
    "closed_at",
)
_INSERTED = tuple(
    name
    for name in COLUMNS
    if name
    not in (
        "close_reason",
        "exit_requested",
        "current_price",
        "priced_at",
        "unpriced_ticks",
        "doubted_price",
        "doubted_at",
    )
)


def position_of(row: Row) -> Row:
    """The columns that a position is read from."""
    return {name: row[name] for name in COLUMNS}


@answers("positions", "_INSERT")
def insert(book: Book, values: Values) -> int:
    book.positions.insert(
        {
            **{name: values[name] for name in _INSERTED},
            "created_at": values["now"],
            "updated_at": values["now"],
            "parameter_version": values["parameter_version"],
        }
    )
    return 1


@answers("positions", "_SAVE")
def save(book: Book, values: Values) -> int:
    return _changed(book, values, {name: values[name] for name in _SAVED})


@answers("positions", "_SAVE_MARK")
def save_mark(book: Book, values: Values) -> int:
    changes = {
        "current_price": values["price"],
        "priced_at": values["priced_at"],
        "current_pnl_dollars": values["pnl_dollars"],
        "current_pnl_percent": values["pnl_percent"],
    }
    return _changed(book, values, changes)


@answers("positions", "_SAVE_DOUBT")
def save_doubt(book: Book, values: Values) -> int:
    names = ("unpriced_ticks", "doubted_price", "doubted_at")
    return _changed(book, values, {name: values[name] for name in names})


def _changed(book: Book, values: Values, changes: Row) -> int:
    row = book.positions.get(values["id"])
    if row is None:
        return 0
    book.positions.update(row, **changes, updated_at=values["now"])
    return 1


@answers("positions", "_LOCK")
def lock(book: Book, values: Values) -> list[Row]:
    row = book.positions.get(values["id"])
    return [] if row is None else [position_of(row)]


@answers("positions", "_FIND_OPEN")
def find_open(book: Book, values: Values) -> list[Row]:
    held = book.held_by(values["account"])
    return [position_of(row) for row in held if row["symbol"] == values["symbol"]]


@answers("positions", "_HELD")
def held(book: Book, values: Values) -> list[Row]:
    rows = sorted(
        book.held_by(values["account"]), key=lambda row: (row["entry_time"], row["symbol"])
    )
    return [position_of(row) for row in rows]


@answers("positions", "_CLOSING_SINCE")
def closing_since(book: Book, values: Values) -> list[Row]:
    decided = [
        event["at"]
        for event in book.events
        if event["position_id"] == values["position_id"]
        and event["kind"] == "exit_decided"
        and event["details"].get("rule") not in (None, "partial")
    ]
    return [{"at": min(decided, default=None)}]


@answers("positions", "_TAKEN_FROM_LIST")
def taken_from_list(book: Book, values: Values) -> list[Row]:
    ids = {
        row["id"]
        for row in book.positions
        if row["account_name"] == values["account"] and row["symbol"] == values["symbol"]
    }
    listed = [
        event
        for event in book.events
        if event["position_id"] in ids
        and event["kind"] in ("adopted", "repaired")
        and event["details"].get("sold_by") is None
    ]
    return [_what_the_list_gave(listed, values["sign"], values["filled_at"])]


def _what_the_list_gave(listed: list[Row], sign: int, filled_at: datetime) -> Row:
    """An event that names an order explains what another one took from the list."""
    taken = [event for event in listed if event["details"].get("order") is None]
    newest = max(taken, key=itemgetter("at"), default={"at": None, "position_id": None})
    signed = [
        (event["at"], event["details"].get("order") is None, quantity_of(event) * sign)
        for event in listed
        if event["details"].get("quantity") is not None
    ]
    left = total(q for _, is_taken, q in signed if (q > 0) == is_taken)
    since = total(q for at, is_taken, q in signed if q > 0 and is_taken and at >= filled_at)
    return {
        "at": newest["at"],
        "position_id": newest["position_id"],
        "quantity": min(left, since),
    }


@answers("positions", "_NEXT_EVENT")
def next_event(book: Book, values: Values) -> int:
    known = [it["seq"] for it in book.events if it["position_id"] == values["position_id"]]
    book.events.insert(
        {
            "position_id": values["position_id"],
            "seq": max(known, default=0) + 1,
            "account_name": values["account"],
            "at": values["now"],
            "kind": values["kind"],
            "details": json.loads(values["details"]),
        }
    )
    return 1


@answers("positions", "_TELEMETRY")
def telemetry(book: Book, values: Values) -> int:
    marks = book.table("position_telemetry")
    if marks.get(values["position_id"], values["tick"]) is not None:
        return 0
    names = ("position_id", "bid", "ask", "price", "pnl_dollars", "pnl_percent")
    row = {name: values[name] for name in names}
    marks.insert({**row, "ts": values["tick"], "account_name": values["account"]})
    return 1


@answers("positions", "_HISTORY")
def history(book: Book, values: Values) -> int:
    renamed = {"account": "account_name", "mode": "execution_mode", "label": "win_loss_label"}
    book.history.insert({renamed.get(name, name): value for name, value in values.items()})
    return 1
