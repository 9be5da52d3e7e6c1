"""The securities we know, and those we watch."""

from collections.abc import Sequence

from ops_pipeline.db.connection import Transaction

# One that we do not know yet is known by its symbol alone.
_ADD_UNKNOWN = """
INSERT INTO tickers (ticker, name, exchange)
SELECT ticker, ticker, 'UNKNOWN' FROM unnest(CAST(:tickers AS text[])) AS given (ticker)
ON CONFLICT (ticker) DO NOTHING
"""

_WATCH_ONLY = """
UPDATE tickers SET is_watched = (ticker = ANY(CAST(:tickers AS text[])))
WHERE is_watched <> (ticker = ANY(CAST(:tickers AS text[])))
"""


def watch_only(tx: Transaction, tickers: Sequence[str]) -> None:
    """Watch these securities and no others."""
    tx.execute(_ADD_UNKNOWN, tickers=list(tickers))
    tx.execute(_WATCH_ONLY, tickers=list(tickers))
