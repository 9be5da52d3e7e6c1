"""Subscribed feeds and the state of their last fetch."""

from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.news.headlines import plain_text
from ops_pipeline.domain.news.items import FeedDocument, FeedState
from ops_pipeline.domain.news.sites import has_login
from ops_pipeline.errors import InvalidInput

_SUBSCRIBE = """
INSERT INTO feed_state (url, source) VALUES (:url, :source)
ON CONFLICT (url) DO UPDATE SET source = excluded.source, active = true
"""

_DUE = """
SELECT url, source, etag, last_modified, failures_in_a_row, moved_to FROM feed_state
WHERE active AND (next_try_at IS NULL OR next_try_at <= :tick)
ORDER BY last_fetched_at NULLS FIRST, url COLLATE "C"
"""

# A 304 may leave the validators out; the previous ones then remain valid.
_SUCCEEDED = """
UPDATE feed_state SET last_fetched_at = :now, last_succeeded_at = :now, last_error = NULL,
    failures_in_a_row = 0, next_try_at = NULL,
    etag = CASE WHEN :not_modified THEN coalesce(CAST(:etag AS text), etag)
        ELSE CAST(:etag AS text) END,
    last_modified = CASE WHEN :not_modified
        THEN coalesce(CAST(:last_modified AS text), last_modified)
        ELSE CAST(:last_modified AS text) END,
    moved_to = CAST(:moved_to AS text)
WHERE url = :url
"""

# A redirect that fails is dropped: the subscribed address may have a better one by now.
_FAILED = """
UPDATE feed_state SET last_fetched_at = :now, last_error = :error, moved_to = NULL,
    failures_in_a_row = failures_in_a_row + 1, next_try_at = :next_try_at
WHERE url = :url
"""


def subscribe(tx: Transaction, *, url: str, source: str) -> None:
    """Add a feed or reactivate one; its validators are kept.

    Raises:
        InvalidInput: the address has a login in it, which everybody could read.
    """
    if has_login(url):
        raise InvalidInput("a feed's address must not have a login in it")
    tx.execute(_SUBSCRIBE, url=url, source=source)


def due_feeds(tx: Transaction, tick: datetime) -> list[FeedState]:
    """The feeds to fetch at this tick, longest waiting first; paused ones are left out."""
    return [FeedState(**row) for row in tx.rows(_DUE, tick=tick)]


def feed_succeeded(tx: Transaction, url: str, document: FeedDocument, now: datetime) -> None:
    tx.enqueue(
        _SUCCEEDED,
        url=url,
        now=now,
        not_modified=document.not_modified,
        etag=document.etag,
        last_modified=document.last_modified,
        moved_to=document.moved_to,
    )


def feed_failed(
    tx: Transaction, url: str, *, error: str, now: datetime, next_try_at: datetime
) -> None:
    # What a stranger's server said may hold what Postgres keeps in no text.
    said = plain_text(error, 500) or "failed without a word"
    tx.enqueue(_FAILED, url=url, error=said, now=now, next_try_at=next_try_at)
