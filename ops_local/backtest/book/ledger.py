"""The statements behind `LedgerView`: holdings, results, P&L, and the facts around them."""

from datetime import datetime
from decimal import Decimal

from ops_local.backtest.book import close_requests, costs, holdings, market
from ops_local.backtest.book.book import Book
from ops_local.backtest.book.numeric import NONE, less, product, quotient, total
from ops_local.backtest.book.orders import is_live, quantity_of
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row


@answers("facts", "HELD")
def held(book: Book, values: Values) -> list[Row]:
    account = values["account"]
    positions = [
        _held(row, product(row["quantity"], row["entry_price"], row["multiplier"]), NONE)
        for row in book.held_by(account)
    ]
    entries = [
        _held(
            row,
            row["reserved_notional"],
            row["reserved_notional"] if row["status"] in ("intended", "unknown") else NONE,
        )
        for row in book.orders_of(account)
        if row["purpose"] == "entry" and is_live(row)
    ]
    return [*positions, *entries]


def _held(row: Row, cost: Decimal, unacknowledged: Decimal) -> Row:
    names = ("symbol", "ticker", "instrument_type")
    return {
        **{name: row[name] for name in names},
        "cost": cost,
        "unacknowledged": unacknowledged,
    }


@answers("facts", "PNL")
def pnl(book: Book, values: Values) -> list[Row]:
    """Realised and unrealised since `day_start`, net of the day's fees, USD."""
    account, since = values["account"], values["day_start"]
    positions = {row["id"]: row for row in book.held_by(account)}
    closed = [
        row["pnl_dollars"] or NONE
        for row in _closed(book, account, values["mode"])
        if row["exit_time"] >= since
    ]
    marks = [row["current_pnl_dollars"] or NONE for row in positions.values()]
    sold = [
        _gained(book, positions[row["position_id"]], row)
        for row in book.orders_of(account)
        if row["position_id"] in positions and row["filled_qty"] > 0 and row["decided_at"] >= since
    ]
    beside = [
        _gained_beside(positions[event["position_id"]], event)
        for event in book.events
        if event["position_id"] in positions and event["kind"] == "covered" and event["at"] >= since
    ]
    adjusted = [
        less(
            it["cash"] or NONE, product(it["fraction"], positions[it["position_id"]]["entry_price"])
        )
        for it in book.adjustments
        if it["position_id"] in positions
    ]
    gross = total([*closed, *marks, *sold, *beside, *adjusted])
    return [{"pnl": less(gross, costs.fees_since(book, values))}]


def _closed(book: Book, account: str, mode: str) -> list[Row]:
    return book.history.where(
        lambda row: row["account_name"] == account and row["execution_mode"] == mode
    )


def _gained(book: Book, position: Row, order: Row) -> Decimal:
    """What a sale of a part gained: a share cost what it did when shares were counted as then."""
    filled, opened = order["filled_qty"], position["opened_quantity"]
    cost = quotient(
        product(filled, position["entry_price"], opened),
        _opened_then(book, position, order["decided_at"]),
    )
    proceeds = product(filled, order["filled_avg_price"])
    return product(less(proceeds, cost), position["multiplier"])


def _opened_then(book: Book, position: Row, decided_at: datetime) -> Decimal:
    later = [
        row
        for row in book.adjustments
        if row["position_id"] == position["id"] and row["applied_at"] >= decided_at
    ]
    first = min(later, key=lambda row: row["applied_at"], default=None)
    return position["opened_quantity"] if first is None else first["opened_before"]  # type: ignore[no-any-return]  # numeric columns


def _gained_beside(position: Row, event: Row) -> Decimal:
    price = Decimal(str(event["details"]["price"]))
    apart = less(price, position["entry_price"])
    return product(quantity_of(event), apart, position["multiplier"])


