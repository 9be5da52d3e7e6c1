"""What the healthcheck and the doctor ask of the news: feeds that are on, and what they served."""

from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.operations.news_health import (
    FLOODS_LOOKED_AT,
    TIMES_LOOKED_AT,
    FeedTimes,
    TickerShare,
    WatchedFeed,
)

_ON = """
SELECT url, source, max_age_h, failures_in_a_row, last_error, last_succeeded_at, subscribed_at,
    newest_item_at, last_items, kind, poll_every_s
FROM feed_state WHERE active ORDER BY url COLLATE "C"
"""

# One that is merely too old to count was dated well.
_TIMES = """
SELECT feed_url AS url, count(*) AS items,
    count(*) FILTER (WHERE published_at IS NULL AND published_at_reason <> 'too_old') AS undated
FROM inbound_events_raw
WHERE fetched_at > :since AND fetched_at <= :until
GROUP BY feed_url ORDER BY feed_url COLLATE "C"
"""

_SHARES = """
WITH served AS (
    SELECT raw.feed_url, verdict.tickers FROM inbound_events_raw AS raw
    LEFT JOIN inbound_events_classified AS verdict ON verdict.raw_event_id = raw.id
    WHERE raw.fetched_at > :since AND raw.fetched_at <= :until
), total AS (
    SELECT feed_url, count(*) AS items FROM served GROUP BY feed_url
), named AS (
    SELECT feed_url, named.ticker, count(*) AS named FROM served
    CROSS JOIN LATERAL unnest(served.tickers) AS named (ticker)
    GROUP BY feed_url, named.ticker
)
SELECT named.feed_url AS url, named.ticker, named.named, total.items
FROM named JOIN total ON total.feed_url = named.feed_url
ORDER BY named.feed_url COLLATE "C", named.ticker COLLATE "C"
"""


def feeds_on(tx: Transaction) -> list[WatchedFeed]:
    return [WatchedFeed(**row) for row in tx.rows(_ON)]


def feed_times(tx: Transaction, *, until: datetime) -> list[FeedTimes]:
    rows = tx.rows(_TIMES, since=until - TIMES_LOOKED_AT, until=until)
    return [FeedTimes(**row) for row in rows]


def ticker_shares(tx: Transaction, *, until: datetime) -> list[TickerShare]:
    rows = tx.rows(_SHARES, since=until - FLOODS_LOOKED_AT, until=until)
    return [TickerShare(**row) for row in rows]
