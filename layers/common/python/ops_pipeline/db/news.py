"""News items, their stories and their classification."""

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Literal
from uuid import UUID

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.news.company_names import NameIndex
from ops_pipeline.domain.news.items import (
    Classified,
    Company,
    NewsItem,
    Story,
    StoryTrace,
    WaitingItem,
)
from ops_pipeline.domain.news.stories import (
    COMPARED,
    FEWEST_WORDS_ALIKE,
    SAME_TITLE_WITHIN,
    title_starts,
)
from ops_pipeline.domain.news.story_verdicts import StoryItem, stories_of

ClassificationStatus = Literal["CLASSIFIED", "UNCLASSIFIABLE"]

_KNOWN = """
SELECT event_uid FROM inbound_events_raw WHERE event_uid = ANY(CAST(:uids AS text[]))
"""

_TRACE = """
SELECT story_id, canonical_link, title_key, coalesce(published_at, fetched_at) AS dated, event_uid,
    feed_url
FROM inbound_events_raw"""
# One branch for each index. What begins with a headline and a blank sorts before it and "!". A
# feed may have served one link, or anything, thousands of times: each branch is bounded.
_TRACES = f"""
SELECT * FROM (
    SELECT DISTINCT ON (linked.canonical_link) * FROM (
        {_TRACE} WHERE canonical_link = ANY(CAST(:links AS text[]))
    ) AS linked
    ORDER BY linked.canonical_link, linked.dated, CAST(linked.story_id AS text) COLLATE "C",
        linked.event_uid COLLATE "C"
) AS first_linked
UNION
{_TRACE} WHERE event_uid = ANY(CAST(:uids AS text[]))
UNION
{_TRACE} WHERE title_key = ANY(CAST(:keys AS text[]))
    AND coalesce(published_at, fetched_at) BETWEEN :since AND :until
UNION
SELECT told.* FROM unnest(CAST(:longer AS text[])) AS given (start)
CROSS JOIN LATERAL (
    {_TRACE} WHERE title_key COLLATE "C" > start || ' ' AND title_key COLLATE "C" < start || '!'
        AND coalesce(published_at, fetched_at) BETWEEN :since AND :until
    ORDER BY title_key COLLATE "C" LIMIT 20
) AS told
UNION
SELECT recent.* FROM unnest(CAST(:feeds AS text[])) AS given (url)
CROSS JOIN LATERAL (
    {_TRACE} WHERE feed_url = url AND fetched_at BETWEEN :since AND :until
    ORDER BY fetched_at DESC, event_uid COLLATE "C" LIMIT {COMPARED}
) AS recent
"""

_STORED_SINCE = """
SELECT count(*) AS stored FROM inbound_events_raw
WHERE feed_url = :feed_url AND fetched_at > :since
"""

_INSERT_ITEMS = """
INSERT INTO inbound_events_raw (id, event_uid, story_id, published_at, published_at_reason,
    published_claim, published_written, published_note, source, title, link, summary,
    canonical_link, title_key, feed_url, fetched_at, source_site, link_site, correction)
SELECT id, event_uid, story_id, published_at, published_at_reason, published_claim,
    published_written, published_note, source, title, link, summary, canonical_link, title_key,
    feed_url, fetched_at, source_site, link_site, correction
FROM jsonb_to_recordset(CAST(:items AS jsonb)) AS item (id uuid, event_uid text, story_id uuid,
    published_at timestamptz, published_at_reason text, published_claim timestamptz,
    published_written text, published_note text, source text, title text, link text,
    summary text, canonical_link text, title_key text, feed_url text,
    fetched_at timestamptz, source_site text, link_site text, correction boolean)
ON CONFLICT (event_uid) DO NOTHING
"""

# The oldest of each feed, then the next of each: one that floods keeps no other waiting.
_WAITING = """
SELECT item.id AS raw_event_id, item.event_uid, item.story_id, item.published_at, item.title,
       item.summary
FROM inbound_events_raw AS item
JOIN (SELECT id, row_number() OVER (PARTITION BY feed_url
                                    ORDER BY fetched_at, event_uid COLLATE "C") AS place
      FROM inbound_events_raw WHERE processed_at IS NULL) AS queued USING (id)
ORDER BY queued.place, item.fetched_at, item.event_uid COLLATE "C" LIMIT :limit
"""

_COUNT_WAITING = "SELECT count(*) AS waiting FROM inbound_events_raw WHERE processed_at IS NULL"

