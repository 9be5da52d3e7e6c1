"""Rows of watchlist_state: one per ticker, with its newest score."""

import json
from collections.abc import Iterable
from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.watchlist import WatchEntry

_MEMBERS = "SELECT ticker, entered_at FROM watchlist_state WHERE in_watchlist"

_COLUMNS = (
    "ticker, watch_score, rank, reasons, in_watchlist, entered_at, pressure, setup, volatility, "
    "alignment, features_ts"
)

_SAVE = f"""
INSERT INTO watchlist_state ({_COLUMNS}, computed_at, parameter_version)
SELECT {_COLUMNS}, :now, :parameter_version
FROM json_populate_recordset(NULL::watchlist_state, CAST(:rows AS json))
ON CONFLICT (ticker) DO UPDATE SET
    watch_score = excluded.watch_score, rank = excluded.rank, reasons = excluded.reasons,
    in_watchlist = excluded.in_watchlist, entered_at = excluded.entered_at,
    pressure = excluded.pressure, setup = excluded.setup, volatility = excluded.volatility,
    alignment = excluded.alignment, features_ts = excluded.features_ts,
    computed_at = excluded.computed_at, parameter_version = excluded.parameter_version
"""

# Otherwise a ticker that is no longer watched would stay on the list.
_DROP = """
UPDATE watchlist_state SET in_watchlist = false, entered_at = NULL, computed_at = :now,
    reasons = '{"unscored": "no longer watched"}'
WHERE in_watchlist AND ticker <> ALL (CAST(:tickers AS text[]))
"""


def members(tx: Transaction) -> dict[str, datetime]:
    """The tickers on the list, with the time they entered."""
    return {row["ticker"]: row["entered_at"] for row in tx.rows(_MEMBERS)}


def save(
    tx: Transaction, entries: Iterable[WatchEntry], *, parameter_version: int, now: datetime
) -> None:
    """Replace each ticker's row; tickers that are not given leave the list."""
    rows = [_row(entry) for entry in entries]
    text = json.dumps(rows, default=datetime.isoformat)
    tx.enqueue(_SAVE, rows=text, parameter_version=parameter_version, now=now)
    tx.enqueue(_DROP, tickers=[row["ticker"] for row in rows], now=now)


def _row(entry: WatchEntry) -> dict[str, object]:
    scored = entry.scored
    row: dict[str, object] = {
        "ticker": entry.ticker,
        "in_watchlist": entry.in_watchlist,
        "entered_at": entry.entered_at,
        "rank": entry.rank,
        "reasons": {"unscored": entry.unscored},
    }
    if scored is not None:
        row |= {
            "watch_score": scored.score,
            "reasons": scored.arithmetic,
            "pressure": scored.pressure,
            "setup": scored.setup,
            "volatility": scored.volatility,
            "alignment": scored.alignment,
            "features_ts": scored.features_ts,
        }
    return row
