"""Feeds as the verbs subscribe them, for tests that begin with one."""

from datetime import UTC, datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.feeds.subscriptions import FeedSpec
from ops_pipeline.errors import InvalidInput
from ops_pipeline.stages.operating import feed_setup

ADDED = datetime(2026, 2, 4, 12, 0, tzinfo=UTC)


def subscribe(tx: Transaction, *, url: str, source: str) -> None:
    """Add a feed, or switch it on again.

    Raises:
        InvalidInput: it is not taken.
    """
    plan = feed_setup.plan_additions(tx, [FeedSpec(url, source)])
    if plan.refused:
        raise InvalidInput(plan.refused[url])
    feed_setup.apply(tx, plan, ADDED)
