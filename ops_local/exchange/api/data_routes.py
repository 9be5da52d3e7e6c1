"""Alpaca's market data API for stocks; nothing later than the exchange's clock is shown."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from datetime import datetime, timedelta

from starlette.routing import Route

from ops_local.exchange.api.calls import ApiCall, endpoint
from ops_local.exchange.api.wire import parse_timestamp, timestamp
from ops_local.exchange.market.publication import PublishedBars
from ops_local.exchange.market.sessions import session_of
from ops_local.exchange.refusals import bad_query, not_subscribed
from ops_pipeline.domain.market import Bar, Quote, Trade, new_york_day, new_york_time

Answer = dict[str, object]

_FEEDS = ("iex", "sip")
# After which the free plan shows what all venues traded and quoted.
_DELAY = timedelta(minutes=15)
# A recording has no exchange codes; "V" is IEX, tape "B" regional exchanges.
_VENUE, _TAPE = "V", "B"


def list_bars(call: ApiCall) -> Answer:
    """One-minute bars ordered by symbol, then time, in pages of `limit` bars in total."""
    delayed = _is_delayed(call)
    call.one_of("timeframe", ("1Min", "1T"))
    call.one_of("adjustment", ("raw",))
    limit = call.whole_number("limit", default=1000, most=10_000)
    newest_first = call.one_of("sort", ("asc", "desc")) == "desc"
    bars = _after_token(call.text("page_token", ""), _bars(call, newest_first, delayed))
    page = bars[:limit]
    by_symbol: dict[str, list[Answer]] = {}
    for bar in page:
        by_symbol.setdefault(bar.ticker, []).append(_bar(bar))
    token = _token(page[-1]) if len(bars) > limit else None
    return {"bars": by_symbol, "next_page_token": token}


def latest_bars(call: ApiCall) -> Answer:
    _require_plan(call)
    published = _published(call)
    bars = (published.last_bar(symbol, call.now) for symbol in _symbols(call))
    return {"bars": {bar.ticker: _bar(bar) for bar in bars if bar is not None}}


def latest_quotes(call: ApiCall) -> Answer:
    _require_plan(call)
    quotes = (call.exchange.tape.last_quote(symbol, call.now) for symbol in _symbols(call))
    return {"quotes": {quote.ticker: _quote(quote) for quote in quotes if quote is not None}}


def latest_trades(call: ApiCall) -> Answer:
    _require_plan(call)
    trades = (call.exchange.tape.last_trade(symbol, call.now) for symbol in _symbols(call))
    return {"trades": {trade.ticker: _trade(trade) for trade in trades if trade is not None}}


def snapshots(call: ApiCall) -> Answer:
    """Latest quote, minute bar and day bar; a recording has no trades and no previous day."""
    _require_plan(call)
    found = {symbol: _snapshot(call, symbol) for symbol in _symbols(call)}
    return {symbol: snapshot for symbol, snapshot in found.items() if snapshot}


def list_news(call: ApiCall) -> Answer:
    """Always empty: a recording's news is served by its feeds."""
    call.whole_number("limit", default=10, most=50)
    return {"news": [], "next_page_token": None}


def _published(call: ApiCall) -> PublishedBars:
    store = call.exchange.store
    return PublishedBars(
        call.exchange.tape, store.behaviour("bar_publication"), store.behaviour("venue")
    )


def _symbols(call: ApiCall) -> list[str]:
    symbols = call.symbols()
    if not symbols:
        raise bad_query("symbols is required")
    return symbols


def _is_delayed(call: ApiCall) -> bool:
    """Whether the account's plan has the feed only after a while."""
    sip = call.one_of("feed", _FEEDS) == "sip"
    return sip and call.exchange.store.behaviour("sip_feed") == "delayed"


def _require_plan(call: ApiCall) -> None:
    """Refuse what is of this moment where the plan shows it later."""
    if _is_delayed(call):
        raise not_subscribed("recent SIP data")


