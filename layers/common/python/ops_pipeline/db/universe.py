"""Proposals of tickers to watch, and the operator's decisions on them."""

import json
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.discovery import Named, TickerProposal

Decision = Literal["ACCEPTED", "REJECTED"]


def decision(*, accepted: bool) -> Decision:
    return "ACCEPTED" if accepted else "REJECTED"


# Watched, inactive and already decided securities are no candidates.
_NAMED = """
SELECT named.ticker, count(DISTINCT verdict.story_id) AS stories
FROM inbound_events_classified AS verdict
CROSS JOIN LATERAL unnest(verdict.tickers) AS named (ticker)
LEFT JOIN tickers AS known ON known.ticker = named.ticker
LEFT JOIN ticker_universe AS decided
    ON decided.ticker = named.ticker AND decided.status <> 'PROPOSED'
WHERE verdict.published_at > :since AND verdict.published_at <= :now
  AND verdict.created_at <= :now AND verdict.status = 'CLASSIFIED' AND NOT verdict.mixed
  AND NOT coalesce(known.is_watched, false) AND coalesce(known.active, true)
  AND decided.ticker IS NULL
GROUP BY named.ticker HAVING count(DISTINCT verdict.story_id) >= :least
ORDER BY stories DESC, named.ticker COLLATE "C" LIMIT :most
"""

_PROPOSE = """
INSERT INTO ticker_universe AS open (ticker, status, score, reasons, proposed_at)
SELECT ticker, 'PROPOSED', score, reasons, :now
FROM jsonb_to_recordset(CAST(:proposals AS jsonb)) AS proposal (ticker text,
    score double precision, reasons jsonb)
ON CONFLICT (ticker) DO UPDATE SET score = excluded.score, reasons = excluded.reasons
WHERE open.status = 'PROPOSED'
RETURNING ticker
"""

_DECIDE = """
INSERT INTO ticker_universe AS known (ticker, status, reasons, proposed_at, decided_at)
SELECT ticker, :status, '[]', :now, :now FROM unnest(CAST(:tickers AS text[])) AS given (ticker)
ON CONFLICT (ticker) DO UPDATE SET status = excluded.status, decided_at = excluded.decided_at
"""

# Only a proposal has a score.
_KNOWN = """
SELECT ticker FROM tickers WHERE ticker = ANY(CAST(:tickers AS text[]))
UNION SELECT ticker FROM ticker_universe
WHERE ticker = ANY(CAST(:tickers AS text[])) AND score IS NOT NULL
"""

_STATUSES = """
SELECT ticker, status FROM ticker_universe WHERE ticker = ANY(CAST(:tickers AS text[]))
"""

_LIST = """
SELECT ticker, status, score, reasons, proposed_at, decided_at FROM ticker_universe
ORDER BY status = 'PROPOSED' DESC, score DESC NULLS LAST, ticker COLLATE "C"
"""


def named_and_not_watched(
    tx: Transaction, since: datetime, now: datetime, *, least: int, most: int
) -> list[Named]:
    """Securities that at least `least` stories name, the most named first."""
    rows = tx.rows(_NAMED, since=since, now=now, least=least, most=most)
    return [Named(row["ticker"], row["stories"]) for row in rows]


def known(tx: Transaction, symbols: Sequence[str]) -> set[str]:
    """Those of the symbols that are in the list of securities or were ever proposed."""
    return {row["ticker"] for row in tx.rows(_KNOWN, tickers=list(symbols))}


def save(tx: Transaction, proposals: Sequence[TickerProposal], now: datetime) -> int:
    """Store proposals or update open ones, not decided ones; return their number."""
    given = [
        {"ticker": one.ticker, "score": one.score, "reasons": list(one.reasons)}
        for one in proposals
    ]
    return len(tx.rows(_PROPOSE, proposals=json.dumps(given), now=now))


def decide(tx: Transaction, tickers: Sequence[str], now: datetime, *, accepted: bool) -> None:
    """Store the operator's decision, also on securities that were not proposed."""
    status = decision(accepted=accepted)
    tx.execute(_DECIDE, tickers=list(tickers), status=status, now=now)


def statuses(tx: Transaction, symbols: Sequence[str]) -> dict[str, str]:
    """PROPOSED, ACCEPTED or REJECTED, of those that were ever proposed or decided."""
    return {row["ticker"]: row["status"] for row in tx.rows(_STATUSES, tickers=list(symbols))}


def every(tx: Transaction) -> list[Row]:
    """All proposals and decisions, the open ones first."""
    return tx.rows(_LIST)
