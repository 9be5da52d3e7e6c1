"""What the triggers and indexes of `orders` refuse: an entry past a limit, a second live sale."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.numeric import NONE, product, total
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.domain.orders import LIVE
from ops_pipeline.errors import CapExceeded, ConstraintViolated

_CAP, _UNIQUE = "OP001", "23505"
_ONE_LIVE = {"exit": "orders_one_live_exit", "stop": "orders_one_live_stop"}


def require_new(book: Book, order: Row) -> None:
    """Raise what Postgres raises where it refuses a new order."""
    if book.orders.get(order["client_order_id"]) is not None:
        raise _refused("orders_pkey")
    _require_one_live(book, order)
    if order["purpose"] == "entry":
        _require_within_caps(book, order)
        _require_within_order_limits(book, order)


def require_saved(book: Book, before: Row, after: Row) -> None:
    """Raise what Postgres raises where it refuses a change to an order."""
    if after["filled_qty"] < before["filled_qty"]:
        raise _refused(None)
    reopened = after["reopened_at"] != before["reopened_at"]
    if before["status"] not in LIVE and after["status"] != before["status"] and not reopened:
        raise _refused(None)
    if after["status"] in LIVE and before["status"] not in LIVE:
        _require_one_live(book, after)


def _require_one_live(book: Book, order: Row) -> None:
    """One live exit and one live stop of a position, one live entry in a symbol."""
    if order["status"] not in LIVE:
        return
    same = ("account_name", "symbol") if order["purpose"] == "entry" else ("position_id",)
    constraint = _ONE_LIVE.get(order["purpose"], "orders_one_live_entry")
    for other in _live(book, order, purpose=order["purpose"]):
        if order["purpose"] != "adopted" and all(other[it] == order[it] for it in same):
            raise _refused(constraint)


def _live(book: Book, order: Row, *, purpose: str) -> list[Row]:
    """The account's other live orders of that purpose."""
    return [
        row
        for row in book.orders_of(order["account_name"])
        if row["purpose"] == purpose
        and row["status"] in LIVE
        and row["client_order_id"] != order["client_order_id"]
    ]


def _require_within_caps(book: Book, order: Row) -> None:
    """As refuse_entry_over_cap(): positions and live entries, each symbol once, at cost."""
    caps, symbol = book.accounts.get(order["account_name"]), order["symbol"]
    if caps is None:
        raise LookupError(f"no account {order['account_name']}")
    held = book.held_by(order["account_name"])
    entries = _live(book, order, purpose="entry")
    symbols = len({row["symbol"] for row in (*held, *entries)} - {symbol}) + 1
    costs = [product(it["quantity"], it["entry_price"], it["multiplier"]) for it in held]
    exposure = total([*costs, *(row["reserved_notional"] for row in entries)])
    if symbols > caps["max_positions"]:
        limit = caps["max_positions"]
        raise _over(f"At position limit: {symbols} of {limit} with {symbol}", "max_positions")
    exposure = total([exposure, order["reserved_notional"]])
    if exposure > caps["max_exposure"]:
        raise _over(f"Exposure ${exposure:f} over ${caps['max_exposure']:f}", "max_exposure")


def _require_within_order_limits(book: Book, order: Row) -> None:
    """As refuse_entry_over_order_limits(): orders a minute and a day, and the day's turnover."""
    caps, limits, at = book.accounts.get(order["account_name"]), book.limits, order["decided_at"]
    if caps is None:
        raise LookupError(f"no account {order['account_name']}")
    day_start = new_york_time(new_york_day(at), 0)
    every = [
        row for row in book.orders if row["decided_at"] >= day_start and row["purpose"] != "adopted"
    ]
    own = [row for row in every if row["account_name"] == order["account_name"]]
    minute = [
        sum(row["decided_at"] > at - timedelta(seconds=60) for row in rows) for rows in (own, every)
    ]
    words = "Order limit: {} orders of the account {} of {}, {} of all accounts of {}"
    most = (caps["max_orders_per_minute"], limits.orders_per_minute)
    if minute[0] >= most[0] or minute[1] >= most[1]:
        told = words.format(minute[0], "within a minute", most[0], minute[1], most[1])
        raise _over(told, "limit_per_minute")
    most = (caps["max_orders_per_day"], limits.orders_per_day)
    if len(own) >= most[0] or len(every) >= most[1]:
        told = words.format(len(own), "today", most[0], len(every), most[1])
        raise _over(told, "limit_per_day")
    _require_within_turnover(book, order, own, every)


def _require_within_turnover(
    book: Book, order: Row, own: Iterable[Row], every: Iterable[Row]
) -> None:
    caps, wanted = book.accounts.get(order["account_name"]) or {}, order["reserved_notional"]
    one = caps["max_order_notional"] or caps["max_exposure"]
    if wanted > one:
        raise _over(f"Order limit: ${wanted:f} for one order over ${one:f}", "limit_of_one_order")
    most = caps["max_turnover_per_day"] or product(20, caps["max_exposure"])
    turned, turned_by_all = (total([wanted, *map(_turnover, rows)]) for rows in (own, every))
    if turned > most or turned_by_all > book.limits.turnover:
        raise _over(
            f"Order limit: turnover today ${turned:f} of ${most:f},"
            f" of all accounts ${turned_by_all:f} of ${book.limits.turnover:f}",
            "turnover_per_day",
        )


def _turnover(row: Row) -> Decimal:
    """As order_turnover(): what an order traded, plus what an entry still reserves."""
    traded = product(row["filled_qty"], row["filled_avg_price"] or NONE, row["multiplier"])
    return total([traded, row["reserved_notional"] if row["purpose"] == "entry" else NONE])


def _over(message: str, limit: str) -> CapExceeded:
    return CapExceeded(message, constraint=f"orders_within_{limit}", sqlstate=_CAP)


def _refused(constraint: str | None) -> ConstraintViolated:
    return ConstraintViolated(
        f"refused as by {constraint or 'a trigger'}", constraint=constraint, sqlstate=_UNIQUE
    )
