"""Statements on requests to close: exits and cancels follow from them until all is flat."""

from collections.abc import Mapping

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.orders import is_live
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row


def _of_account(book: Book, account: str, *, is_open: bool) -> list[Row]:
    return [
        row
        for row in book.table("close_requests")
        if row["account_name"] == account and (row["done_at"] is None) == is_open
    ]


def _in_scope(book: Book, values: Values) -> list[tuple[str, str, bool]]:
    """Account, symbol and whether it is held or live, of what a request concerns."""
    by_hand = values["rule"] == "operator"
    found = [(row, True) for row in book.positions if row["status"] != "closed"]
    for row in book.orders:
        late = row["purpose"] == "entry" and row["filled_qty"] < row["quantity"]
        late = late and row["decided_at"] >= values["late_since"]
        if (is_live(row) and (row["purpose"] != "adopted" or by_hand)) or late:
            found.append((row, is_live(row)))
    wanted = {
        "account_name": values["account"],
        "ticker": values["ticker"],
        "instrument_type": values["instrument"],
    }
    return [
        (row["account_name"], row["symbol"], there)
        for row, there in found
        if all(value is None or row[name] == value for name, value in wanted.items())
    ]


@answers("close_requests", "_CONCERNED")
def concerned(book: Book, values: Values) -> list[Row]:
    by_account: dict[str, list[tuple[str, bool]]] = {}
    for account, symbol, there in _in_scope(book, values):
        by_account.setdefault(account, []).append((symbol, there))
    return [
        {
            "account_name": account,
            "symbols": sorted({symbol for symbol, _ in by_account[account]}),
            "there": any(there for _, there in by_account[account]),
        }
        for account in sorted(by_account)
    ]


@answers("close_requests", "_INSERT")
def insert(book: Book, values: Values) -> int:
    requests = book.table("close_requests")
    if requests.get(values["id"]) is not None:
        return 0
    names = ("id", "ticker", "rule", "symbols", "asked_by", "reason")
    row = {name: values[name] for name in names}
    requests.insert({**row, "account_name": values["account"], "asked_at": values["now"]})
    return 1


@answers("close_requests", "_REOPEN")
def reopen(book: Book, values: Values) -> int:
    executions = book.table("dispatch_executions")
    opened = []
    for position in book.held_by(values["account"]):
        execution = executions.get(position["execution_id"])
        order = execution and book.orders.get(execution["client_order_id"])
        if order:
            opened.append((position["symbol"], order["decided_at"]))
    reopened = [
        row
        for row in _of_account(book, values["account"], is_open=False)
        if any(it in row["symbols"] and at <= row["asked_at"] for it, at in opened)
    ]
    for row in reopened:
        book.table("close_requests").update(row, done_at=None)
    return len(reopened)


@answers("close_requests", "_ANY_OPEN")
def any_open(book: Book, values: Values) -> list[Row]:
    return [{"found": bool(_of_account(book, values["account"], is_open=True))}]


def _first_by_symbol(book: Book, account: str) -> dict[str, Row]:
    """Of each symbol the request that counts: an operator's before a signal's, the oldest first."""
    found: dict[str, Row] = {}
    requests = _of_account(book, account, is_open=True)
    for row in sorted(requests, key=lambda row: (row["rule"], row["asked_at"], row["id"])):
        for symbol in row["symbols"]:
            found.setdefault(symbol, row)
    return found


@answers("close_requests", "_REQUEST_EXITS")
def request_exits(book: Book, values: Values) -> list[Row]:
    wanted, asked = _first_by_symbol(book, values["account"]), list[Row]()
    for position in book.held_by(values["account"]):
        request, before = wanted.get(position["symbol"]), position["exit_requested"]
        if request is None or before == "operator":
            continue
        if request["rule"] != "operator" and before is not None:
            continue
        rule = request["rule"]
        book.positions.update(position, exit_requested=rule, updated_at=values["now"])
        told = {name: position[name] for name in ("id", "account_name", "symbol")}
        asked.append({**told, **{name: request[name] for name in ("rule", "asked_by", "reason")}})
    return asked


def _ask_for_cancel(book: Book, orders: list[Row], values: Values, why: Mapping[str, str]) -> int:
    """Ask once; `why` is by client_order_id."""
    new = [
        row for row in orders if row["cancel_requested_at"] is None or row["failure_reason"] is None
    ]
    for row in new:
        book.orders.update(
            row,
            cancel_requested_at=row["cancel_requested_at"] or values["now"],
            failure_reason=row["failure_reason"] or why[row["client_order_id"]],
        )
    return len(new)


@answers("close_requests", "_CANCEL_ENTRIES")
def cancel_entries(book: Book, values: Values) -> int:
    wanted = _first_by_symbol(book, values["account"])
    orders = [
        row
        for row in book.orders_of(values["account"])
        if row["purpose"] == "entry" and is_live(row) and row["symbol"] in wanted
    ]
    by = {"operator": "the operator", "signal": "a SELL"}
    why = {
        row["client_order_id"]: f"Cancelled by {by[wanted[row['symbol']]['rule']]}"
        for row in orders
    }
    return _ask_for_cancel(book, orders, values, why)


def _ends(request: Row, order: Row) -> bool:
    """Whether a request ends an order before it is done."""
    if order["account_name"] != request["account_name"] or not is_live(order):
        return False
    if order["purpose"] != "adopted":
        return order["symbol"] in request["symbols"]
    there = request["ticker"] is None or order["symbol"] in request["symbols"]
    rested = order["decided_at"] <= request["asked_at"]
    return bool(request["rule"] == "operator" and rested and there)


@answers("close_requests", "_CANCEL_BY_HAND")
def cancel_by_hand(book: Book, values: Values) -> int:
    requests = _of_account(book, values["account"], is_open=True)
    orders = [
        row
        for row in book.orders_of(values["account"])
        if row["purpose"] == "adopted" and any(_ends(request, row) for request in requests)
    ]
    why = {row["client_order_id"]: "Cancelled by the operator" for row in orders}
    return _ask_for_cancel(book, orders, values, why)


@answers("close_requests", "_SCOPE_BY_OPERATOR")
def scope_by_operator(book: Book, values: Values) -> list[Row]:
    requests = [
        row
        for row in _of_account(book, values["account"], is_open=True)
        if row["rule"] == "operator" and row["symbols"]
    ]
    symbols = sorted({symbol for row in requests for symbol in row["symbols"]})
    return [{"everything": any(row["ticker"] is None for row in requests), "symbols": symbols}]


@answers("close_requests", "_END")
def end(book: Book, values: Values) -> int:
    held = {row["symbol"] for row in book.held_by(values["account"])}
    orders = book.orders_of(values["account"])
    done = [
        row
        for row in _of_account(book, values["account"], is_open=True)
        if not held & set(row["symbols"]) and not any(_ends(row, order) for order in orders)
    ]
    for row in done:
        book.table("close_requests").update(row, done_at=values["now"])
    return len(done)


def closing(book: Book, account: str, ticker: str) -> list[str]:
    """Who asked to close the ticker, and why."""
    return sorted(
        {
            f"{row['asked_by']}: {row['reason']}"
            for row in _of_account(book, account, is_open=True)
            if row["ticker"] in (None, ticker) or ticker in row["symbols"]
        }
    )