@answers("ledger", "_LEDGER")
def view(book: Book, values: Values) -> list[Row]:
    account, ticker = values["account"], values["ticker"]
    rows = held(book, values)
    before = holdings.external(book, account)
    return [
        {
            "symbols": [row["symbol"] for row in rows],
            "tickers": [row["ticker"] for row in rows],
            "instruments": [row["instrument_type"] for row in rows],
            "costs": [row["cost"] for row in rows],
            "unacknowledged": total(row["unacknowledged"] for row in rows),
            **_results(book, values),
            "pnl": pnl(book, values)[0]["pnl"],
            **_entries(book, values),
            **_market(book, values),
            "last_trade_at": _last_trade(book, account, ticker),
            "guard_ran_at": _since(book.market.guarded.get(account), values["day_start"]),
            "attempts": _attempts(book, values["recommendation_id"]),
            "closing": close_requests.closing(book, account, ticker),
            "corporate": holdings.unsettled(book, account, ticker, values["today"]),
            "looked_at": holdings.looked_at(book, account),
            "external": [row["symbol"] for row in before if row["quantity"] != 0],
            "open_symbols": _open_symbols(book, values),
        }
    ]


def _since(moment: datetime | None, since: datetime) -> datetime | None:
    return moment if moment is not None and moment >= since else None


def _attempts(book: Book, number: int) -> int:
    found = (row["attempt"] for row in book.orders if row["recommendation_id"] == number)
    return max(found, default=0)


def _results(book: Book, values: Values) -> Row:
    """The newest results of the account and of the ticker, the newest last; percent."""
    verified = [row for row in _closed(book, values["account"], values["mode"]) if row["verified"]]
    since, most = values["since"], values["limit"]
    # The newest first, by ticker within a moment: the last of them are cut off.
    ordered = sorted(verified, key=lambda row: str(row["ticker"]))
    ordered.sort(key=lambda row: row["exit_time"], reverse=True)
    own = [row for row in ordered if since is None or row["exit_time"] > since][:most]
    in_ticker = [row for row in ordered if row["ticker"] == values["ticker"]][:most]
    return {
        "of_account": [row["pnl_pct"] for row in reversed(own)],
        "of_ticker": [row["pnl_pct"] for row in reversed(in_ticker)],
        "last_exit": in_ticker[0]["exit_time"] if in_ticker else None,
    }


def _entries(book: Book, values: Values) -> Row:
    today = [
        row
        for row in book.orders_of(values["account"])
        if row["purpose"] == "entry"
        and row["decided_at"] >= values["day_start"]
        and (row["filled_qty"] > 0 or is_live(row))
    ]
    return {
        "entries_in_account": len(today),
        "entries_in_ticker": sum(row["ticker"] == values["ticker"] for row in today),
    }


def _market(book: Book, values: Values) -> Row:
    ticker, day_start = values["ticker"], values["day_start"]
    bar = book.market.newest_bar(ticker, day_start)
    minute, computed_at = book.market.features.get(ticker, (None, None))
    days = [row for row in book.table("vix_history") if row["day"] < values["today"]]
    vix = max(days, key=lambda row: row["day"], default={"day": None, "close": None})
    return {
        "bar_at": None if bar is None else bar.ts,
        "bar_close": None if bar is None else bar.close,
        "features_at": computed_at if _since(minute, day_start) is not None else None,
        "asked_until": book.market.asked_until.get(ticker),
        "market_until": market.market_until(book, day_start),
        "vix_day": vix["day"],
        "vix_close": vix["close"],
        "trading_halts": market.halts_as_json(book, ticker, values["halts_since"]),
        "events": market.events_as_json(
            book, ticker, values["events_from"], values["events_until"]
        ),
    }


def _last_trade(book: Book, account: str, ticker: str) -> datetime | None:
    orders = {row["client_order_id"] for row in book.orders_of(account) if row["ticker"] == ticker}
    moments = [it["executed_at"] for it in book.fills if it["client_order_id"] in orders]
    for row in book.positions:
        if row["account_name"] == account and row["ticker"] == ticker:
            moments += [it for it in (row["entry_time"], row["closed_at"]) if it is not None]
    return max(moments, default=None)


def _open_symbols(book: Book, values: Values) -> list[str]:
    """Of positions stored before the broker's lists, but for those of which a listed sale fills."""
    sold = set(values["sold"])
    selling = {
        row["position_id"]
        for row in book.orders
        if row["client_order_id"] in sold and row["side"] == "sell" and is_live(row)
    }
    return [
        row["symbol"]
        for row in book.positions
        if row["account_name"] == values["account"]
        and row["status"] == "open"
        and row["created_at"] < values["listed_at"]
        and row["id"] not in selling
    ]
