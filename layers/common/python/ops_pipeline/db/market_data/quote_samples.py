"""Quotes as they were fetched, shared by all accounts, and who fetches in which minute."""

import json
from collections.abc import Iterable, Sequence
from datetime import datetime

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.market import Quote, Trade
from ops_pipeline.domain.prices.sharing import QuoteSample

# Of every account: one request a minute is for all of them.
_WANTED = """
SELECT symbol FROM (
    SELECT coalesce(option_symbol, ticker) AS symbol FROM active_positions WHERE status <> 'closed'
    UNION
    SELECT symbol FROM orders
    WHERE status IN ('intended', 'unknown', 'accepted', 'partially_filled')
    UNION
    SELECT ticker FROM dispatch_recommendations WHERE status IN ('PENDING', 'PROCESSING')
    UNION
    SELECT ticker FROM watchlist_state WHERE in_watchlist
) AS wanted
ORDER BY symbol COLLATE "C"
"""

_CLAIM = """
INSERT INTO quote_fetches (minute, claimed_at) VALUES (:minute, :now)
ON CONFLICT (minute) DO NOTHING
"""

_DONE = "UPDATE quote_fetches SET done_at = :now WHERE minute = :minute"

_IS_DONE = "SELECT done_at IS NOT NULL AS done FROM quote_fetches WHERE minute = :minute"

_STORE = """
INSERT INTO quote_samples AS stored (symbol, fetched_at, data_feed, quoted_at, bid, bid_size, ask,
    ask_size, traded_at, trade_price, illegible)
SELECT symbol, :now, :data_feed, quoted_at, bid, bid_size, ask, ask_size, traded_at, trade_price,
    illegible
FROM json_to_recordset(CAST(:rows AS json)) AS sample (
    symbol text, quoted_at timestamptz, bid numeric, bid_size bigint, ask numeric, ask_size bigint,
    traded_at timestamptz, trade_price numeric, illegible text)
ON CONFLICT (symbol, fetched_at) DO NOTHING
"""

_NEWEST = """
SELECT sample.*
FROM unnest(CAST(:symbols AS text[])) AS wanted (symbol)
CROSS JOIN LATERAL (
    SELECT symbol, fetched_at, quoted_at, bid, bid_size, ask, ask_size, traded_at, trade_price,
        illegible
    FROM quote_samples
    WHERE symbol = wanted.symbol AND data_feed = :data_feed
      AND fetched_at >= :since AND fetched_at <= :until
    ORDER BY fetched_at DESC LIMIT 1
) AS sample
"""


def wanted_symbols(tx: Transaction) -> list[str]:
    """What is held, pending or watched in any account, in alphabetical order."""
    return [row["symbol"] for row in tx.rows(_WANTED)]


def claim(tx: Transaction, minute: datetime, *, now: datetime) -> bool:
    """Whether this is the first to fetch in that minute."""
    return bool(tx.execute(_CLAIM, minute=minute, now=now))


def note_done(tx: Transaction, minute: datetime, *, now: datetime) -> None:
    """What that minute's fetch found is stored, or it found nothing."""
    tx.execute(_DONE, minute=minute, now=now)


def is_done(tx: Transaction, minute: datetime) -> bool:
    row = tx.one(_IS_DONE, minute=minute)
    return row is None or bool(row["done"])


def store(
    tx: Transaction, samples: Iterable[QuoteSample], *, data_feed: str, now: datetime
) -> None:
    """Keep what was fetched now."""
    rows = json.dumps([_as_row(each) for each in samples])
    tx.execute(_STORE, rows=rows, data_feed=data_feed, now=now)


def newest(
    tx: Transaction, symbols: Sequence[str], *, data_feed: str, since: datetime, until: datetime
) -> dict[str, QuoteSample]:
    """Each symbol's newest sample that was fetched between these moments, both included."""
    rows = tx.rows(_NEWEST, symbols=list(symbols), data_feed=data_feed, since=since, until=until)
    return {row["symbol"]: _sample(row) for row in rows}


def _as_row(sample: QuoteSample) -> dict[str, object]:
    quote, trade = sample.quote, sample.trade
    return {
        "symbol": sample.symbol,
        "quoted_at": None if quote is None else quote.ts.isoformat(),
        "bid": None if quote is None else str(quote.bid),
        "bid_size": None if quote is None else quote.bid_size,
        "ask": None if quote is None else str(quote.ask),
        "ask_size": None if quote is None else quote.ask_size,
        "traded_at": None if trade is None else trade.ts.isoformat(),
        "trade_price": None if trade is None else str(trade.price),
        "illegible": sample.illegible,
    }


def _sample(row: Row) -> QuoteSample:
    symbol = row["symbol"]
    quote = (
        None
        if row["quoted_at"] is None
        else Quote(
            symbol, row["quoted_at"], row["bid"], row["bid_size"], row["ask"], row["ask_size"]
        )
    )
    trade = None
    if row["traded_at"] is not None:
        trade = Trade(symbol, row["traded_at"], row["trade_price"])
    return QuoteSample(symbol, row["fetched_at"], quote, trade, row["illegible"])
