"""The feeds that bars may come from."""

from ops_pipeline.db.driver.connection import Transaction

_ADD = """
INSERT INTO data_feeds (data_feed, vendor) VALUES (:feed, :vendor) ON CONFLICT DO NOTHING
"""


def ensure(tx: Transaction, *, feed: str, vendor: str) -> None:
    """Let bars come from this feed; one that is known keeps its row."""
    tx.execute(_ADD, feed=feed, vendor=vendor)
