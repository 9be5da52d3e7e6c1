"""Stored bars, quarantined bars, and tickers halted after a price jump."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from itertools import islice

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.domain.bars import Jump, RejectedBar
from ops_pipeline.domain.legible import legible
from ops_pipeline.domain.market import MINUTE, Bar, new_york_day
from ops_pipeline.domain.prices.bar_plausibility import FAR_OFF
from ops_pipeline.domain.prices.plausibility import Evidence

_ROWS_A_CHUNK = 1_000
_LONGEST_NAME = 100

_WATCHED = 'SELECT ticker FROM tickers WHERE is_watched ORDER BY ticker COLLATE "C"'

_NEWEST = """
SELECT watched.ticker, newest.ts
FROM unnest(CAST(:tickers AS text[])) AS watched (ticker)
CROSS JOIN LATERAL (
    SELECT max(ts) AS ts FROM lane_telemetry
    WHERE ticker = watched.ticker AND ts >= :since AND ts < :until
) newest
WHERE newest.ts IS NOT NULL
"""

# Emptied by whoever filled it, before the commit: no transaction sees another's rows.
_CLEAR = "DELETE FROM staged_bars"

_LARGEST = 2**63 - 1

_COPY = "COPY staged_bars FROM STDIN"

# Only new or different bars are written: fetching a minute again leaves no dead row.
_MERGE = """
INSERT INTO lane_telemetry AS stored
    (ticker, ts, open, high, low, close, volume, data_feed, fetched_at)
SELECT ticker, ts, open, high, low, close, volume, :data_feed, :now FROM staged_bars
ON CONFLICT (ticker, ts) DO UPDATE SET
    open = excluded.open, high = excluded.high, low = excluded.low, close = excluded.close,
    volume = excluded.volume, data_feed = excluded.data_feed, fetched_at = excluded.fetched_at
WHERE (stored.open, stored.high, stored.low, stored.close, stored.volume, stored.data_feed)
    IS DISTINCT FROM (excluded.open, excluded.high, excluded.low, excluded.close,
                      excluded.volume, excluded.data_feed)
"""

_REJECT = """
INSERT INTO lane_telemetry_rejected AS stored
    (ticker, ts, reason, open, high, low, close, volume, data_feed, fetched_at)
SELECT ticker, ts, reason, open, high, low, close, volume, :data_feed, :now
FROM json_to_recordset(CAST(:rows AS json)) AS bar (
    ticker text, ts timestamptz, reason text, open numeric, high numeric, low numeric,
    close numeric, volume bigint)
ON CONFLICT (ticker, ts, reason) DO NOTHING
"""

_BARS_BEFORE = """
SELECT first.ticker AS symbol, first.ts AS first_ts, bar.ts, bar.close
FROM unnest(CAST(:tickers AS text[]), CAST(:firsts AS timestamptz[])) AS first (ticker, ts)
CROSS JOIN LATERAL (
    SELECT ts, close FROM lane_telemetry
    WHERE ticker = first.ticker AND ts < first.ts ORDER BY ts DESC LIMIT 1
) bar
"""

_BARS_UNTIL = """
SELECT asked.ticker, count(bar.ts) AS bars
FROM unnest(CAST(:tickers AS text[]), CAST(:ends AS timestamptz[])) AS asked (ticker, ts)
JOIN lane_telemetry AS bar ON bar.ticker = asked.ticker AND bar.ts <= asked.ts
    AND bar.ts > asked.ts - CAST(:within AS interval)
GROUP BY asked.ticker
"""

_LAST_BARS = """
SELECT asked.symbol, bar.ts, bar.close
FROM unnest(CAST(:symbols AS text[])) AS asked (symbol)
CROSS JOIN LATERAL (
    SELECT ts, close FROM lane_telemetry
    WHERE ticker = asked.symbol AND ts >= :since ORDER BY ts DESC LIMIT 1
) bar
"""

# Only what was kept aside for being far off: other reasons are of other values.
_OPEN_DOUBT = f"r.ts >= :since AND r.reason = '{FAR_OFF}' AND r.accepted_at IS NULL"
_ACCEPT = f"""
UPDATE lane_telemetry_rejected AS r SET accepted_at = :now
WHERE {_OPEN_DOUBT}
  AND EXISTS (SELECT FROM lane_telemetry AS t
              WHERE t.ticker = r.ticker AND t.ts = r.ts AND t.close = r.close)
