"""A small market of our own making and the real alpaca-py clients that trade on it.

In every minute of the regular session each ticker is quoted 10.00 x 10.02, 100 shares a
side, and 500 shares trade at 10.00, unless a test says otherwise for that minute.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import urllib3

from ops_local.exchange.launcher import PaperAccount, RunningExchange, start
from ops_local.recordings import recording
from ops_pipeline.domain.market import MINUTE, Bar, Quote, new_york_time
from tests.support.exchange_thread import ExchangeThread

with warnings.catch_warnings():
    # alpaca-py imports websockets.legacy, which says at import that it is deprecated.
    warnings.simplefilter("ignore", DeprecationWarning)
    import alpaca.data.requests as data_requests
    import alpaca.trading.requests as trading_requests
    from alpaca.data.historical import StockHistoricalDataClient
    from alpaca.data.timeframe import TimeFrame
    from alpaca.trading import enums
    from alpaca.trading.client import TradingClient

__all__ = ["TimeFrame", "data_requests", "enums", "trading_requests"]

MONDAY = date(2013, 10, 7)
LARGE = PaperAccount("large", "PA-LARGE", "key-large", "secret-large", Decimal(100_000))
TINY = PaperAccount("tiny", "PA-TINY", "key-tiny", "secret-tiny", Decimal(1_500))


@dataclass(frozen=True)
class Minute:
    """What one minute showed; a bid or an ask of 0 is nobody's."""

    bid: str = "10.00"
    ask: str = "10.02"
    size: int = 100
    volume: int = 500


Changes = Mapping[tuple[str, str], Minute | None]


def at(clock: str, day: date = MONDAY) -> datetime:
    """That time of day in New York."""
    hour, minute = clock.split(":")
    return new_york_time(day, int(hour), int(minute))


def write_market(
    folder: Path,
    changes: Changes | None = None,
    *,
    day: date = MONDAY,
    closes: str = "16:00",
    tickers: Sequence[str] = ("AAA", "BBB"),
) -> Path:
    """Write a recording; `changes` by (ticker, minute), None for a minute without anything."""
    bars: dict[str, list[Bar]] = {ticker: [] for ticker in tickers}
    quotes: dict[str, list[Quote]] = {ticker: [] for ticker in tickers}
    special = {(ticker, at(clock, day)): it for (ticker, clock), it in (changes or {}).items()}
    for ticker in tickers:
        for ts in _minutes(at("09:30", day), at(closes, day), special):
            shown = special.get((ticker, ts), Minute() if ts >= at("09:30", day) else None)
            if shown is None:
                continue
            bid, ask = Decimal(shown.bid), Decimal(shown.ask)
            price = bid or ask
            bars[ticker].append(Bar(ticker, ts, price, price, price, price, shown.volume))
            quotes[ticker].append(Quote(ticker, ts, bid, shown.size, ask, shown.size))
    recording.write(
        recording.Recording(
            folder=folder,
            day=day,
            tickers=tuple(tickers),
            synthetic=True,
            source="made for a test",
            vix_previous_close=16.7,
            bars=bars,
            quotes=quotes,
            news=[],
        )
    )
    return folder


def _minutes(
    opens: datetime, closes: datetime, special: Mapping[tuple[str, datetime], object]
) -> list[datetime]:
    """The session's minutes and those outside it that a test names."""
    count = (closes - opens) // MINUTE
    session = {opens + timedelta(minutes=minute) for minute in range(count)}
    return sorted(session | {ts for _, ts in special})


def open_exchange(
    tmp_path: Path,
    changes: Changes | None = None,
    *,
    day: date = MONDAY,
    closes: str = "16:00",
    accounts: Sequence[PaperAccount] = (LARGE, TINY),
    store: str = "exchange.sqlite",
) -> RunningExchange:
    """An exchange over such a market, in a thread; who opens it stops it."""
    folder = write_market(tmp_path / f"market-{day}", changes, day=day, closes=closes)
    return ExchangeThread(folder, tmp_path / store, accounts)


def start_exchange(
    tmp_path: Path, *, accounts: Sequence[PaperAccount] = (LARGE, TINY)
) -> RunningExchange:
    """The same as a process, as a user starts it."""
    folder = write_market(tmp_path / f"market-{MONDAY}")
    return start(folder, tmp_path / "exchange.sqlite", accounts, tmp_path / "exchange.log")


def trading(exchange: RunningExchange, account: PaperAccount = LARGE) -> Any:
    """The real client; Any, for it types each answer as its model or else raw JSON."""
    return TradingClient(account.key_id, account.secret_key, url_override=exchange.url)


def market_data(exchange: RunningExchange, account: PaperAccount = LARGE) -> Any:
    """The real client for market data; Any as above."""
    return StockHistoricalDataClient(account.key_id, account.secret_key, url_override=exchange.url)


def ask(
    exchange: RunningExchange,
    method: str,
    path: str,
    body: object = None,
    *,
    account: PaperAccount = LARGE,
) -> tuple[int, Any]:
    """One request past alpaca-py: status and JSON; `body` as bytes goes out as it is."""
    raw = {"body": body} if isinstance(body, bytes) else {"json": body} if body else {}
    headers = {"APCA-API-KEY-ID": account.key_id, "APCA-API-SECRET-KEY": account.secret_key}
    headers |= {"Authorization": f"Bearer {exchange.token}"} if path.startswith("/control") else {}
    with urllib3.PoolManager(retries=False, timeout=10, headers=headers) as http:
        answer = http.request(method, exchange.url + path, headers=headers, **raw)
        return answer.status, answer.json() if answer.data else None


def order(**changes: object) -> dict[str, object]:
    """The body of a marketable limit order to buy ten AAA for the day."""
    body: dict[str, object] = {
        "symbol": "AAA",
        "qty": "10",
        "side": "buy",
        "type": "limit",
        "time_in_force": "day",
        "limit_price": "10.05",
    }
    return {name: value for name, value in {**body, **changes}.items() if value is not None}


def place(exchange: RunningExchange, *, account: PaperAccount = LARGE, **changes: object) -> str:
    """Place such an order and return its broker id."""
    status, answer = ask(exchange, "POST", "/v2/orders", order(**changes), account=account)
    assert status == 200, answer
    return str(answer["id"])


def look(
    exchange: RunningExchange, order_id: str, *, account: PaperAccount = LARGE
) -> dict[str, Any]:
    status, answer = ask(exchange, "GET", f"/v2/orders/{order_id}", account=account)
    assert status == 200, answer
    return dict(answer)


def own(exchange: RunningExchange, qty: int, *, account: PaperAccount = LARGE) -> None:
    """Hold so many AAA, at most what one minute offers."""
    bought = place(exchange, account=account, qty=str(qty))
    assert look(exchange, bought, account=account)["status"] == "filled"
