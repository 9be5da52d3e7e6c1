"""Stored halts of trading: what exchanges list, and tickers that fell silent."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.market_state.trading_halts import (
    EVERY_TICKER,
    HaltNotice,
    HaltSource,
    TradingHalt,
)

# A halt that has ended is told again each minute of the day and changes nothing.
_LIST = """
INSERT INTO trading_halts AS stored
    (ticker, source, reason, halted_at, resumed_at, seen_at, listed_at, feed_url)
SELECT ticker, :source, reason, halted_at, resumed_at, :now, :now, CAST(:feed_url AS text)
FROM json_to_recordset(CAST(:rows AS json)) AS told (
    ticker text, reason text, halted_at timestamptz, resumed_at timestamptz)
ORDER BY ticker COLLATE "C", halted_at
ON CONFLICT (ticker, source, halted_at) DO UPDATE SET
    reason = excluded.reason, resumed_at = excluded.resumed_at, listed_at = excluded.listed_at,
    unlisted_at = NULL, feed_url = excluded.feed_url
WHERE excluded.resumed_at IS NULL OR excluded.resumed_at > :now
    OR (stored.reason, stored.resumed_at, stored.unlisted_at)
        IS DISTINCT FROM (excluded.reason, excluded.resumed_at, NULL)
"""

_SAME = """
UPDATE trading_halts SET listed_at = :now
WHERE feed_url = :feed_url AND unlisted_at IS NULL
  AND (resumed_at IS NULL OR resumed_at > :now)
"""

# A resumption that was to come is told no more either.
_UNLIST = """
UPDATE trading_halts SET unlisted_at = :now, resumed_at = NULL
WHERE feed_url = :feed_url AND unlisted_at IS NULL
  AND (resumed_at IS NULL OR resumed_at > :now) AND listed_at < :now
"""

_SEEN = """
SELECT count(*) AS seen FROM trading_halts WHERE feed_url = :feed_url AND seen_at > :since
"""

_TIMES = ("halted_at", "resumed_at", "listed_at", "unlisted_at")
COLUMNS = "ticker, source, reason, halted_at, resumed_at, listed_at, unlisted_at"

# For a statement that reads more of a ticker.
OF_TICKER = f"""
SELECT coalesce(json_agg(halt ORDER BY halt.halted_at, halt.ticker COLLATE "C",
                         halt.source COLLATE "C"), '[]')
FROM (SELECT {COLUMNS} FROM trading_halts
      WHERE ticker IN (:ticker, '{EVERY_TICKER}')
        AND (coalesce(resumed_at, unlisted_at) IS NULL
             OR coalesce(resumed_at, unlisted_at) > :halts_since)) AS halt
"""

# Those that may hold, or ended a moment ago; whether they do is for the domain to say.
_CURRENT = f"""
SELECT {COLUMNS} FROM trading_halts
WHERE ticker = ANY(CAST(:tickers AS text[]))
  AND (coalesce(resumed_at, unlisted_at) IS NULL OR coalesce(resumed_at, unlisted_at) > :since)
ORDER BY halted_at, ticker COLLATE "C", source COLLATE "C"
"""

_SILENCE_BEGINS = """
INSERT INTO trading_halts (ticker, source, reason, halted_at, seen_at, listed_at)
VALUES (:ticker, 'silence', :reason, :halted_at, :now, :now)
ON CONFLICT (ticker, source, halted_at) DO UPDATE SET
    listed_at = excluded.listed_at, reason = excluded.reason
"""

_SILENCE_ENDS = """
UPDATE trading_halts SET resumed_at = greatest(halted_at, CAST(:at AS timestamptz))
WHERE ticker = :ticker AND source = 'silence' AND resumed_at IS NULL
"""

_SILENT = """
SELECT ticker, max(halted_at) AS halted_at FROM trading_halts
WHERE source = 'silence' AND resumed_at IS NULL GROUP BY ticker ORDER BY ticker COLLATE "C"
"""


_CONCERNED = """
SELECT ticker FROM tickers WHERE is_watched
UNION SELECT ticker FROM active_positions WHERE status <> 'closed'
"""

# The newest minute of each that was traded. One that began after a halt says that there is a
# market again, or was all along.
_TRADED = """
SELECT asked.ticker, newest.ts
FROM unnest(CAST(:tickers AS text[])) AS asked (ticker)
CROSS JOIN LATERAL (SELECT bar.ts FROM lane_telemetry AS bar
                    WHERE bar.ticker = asked.ticker AND bar.volume > 0
                      AND bar.ts > CAST(:since AS timestamptz)
                    ORDER BY bar.ts DESC LIMIT 1) AS newest