"""
_DOUBTED = f"""
SELECT r.ticker, count(*) AS count FROM lane_telemetry_rejected AS r
WHERE {_OPEN_DOUBT}
  AND NOT EXISTS (SELECT FROM lane_telemetry AS t WHERE t.ticker = r.ticker AND t.ts >= r.ts)
GROUP BY r.ticker
"""

_HOLD = """
INSERT INTO price_holds (ticker, ts, day, reason, previous_close, close, seen_at)
VALUES (:ticker, :ts, :day, :reason, :previous_close, :close, :now)
ON CONFLICT (ticker, ts) DO NOTHING
"""

# The newest bars of a day come first: of one jump each request finds another bar.
_MOVE_HOLD = """
UPDATE price_holds SET ts = :ts, close = :close, reason = :reason
WHERE ticker = :ticker AND day = :day AND previous_close = :previous_close AND ts > :ts
RETURNING ticker
"""

_HELD = """
SELECT DISTINCT ticker FROM price_holds WHERE day = :day AND resolved_at IS NULL
"""

_RELEASE = """
UPDATE price_holds SET resolved_at = :now
WHERE day < :day AND resolved_at IS NULL
RETURNING ticker
"""


# What is left of the jump once it is told in the shares of after the action, at most.
_EXPLAIN = """
UPDATE price_holds SET resolved_at = :now
WHERE ticker = :ticker AND day = :day AND resolved_at IS NULL
  AND abs(close * CAST(:ratio AS numeric) / previous_close - 1) < 0.2
RETURNING ticker
"""


def watched_tickers(tx: Transaction) -> list[str]:
    """The tickers whose bars are fetched, in alphabetical order."""
    return [row["ticker"] for row in tx.rows(_WATCHED)]


def newest_bars(
    tx: Transaction, tickers: Sequence[str], since: datetime, until: datetime
) -> dict[str, datetime]:
    """Each ticker's newest stored minute with since <= ts < until, if it has any."""
    found = tx.rows(_NEWEST, tickers=list(tickers), since=since, until=until)
    return {row["ticker"]: row["ts"] for row in found}


def last_bars(tx: Transaction, symbols: Sequence[str], *, since: datetime) -> dict[str, Evidence]:
    """The close of each symbol's newest stored bar from `since` on; without one it is left out."""
    rows = tx.rows(_LAST_BARS, symbols=list(symbols), since=since)
    return {row["symbol"]: Evidence(row["close"], row["ts"] + MINUTE, "bar") for row in rows}


def bars_before(tx: Transaction, firsts: Mapping[str, datetime]) -> dict[str, Evidence]:
    """The close of each ticker's newest stored bar before that minute; none where it has none."""
    rows = tx.rows(_BARS_BEFORE, tickers=list(firsts), firsts=list(firsts.values()))
    return {row["symbol"]: Evidence(row["close"], row["ts"] + MINUTE, "bar") for row in rows}


def bars_until(tx: Transaction, ends: Mapping[str, datetime], within: timedelta) -> dict[str, int]:
    """How many bars each ticker has in that time, which ends with the start of the given one."""
    rows = tx.rows(
        _BARS_UNTIL, tickers=list(ends), ends=list(ends.values()), within=f"{within.seconds} s"
    )
    return {row["ticker"]: row["bars"] for row in rows}


def accept(tx: Transaction, *, since: datetime, now: datetime) -> None:
    """Mark the bars since then that were kept aside and are stored after all."""
    tx.enqueue(_ACCEPT, since=since, now=now)


def doubted_in_a_row(tx: Transaction, *, since: datetime) -> dict[str, int]:
    """How many bars of each ticker were kept aside after its newest that is stored, since then."""
    rows = tx.rows(_DOUBTED, since=since)
    return {row["ticker"]: row["count"] for row in rows}