def _bars(call: ApiCall, newest_first: bool, delayed: bool) -> list[Bar]:
    start = call.timestamp("start") or new_york_time(new_york_day(call.now), 0)
    known = call.now - _DELAY if delayed else call.now
    end = call.timestamp("end") or known
    if end > known and delayed:
        raise not_subscribed("recent SIP data")
    published = _published(call)
    return [
        bar
        for symbol in _symbols(call)
        for bar in _in_order(published.bars(symbol, start, end, known), newest_first)
    ]


def _in_order(bars: list[Bar], newest_first: bool) -> Iterable[Bar]:
    return reversed(bars) if newest_first else bars


def _token(bar: Bar) -> str:
    return urlsafe_b64encode(f"{bar.ticker}|M|{timestamp(bar.ts)}".encode()).decode()


def _after_token(token: str, bars: list[Bar]) -> list[Bar]:
    """The bars after the one that the token names: the last one of the previous page."""
    if not token:
        return bars
    symbol, ts = _read_token(token)
    for index, bar in enumerate(bars):
        if (bar.ticker, bar.ts) == (symbol, ts):
            return bars[index + 1 :]
    raise bad_query("invalid page_token")


def _read_token(token: str) -> tuple[str, datetime]:
    try:
        symbol, _, text = urlsafe_b64decode(token).decode().split("|")
    except ValueError as error:
        raise bad_query("invalid page_token") from error
    return symbol, parse_timestamp(text, "page_token")


def _bar(bar: Bar) -> Answer:
    """A recording has no trade count and no VWAP: 0 and the mean price are used instead."""
    mean = (bar.open + bar.high + bar.low + bar.close) / 4
    return {
        "t": timestamp(bar.ts),
        "o": float(bar.open),
        "h": float(bar.high),
        "l": float(bar.low),
        "c": float(bar.close),
        "v": bar.volume,
        "n": 0,
        "vw": float(mean),
    }


def _quote(quote: Quote) -> Answer:
    return {
        "t": timestamp(quote.ts),
        "bp": float(quote.bid),
        "bs": quote.bid_size,
        "bx": _VENUE,
        "ap": float(quote.ask),
        "as": quote.ask_size,
        "ax": _VENUE,
        "c": ["R"],
        "z": _TAPE,
    }


def _trade(trade: Trade) -> Answer:
    """A recording has no trades: of the last one the size and the number are made up."""
    return {
        "t": timestamp(trade.ts),
        "x": _VENUE,
        "p": float(trade.price),
        "s": 100,
        "c": ["@"],
        "i": 1,
        "z": _TAPE,
    }


def _snapshot(call: ApiCall, symbol: str) -> Answer:
    tape = call.exchange.tape
    quote = tape.last_quote(symbol, call.now)
    bar = _published(call).last_bar(symbol, call.now)
    day = _day_bar(call, symbol)
    return {
        **({} if quote is None else {"latestQuote": _quote(quote)}),
        **({} if bar is None else {"minuteBar": _bar(bar)}),
        **({} if day is None else {"dailyBar": _bar(day)}),
    }


def _day_bar(call: ApiCall, symbol: str) -> Bar | None:
    """Today's regular session so far as one bar, dated at midnight in New York."""
    today = new_york_day(call.now)
    session = session_of(today)
    if session is None:
        return None
    bars = _published(call).bars(symbol, session.opens_at, session.closes_at, call.now)
    bars = [bar for bar in bars if bar.ts < session.closes_at]
    if not bars:
        return None
    return Bar(
        ticker=symbol,
        ts=new_york_time(today, 0),
        open=bars[0].open,
        high=max(bar.high for bar in bars),
        low=min(bar.low for bar in bars),
        close=bars[-1].close,
        volume=sum(bar.volume for bar in bars),
    )


ROUTES = [
    Route("/v2/stocks/bars", endpoint(list_bars), methods=["GET"]),
    Route("/v2/stocks/bars/latest", endpoint(latest_bars), methods=["GET"]),
    Route("/v2/stocks/quotes/latest", endpoint(latest_quotes), methods=["GET"]),
    Route("/v2/stocks/trades/latest", endpoint(latest_trades), methods=["GET"]),
    Route("/v2/stocks/snapshots", endpoint(snapshots), methods=["GET"]),
    Route("/v1beta1/news", endpoint(list_news), methods=["GET"]),
]
