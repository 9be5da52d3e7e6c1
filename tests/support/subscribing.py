"""Feeds as the verbs subscribe them, for tests that begin with one."""

import hashlib
from datetime import UTC, datetime

from ops_pipeline.db.driver.connection import Database, Transaction
from ops_pipeline.domain.feeds.kinds import FeedKind
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages.operating import feed_setup

WIRE = "https://wire.example/f"
ADDED = datetime(2026, 2, 4, 12, 0, tzinfo=UTC)


def subscribe_wire(db: Database) -> None:
    """One feed, without which no pipeline is well."""
    with db.transaction() as tx:
        subscribe(tx, url=WIRE, source="Wire")


def store_item(tx: Transaction, number: int, fetched_at: datetime, **fields: object) -> None:
    """An item of the wire as it is stored; `published_at_reason` for one without a time."""
    item = {
        "title": f"Story {number}",
        "feed_url": WIRE,
        "published_at": None if "published_at_reason" in fields else fetched_at,
        "published_at_reason": None,
        **fields,
    }
    tx.execute(
        """
        INSERT INTO inbound_events_raw (id, event_uid, story_id, source, feed_url, title,
            fetched_at, processed_at, published_at, published_at_reason)
        VALUES (:id, :uid, :id, 'Wire', :feed_url, :title, :fetched_at, :fetched_at,
            CAST(:published_at AS timestamptz), CAST(:published_at_reason AS text))
        """,
        id=stable_uuid("item", number, fetched_at),
        uid=hashlib.sha256(f"{number} {fetched_at}".encode()).hexdigest(),
        fetched_at=fetched_at,
        **item,
    )


def subscribe(tx: Transaction, *, url: str, source: str, kind: FeedKind = "news") -> None:
    """Add a feed, or switch it on again.

    Raises:
        InvalidInput: it is not taken.
    """
    plan = feed_setup.plan_additions(tx, [FeedSpec(url, source, kind=kind)])
    if plan.refused:
        raise InvalidInput(plan.refused[url])
    feed_setup.apply(tx, plan, ADDED)
