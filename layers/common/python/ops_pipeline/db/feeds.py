"""Subscribed feeds and the state of their last fetch."""

from collections.abc import Iterable
from dataclasses import asdict
from datetime import datetime

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.feeds.subscriptions import FeedChange, FeedSpec, StoredFeed
from ops_pipeline.domain.news.headlines import plain_text
from ops_pipeline.domain.news.items import FeedDocument, FeedState

# Validators and what its server said last are kept; what keeps it from being asked is not.
_WRITE = """
INSERT INTO feed_state AS known
    (url, source, active, poll_every_s, max_age_h, terms, kind, subscribed_at)
VALUES (:url, :source, :active, :poll_every_s, :max_age_h, :terms, :kind, :now)
ON CONFLICT (url) DO UPDATE SET source = excluded.source, active = excluded.active,
    removed = false, poll_every_s = excluded.poll_every_s, max_age_h = excluded.max_age_h,
    terms = excluded.terms, kind = excluded.kind,
    next_try_at = CASE WHEN known.active THEN known.next_try_at END,
    subscribed_at = CASE WHEN known.active OR NOT excluded.active
        THEN known.subscribed_at ELSE excluded.subscribed_at END
"""

_REMOVE = "UPDATE feed_state SET active = false, removed = true WHERE url = :url"

_STORED = """
SELECT url, source, active, poll_every_s, max_age_h, terms, kind, removed FROM feed_state
ORDER BY url COLLATE "C"
"""

_LIST = """
SELECT source, url,
    CASE WHEN removed THEN 'removed' WHEN active THEN 'on' ELSE 'off' END AS state,
    poll_every_s, max_age_h, last_succeeded_at, newest_item_at, last_items, failures_in_a_row,
    last_error, next_try_at, terms, kind
FROM feed_state
WHERE NOT removed OR CAST(:removed_too AS boolean)
ORDER BY active DESC, removed, source COLLATE "C", url COLLATE "C"
"""

_CONTACT = "SELECT contact FROM feed_contact"

_SET_CONTACT = """
INSERT INTO feed_contact (contact, set_at) VALUES (:contact, :now)
ON CONFLICT (one_row) DO UPDATE SET contact = excluded.contact, set_at = excluded.set_at
"""

_DUE = """
SELECT url, source, etag, last_modified, failures_in_a_row, moved_to, poll_every_s,
    last_fetched_at, kind, (SELECT contact FROM feed_contact) AS contact
FROM feed_state
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
    moved_to = CAST(:moved_to AS text),
    last_items = CASE WHEN :not_modified THEN last_items ELSE :items END,
    newest_item_at = greatest(newest_item_at, CAST(:newest AS timestamptz))
WHERE url = :url
"""

_LOCK = "SELECT last_succeeded_at FROM feed_state WHERE url = :url FOR NO KEY UPDATE"

# A redirect that fails is dropped: the subscribed address may have a better one by now.
_FAILED = """
UPDATE feed_state SET last_fetched_at = :now, last_error = :error, moved_to = NULL,
    failures_in_a_row = failures_in_a_row + 1, next_try_at = :next_try_at
WHERE url = :url
"""


def stored(tx: Transaction) -> dict[str, StoredFeed]:
    """Every feed that was ever subscribed, by its address."""
    return {
        row["url"]: StoredFeed(
            FeedSpec(**{name: value for name, value in row.items() if name != "removed"}),
            row["removed"],
        )
        for row in tx.rows(_STORED)
    }


def write(tx: Transaction, changes: Iterable[FeedChange], now: datetime) -> None:
    """Carry out what was planned; what a feed's server said last is kept."""
    for change in changes:
        if change.change == "remove":
            tx.execute(_REMOVE, url=change.spec.url)
        else:
            tx.execute(_WRITE, **asdict(change.spec), now=now)


def every(tx: Transaction, *, removed_too: bool = False) -> list[Row]:
    """The feeds for a person, those that are fetched first."""
    return tx.rows(_LIST, removed_too=removed_too)


def contact(tx: Transaction) -> str | None:
    """Whom a feed's server may write to; None when nobody said."""
    row = tx.one(_CONTACT)
    return row["contact"] if row else None


def set_contact(tx: Transaction, contact: str, now: datetime) -> None:
    tx.execute(_SET_CONTACT, contact=contact, now=now)


def feeds_on(tx: Transaction, tick: datetime) -> list[FeedState]:
    """The feeds that are on, longest waiting first; those that wait after a failure are not."""
    return [FeedState(**row) for row in tx.rows(_DUE, tick=tick)]


def feed_succeeded(
    tx: Transaction, url: str, document: FeedDocument, now: datetime, newest: datetime | None
) -> None:
    """Keep what its server said.

    Args:
        newest: The newest plausible publication time in the document; None without any.
    """
    halts = document.halts
    tx.enqueue(
        _SUCCEEDED,
        url=url,
        now=now,
        not_modified=document.not_modified,
        etag=document.etag,
        last_modified=document.last_modified,
        moved_to=document.moved_to,
        items=len(document.entries) + document.cut + (len(halts.notices) if halts else 0),
        newest=newest,
    )


def lock_feed(tx: Transaction, url: str) -> datetime | None:
    """Let runs with answers of one feed wait for each other; when it last answered, or None."""
    row = tx.one(_LOCK, url=url)
    return row["last_succeeded_at"] if row else None


def feed_failed(
    tx: Transaction, url: str, *, error: str, now: datetime, next_try_at: datetime
) -> None:
    # What a stranger's server said may hold what Postgres keeps in no text.
    said = plain_text(error, 500) or "failed without a word"
    tx.enqueue(_FAILED, url=url, error=said, now=now, next_try_at=next_try_at)
