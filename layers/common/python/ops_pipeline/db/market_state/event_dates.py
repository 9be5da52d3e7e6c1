"""Stored dates of events."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.market_state.event_dates import EventDate
from ops_pipeline.domain.market_state.trading_halts import EVERY_TICKER

_TOLD = """
json_to_recordset(CAST(:rows AS json)) AS told (
    ticker text, kind text, at timestamptz, source text)
"""
_ADD = f"""
INSERT INTO event_dates AS stored (ticker, kind, at, source, imported_at)
SELECT ticker, kind, at, source, :now FROM {_TOLD}
ON CONFLICT (ticker, kind, at) DO UPDATE SET
    source = excluded.source, imported_at = excluded.imported_at
WHERE stored.source <> excluded.source
"""
_REMOVE = f"""
DELETE FROM event_dates AS stored USING {_TOLD}
WHERE stored.ticker = told.ticker AND stored.kind = told.kind AND stored.at = told.at
"""
_LIST = """
SELECT ticker, kind, at, source FROM event_dates
WHERE at >= :since AND (CAST(:ticker AS text) IS NULL OR ticker = CAST(:ticker AS text))
ORDER BY at, ticker COLLATE "C", kind COLLATE "C" LIMIT :most
"""

# For a statement that reads more of a ticker.
OF_TICKER = f"""
SELECT coalesce(json_agg(event ORDER BY event.at, event.ticker COLLATE "C",
                         event.kind COLLATE "C"), '[]')
FROM (SELECT ticker, kind, at, source FROM event_dates
      WHERE ticker IN (:ticker, '{EVERY_TICKER}')
        AND at BETWEEN :events_from AND :events_until) AS event
"""


def add(tx: Transaction, events: Sequence[EventDate], now: datetime) -> int:
    """Store these; returns how many are new or have another source."""
    return tx.execute(_ADD, rows=_rows(events), now=now)


def remove(tx: Transaction, events: Sequence[EventDate]) -> int:
    """Take these off, whatever their source; returns how many there were."""
    return tx.execute(_REMOVE, rows=_rows(events))


def every(tx: Transaction, *, since: datetime, ticker: str | None, most: int) -> list[Row]:
    """Events from then on, the next one first."""
    return tx.rows(_LIST, since=since, ticker=ticker, most=most)


def of_json(rows: Iterable[Mapping[str, Any]]) -> tuple[EventDate, ...]:
    """What OF_TICKER found: JSON has texts for times."""
    return tuple(EventDate(**{**row, "at": datetime.fromisoformat(row["at"])}) for row in rows)


def _rows(events: Sequence[EventDate]) -> str:
    return json.dumps([event.facts for event in events])
