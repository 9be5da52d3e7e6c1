"""Statements on the market: newest bars and features, halts, events."""

from datetime import datetime

from ops_local.backtest.book.book import Book
from ops_local.backtest.book.statements import Values, answers
from ops_local.backtest.book.tables import Row
from ops_pipeline.domain.market import MINUTE
from ops_pipeline.domain.market_state.trading_halts import EVERY_TICKER

_HALT = ("ticker", "source", "reason", "halted_at", "resumed_at", "listed_at", "unlisted_at")
_TIMES = ("halted_at", "resumed_at", "listed_at", "unlisted_at")
_EVENT = ("ticker", "kind", "at", "source")


@answers("telemetry", "_LAST_BARS")
def last_bars(book: Book, values: Values) -> list[Row]:
    found = {
        symbol: book.market.newest_bar(symbol, values["since"]) for symbol in values["symbols"]
    }
    return [
        {"symbol": symbol, "ts": bar.ts, "close": bar.close}
        for symbol, bar in found.items()
        if bar is not None
    ]


@answers("market_data.asked_bars", "_COVERAGE")
def coverage(book: Book, values: Values) -> list[Row]:
    until = market_until(book, values["day_start"])
    asked = book.market.asked_until
    return [
        {"ticker": ticker, "asked_until": asked.get(ticker), "market_until": until}
        for ticker in values["tickers"]
    ]


def market_until(book: Book, day_start: datetime) -> datetime | None:
    """The end of the newest bar of any ticker, if it is of that day."""
    newest = book.market.newest_minute
    return None if newest is None or newest < day_start else newest + MINUTE


def _ended_at(row: Row) -> datetime | None:
    return row["resumed_at"] or row["unlisted_at"]  # type: ignore[no-any-return]  # columns of times


def halts(book: Book, tickers: list[str], since: datetime) -> list[Row]:
    """Halts of these tickers that stand, or ended after `since`, in the order of their begin."""
    found = []
    for row in book.table("trading_halts"):
        ended_at = _ended_at(row)
        if row["ticker"] in tickers and (ended_at is None or ended_at > since):
            found.append({name: row[name] for name in _HALT})
    return sorted(found, key=lambda it: (it["halted_at"], it["ticker"], it["source"]))


@answers("market_state.trading_halts", "_CURRENT")
def current_halts(book: Book, values: Values) -> list[Row]:
    return halts(book, values["tickers"], values["since"])


@answers("market_state.trading_halts", "_TRADED")
def traded(book: Book, values: Values) -> list[Row]:
    newest = book.market.traded
    return [
        {"ticker": ticker, "ts": newest[ticker]}
        for ticker in values["tickers"]
        if ticker in newest and newest[ticker] > values["since"]
    ]


def halts_as_json(book: Book, ticker: str, since: datetime) -> list[Row]:
    """As the ledger's statement has them: JSON has texts for times."""
    return [
        {name: _as_text(row[name]) if name in _TIMES else row[name] for name in row}
        for row in halts(book, [ticker, EVERY_TICKER], since)
    ]


def events_as_json(book: Book, ticker: str, first: datetime, last: datetime) -> list[Row]:
    """Events of the ticker and of the whole market in that time, the next one first."""
    found = [
        {name: row[name] for name in _EVENT}
        for row in book.table("event_dates")
        if row["ticker"] in (ticker, EVERY_TICKER) and first <= row["at"] <= last
    ]
    found.sort(key=lambda row: (row["at"], row["ticker"], row["kind"]))
    return [{**row, "at": row["at"].isoformat()} for row in found]


def _as_text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