# Without a day those of the newest time.
_COMPANIES = """
SELECT ticker, name, aliases, is_broker, name_needs_context, cik,
    coalesce(CAST(:day AS date) < names_to, names_to IS NULL) AS has_names
FROM tickers
WHERE active AND coalesce(valid_from <= CAST(:day AS date), true)
  AND coalesce(CAST(:day AS date) < valid_to, valid_to IS NULL)
ORDER BY ticker COLLATE "C"
"""

_RENAMED = """
SELECT ticker, renamed_to FROM tickers
WHERE renamed_to IS NOT NULL AND coalesce(valid_to <= CAST(:day AS date), true)
ORDER BY ticker COLLATE "C"
"""

_INSERT_CLASSIFIED = """
INSERT INTO inbound_events_classified (id, raw_event_id, story_id, published_at, tickers, status,
    reason, sentiment_label, sentiment_score, positive_probability, neutral_probability,
    negative_probability, mixed, ticker_scores, model, created_at)
SELECT id, raw_event_id, story_id, published_at, tickers, status, reason, sentiment_label,
    sentiment_score, positive_probability, neutral_probability, negative_probability, mixed,
    ticker_scores, model, created_at
FROM jsonb_to_recordset(CAST(:rows AS jsonb)) AS verdict (id uuid, raw_event_id uuid,
    story_id uuid, published_at timestamptz, tickers text[], status text, reason text,
    sentiment_label text, sentiment_score double precision, positive_probability double precision,
    neutral_probability double precision, negative_probability double precision, mixed boolean,
    ticker_scores jsonb, model text, created_at timestamptz)
ON CONFLICT (raw_event_id) DO NOTHING
"""

_PROCESSED = """
UPDATE inbound_events_raw SET processed_at = :now
WHERE id = ANY(CAST(:ids AS uuid[])) AND processed_at IS NULL
"""

# All items of the stories that may count, as far as they were known and judged by then. Of
# those fetched at once the first is one that links to its own feed's site: not a copy.
_STORIES = """
WITH candidates AS MATERIALIZED (
    SELECT DISTINCT verdict.story_id
    FROM inbound_events_classified AS verdict
    JOIN inbound_events_raw AS item ON item.id = verdict.raw_event_id
    WHERE verdict.published_at > :since AND item.fetched_at <= :now
      AND verdict.status = 'CLASSIFIED' AND (NOT verdict.mixed OR verdict.ticker_scores IS NOT NULL)
      AND verdict.tickers && CAST(:tickers AS text[])
)
SELECT item.id AS raw_event_id, item.story_id, item.feed_url,
    coalesce(item.source_site, item.feed_url) AS source_site, item.link_site, item.correction,
    item.fetched_at, item.published_at, item.published_claim,
    coalesce(verdict.tickers, '{}') AS tickers,
    coalesce(verdict.status = 'CLASSIFIED', false) AS judged,
    CASE WHEN NOT verdict.mixed THEN verdict.sentiment_score END AS score,
    coalesce(verdict.ticker_scores, '{}') AS ticker_scores
FROM candidates
JOIN inbound_events_raw AS item USING (story_id)
LEFT JOIN inbound_events_classified AS verdict
    ON verdict.raw_event_id = item.id AND verdict.created_at <= :now
WHERE item.fetched_at <= :now
ORDER BY item.story_id, item.fetched_at, (item.link_site IS DISTINCT FROM item.source_site),
    item.published_at, item.event_uid COLLATE "C"
"""


def known_uids(tx: Transaction, uids: Sequence[str]) -> set[str]:
    """Which of these items are stored already."""
    return {row["event_uid"] for row in tx.rows(_KNOWN, uids=list(uids))}


def story_traces(tx: Transaction, items: Sequence[NewsItem]) -> list[StoryTrace]:
    """Stored items of the stories that these items may belong to."""
    if not items:
        return []
    dated = [item.dated for item in items]
    titles = {item.title_key for item in items if item.title_key}
    rows = tx.rows(
        _TRACES,
        links=sorted({item.canonical_link for item in items if item.canonical_link}),
        uids=sorted({item.corrects_uid for item in items if item.corrects_uid}),
        keys=sorted({*titles, *(start for title in titles for start in title_starts(title))}),
        longer=sorted(title for title in titles if title.count(" ") + 1 >= FEWEST_WORDS_ALIKE),
        feeds=sorted({item.feed_url for item in items if item.correction}),
        since=min(dated) - SAME_TITLE_WITHIN,
        until=max(dated) + SAME_TITLE_WITHIN,
    )
    return [StoryTrace(**row) for row in rows]