def stage(tx: Transaction, bars: Iterable[Bar]) -> None:
    """Copy valid bars, one per ticker and minute, into the staging table; `merge` empties it."""
    tx.copy_in(_COPY, _chunks(bars))


def last_closes(tx: Transaction, firsts: Mapping[str, datetime]) -> dict[str, Decimal]:
    """Each ticker's last close stored before that minute, USD; without one it is left out.

    That of an earlier day is told in the shares of the later one (price_factor). The minutes are
    given: a statement without values keeps the plan of its first use, which may be that of an
    empty table.
    """
    rows = tx.rows(_BARS_BEFORE, tickers=list(firsts), firsts=list(firsts.values()))
    days = {row["symbol"]: (new_york_day(row["ts"]), new_york_day(row["first_ts"])) for row in rows}
    factors = corporate_actions.price_factors(tx, days)
    return {row["symbol"]: row["close"] * factors.get(row["symbol"], 1) for row in rows}


def merge(tx: Transaction, *, data_feed: str, now: datetime) -> int:
    """Store the staged bars and clear the staging; return how many were new or different."""
    stored = tx.execute(_MERGE, data_feed=data_feed, now=now)
    tx.enqueue(_CLEAR)
    return stored


def quarantine(
    tx: Transaction, rejected: Sequence[RejectedBar], *, data_feed: str, now: datetime
) -> int:
    """Store implausible bars; return how many were not known yet."""
    if not rejected:
        return 0
    rows = json.dumps([_rejected_row(each) for each in rejected])
    return tx.execute(_REJECT, rows=rows, data_feed=data_feed, now=now)


def hold(tx: Transaction, jump: Jump, *, now: datetime) -> bool:
    """Halt the ticker for the day of the jump; False when that jump was known already.

    An earlier bar that jumped from the same close is where a known jump really was.
    """
    bar = jump.bar
    found = {
        "ticker": bar.ticker,
        "ts": bar.ts,
        "day": new_york_day(bar.ts),
        "reason": jump.reason,
        "previous_close": jump.previous_close,
        "close": bar.close,
    }
    if tx.rows(_MOVE_HOLD, **found):
        return False
    return bool(tx.execute(_HOLD, **found, now=now))


def halted_tickers(tx: Transaction, day: date) -> frozenset[str]:
    """The tickers halted on that New York day."""
    return frozenset(row["ticker"] for row in tx.rows(_HELD, day=day))


def explain_hold(tx: Transaction, ticker: str, day: date, *, ratio: Decimal, now: datetime) -> bool:
    """End the halt of a jump of that day that so many new shares for an old one explain."""
    return bool(tx.rows(_EXPLAIN, ticker=ticker, day=day, ratio=ratio, now=now))


def release_past_holds(tx: Transaction, day: date, *, now: datetime) -> list[str]:
    """End the halts of earlier days; return their tickers."""
    return sorted({row["ticker"] for row in tx.rows(_RELEASE, day=day, now=now)})


def _chunks(bars: Iterable[Bar]) -> Iterator[bytes]:
    """Text for COPY, many rows per chunk: the driver sends each chunk as one message."""
    rest = iter(bars)
    while chunk := "".join(map(_line, islice(rest, _ROWS_A_CHUNK))):
        yield chunk.encode()


def _line(bar: Bar) -> str:
    prices = f"{bar.open}\t{bar.high}\t{bar.low}\t{bar.close}"
    return f"{bar.ticker}\t{bar.ts.isoformat()}\t{prices}\t{bar.volume}\n"


def _rejected_row(rejected: RejectedBar) -> Mapping[str, object]:
    bar = rejected.bar
    return {
        # A stranger's name may be anything too.
        "ticker": legible(bar.ticker)[:_LONGEST_NAME],
        "ts": bar.ts.isoformat(),
        "reason": rejected.reason,
        "open": str(bar.open),
        "high": str(bar.high),
        "low": str(bar.low),
        "close": str(bar.close),
        # What is kept aside may be anything, and its column ends here.
        "volume": max(-_LARGEST, min(bar.volume, _LARGEST)),
    }