"""


def list_them(
    tx: Transaction,
    source: HaltSource,
    feed_url: str,
    notices: Sequence[HaltNotice],
    *,
    complete: bool,
    now: datetime,
) -> int:
    """Store what an exchange lists; what a complete list lacks is listed no more.

    Returns how many rows are new or differ; a halt that stands is counted each time.
    """
    rows = json.dumps([_row(notice) for notice in notices])
    stored = tx.execute(_LIST, source=source, feed_url=feed_url, rows=rows, now=now)
    if complete:
        tx.enqueue(_UNLIST, feed_url=feed_url, now=now)
    return stored


def list_unchanged(tx: Transaction, feed_url: str, *, now: datetime) -> None:
    """Its server says that the list is the one it sent last."""
    tx.enqueue(_SAME, feed_url=feed_url, now=now)


def seen_since(tx: Transaction, feed_url: str, since: datetime) -> int:
    """How many halts of a feed were first read since then."""
    row = tx.one(_SEEN, feed_url=feed_url, since=since)
    return int(row["seen"]) if row else 0


def current(
    tx: Transaction, tickers: Iterable[str], *, now: datetime, cooling: timedelta = timedelta()
) -> list[TradingHalt]:
    """The halts of these tickers and of the whole market that hold, or ended within `cooling`."""
    asked = sorted({*tickers, EVERY_TICKER})
    rows = tx.rows(_CURRENT, tickers=asked, since=now - cooling)
    found = [read(row) for row in rows]
    return [halt for halt in found if halt.holds(now) or halt.cools(now, cooling)]


def of_concern(tx: Transaction, *, now: datetime) -> list[TradingHalt]:
    """The halts that hold, of tickers that are watched or held and of the whole market."""
    tickers = [row["ticker"] for row in tx.rows(_CONCERNED)]
    return current(tx, tickers, now=now)


def holding_exits(
    tx: Transaction, tickers: Iterable[str], *, now: datetime
) -> dict[str, TradingHalt]:
    """The halts in which a sale would find no market, by each of these tickers."""
    asked = sorted(set(tickers))
    found = [halt for halt in current(tx, asked, now=now) if halt.holds_exits(now)]
    if not found:
        return {}
    first = min(halt.halted_at for halt in found)
    rows = tx.rows(_TRADED, tickers=asked, since=first)
    traded = {row["ticker"]: row["ts"] for row in rows}
    # The market's halts last, so that a ticker's own is the one that is told.
    found.sort(key=lambda halt: halt.ticker == EVERY_TICKER)
    return {
        ticker: standing[0]
        for ticker in asked
        if (standing := [it for it in found if _stands(it, ticker, traded.get(ticker))])
    }


def _stands(halt: TradingHalt, ticker: str, traded: datetime | None) -> bool:
    """Whether it is the ticker's, and no minute that began after it was traded."""
    concerns = halt.ticker in (ticker, EVERY_TICKER)
    return concerns and (traded is None or traded <= halt.halted_at)


def read(row: Row) -> TradingHalt:
    return TradingHalt(**row)


def of_json(rows: Iterable[Mapping[str, Any]]) -> tuple[TradingHalt, ...]:
    """What OF_TICKER found: JSON has texts for times."""
    return tuple(
        read({name: _moment(it[name]) if name in _TIMES else it[name] for name in it})
        for it in rows
    )


def _moment(told: str | None) -> datetime | None:
    return None if told is None else datetime.fromisoformat(told)


def silence_began(
    tx: Transaction, ticker: str, *, reason: str, halted_at: datetime, now: datetime
) -> None:
    tx.enqueue(_SILENCE_BEGINS, ticker=ticker, reason=reason, halted_at=halted_at, now=now)


def silence_ended(tx: Transaction, ticker: str, *, at: datetime) -> None:
    tx.enqueue(_SILENCE_ENDS, ticker=ticker, at=at)


def silent_since(tx: Transaction) -> dict[str, datetime]:
    """Since when each ticker is silent whose silence stands."""
    return {row["ticker"]: row["halted_at"] for row in tx.rows(_SILENT)}


def _row(notice: HaltNotice) -> dict[str, str | None]:
    ends = notice.resumed_at
    return {
        "ticker": notice.ticker,
        "reason": notice.reason,
        "halted_at": notice.halted_at.isoformat(),
        "resumed_at": None if ends is None else ends.isoformat(),
    }