def insert_items(tx: Transaction, items: Sequence[NewsItem], stories: Mapping[str, UUID]) -> int:
    """Store items with their stories; items already stored are left unchanged."""
    if not items:
        return 0
    rows = [_item_row(item, stories[item.event_uid]) for item in items]
    return tx.execute(_INSERT_ITEMS, items=json.dumps(rows, default=_as_text))


def stored_since(tx: Transaction, feed_url: str, since: datetime) -> int:
    """How many items of a feed were stored after that moment."""
    row = tx.one(_STORED_SINCE, feed_url=feed_url, since=since)
    return int(row["stored"]) if row else 0


def waiting_items(tx: Transaction, *, limit: int) -> list[WaitingItem]:
    """Items that wait for the classifier, the oldest of each feed first."""
    return [WaitingItem(**row) for row in tx.rows(_WAITING, limit=limit)]


def count_waiting(tx: Transaction) -> int:
    row = tx.one(_COUNT_WAITING)
    return int(row["waiting"]) if row else 0


def companies(tx: Transaction, day: date | None = None) -> list[Company]:
    """The securities that the news of a day may name; None: those of today."""
    return [
        Company(
            row["ticker"],
            (row["name"], *row["aliases"]) if row["has_names"] else (),
            row["is_broker"],
            row["name_needs_context"],
            row["cik"],
        )
        for row in tx.rows(_COMPANIES, day=day)
    ]


def name_index(tx: Transaction, day: date | None = None) -> NameIndex:
    """Symbols and names as they were on a day, with what earlier symbols had become by then."""
    renamed = {row["ticker"]: row["renamed_to"] for row in tx.rows(_RENAMED, day=day)}
    return NameIndex(companies(tx, day), renamed)


def save_classified(tx: Transaction, verdicts: Sequence[Classified], now: datetime) -> None:
    """Store classifications and remove their items from the queue."""
    if not verdicts:
        return
    rows = [_verdict_row(verdict, now) for verdict in verdicts]
    tx.enqueue(_INSERT_CLASSIFIED, rows=json.dumps(rows, default=_as_text))
    tx.enqueue(_PROCESSED, ids=[str(v.item.raw_event_id) for v in verdicts], now=now)


def stories_by_ticker(
    tx: Transaction, tickers: Sequence[str], now: datetime, *, window_minutes: int = 120
) -> dict[str, list[Story]]:
    """The stories of the window for each ticker that has any, each story once.

    Only what was fetched and judged by `now`; see story_verdicts for what a story says.
    """
    since = now - timedelta(minutes=window_minutes)
    rows = tx.rows(_STORIES, tickers=list(tickers), now=now, since=since)
    items = (StoryItem(**{**row, "tickers": tuple(row["tickers"])}) for row in rows)
    return stories_of(items, tickers, since)


def _item_row(item: NewsItem, story_id: UUID) -> Row:
    return {
        "id": stable_uuid("news", item.event_uid),
        "event_uid": item.event_uid,
        "story_id": story_id,
        "published_at": item.publication.at,
        "published_at_reason": item.publication.reason,
        "published_claim": item.publication.claim,
        "published_written": item.publication.written,
        "published_note": item.publication.note,
        "source": item.source,
        "title": item.title,
        "link": item.link,
        "summary": item.summary,
        "canonical_link": item.canonical_link,
        "title_key": item.title_key,
        "feed_url": item.feed_url,
        "fetched_at": item.fetched_at,
        "source_site": item.source_site,
        "link_site": item.link_site,
        "correction": item.correction,
    }


def _verdict_row(verdict: Classified, now: datetime) -> Row:
    sentiment = verdict.sentiment
    status: ClassificationStatus = "UNCLASSIFIABLE" if sentiment is None else "CLASSIFIED"
    return {
        "id": stable_uuid("classified", verdict.item.event_uid),
        "raw_event_id": verdict.item.raw_event_id,
        "story_id": verdict.item.story_id,
        "published_at": verdict.item.published_at,
        "tickers": verdict.tickers,
        "status": status,
        "reason": verdict.reason,
        "sentiment_label": sentiment and sentiment.label,
        "sentiment_score": sentiment and sentiment.score,
        "positive_probability": sentiment and sentiment.positive,
        "neutral_probability": sentiment and sentiment.neutral,
        "negative_probability": sentiment and sentiment.negative,
        "mixed": verdict.mixed,
        "ticker_scores": verdict.ticker_scores,
        "model": verdict.model,
        "created_at": now,
    }


def _as_text(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
