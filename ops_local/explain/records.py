"""Everything stored about one recommendation, from the news before it to its profit or loss."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.db.news import stories_by_ticker
from ops_pipeline.domain.news.ticker_sentiment import counted
from ops_pipeline.errors import InvalidInput
from ops_pipeline.execution.isolation import isolated_in, what_failed

_BARS_SHOWN = 5

_RECOMMENDATION = """
SELECT r.*, p.parameters, p.source AS parameter_source
FROM dispatch_recommendations AS r
JOIN parameter_versions AS p ON p.version = r.parameter_version
WHERE r.id = :id
"""

# Trades first, those with news before the others, by the money they made or lost; if nothing
# traded, the refusal with the highest confidence.
_BEST = """
SELECT r.id FROM dispatch_recommendations AS r
LEFT JOIN dispatch_executions AS e ON e.recommendation_id = r.id
LEFT JOIN active_positions AS p ON p.execution_id = e.execution_id
LEFT JOIN position_history AS h ON h.position_id = p.id
ORDER BY (h.pnl_dollars IS NULL), (e.execution_id IS NULL),
         (r.sentiment_snapshot IS NULL),
         abs(coalesce(h.pnl_dollars, p.current_pnl_dollars, 0)) DESC, r.confidence DESC, r.id
LIMIT 1
"""

# The items whose verdicts counted, with how many items told their stories by then.
_HEADLINES = """
SELECT item.id, item.story_id, coalesce(item.title, item.summary) AS title, item.source,
    verdict.model,
    (SELECT count(*) FROM inbound_events_raw AS told
     WHERE told.story_id = item.story_id AND told.fetched_at <= :now) AS times_told
FROM inbound_events_raw AS item
JOIN inbound_events_classified AS verdict ON verdict.raw_event_id = item.id
WHERE item.id = ANY(CAST(:items AS uuid[]))
"""

_BARS = """
SELECT ts, open, high, low, close, volume FROM lane_telemetry
WHERE ticker = :ticker AND ts <= CAST(:last AS timestamptz) ORDER BY ts DESC LIMIT :shown
"""

# The positions that it opened; for a SELL, those it asked the position manager to close.
_POSITIONS = """
SELECT p.*, h.exit_price, h.exit_time, h.pnl_dollars, h.fees_usd, h.pnl_net_dollars, h.pnl_pct,
       h.exit_reason, h.r_multiple,
       h.mae_pct, h.mfe_pct, h.holding_minutes, h.verified
FROM active_positions AS p
LEFT JOIN dispatch_executions AS e ON e.execution_id = p.execution_id
LEFT JOIN position_results AS h ON h.position_id = p.id
WHERE e.recommendation_id = :id
   OR p.id IN (SELECT position_id FROM position_events
               WHERE kind = 'exit_requested'
                 AND (details ->> 'by' = 'recommendation ' || CAST(:id AS text)
                      OR details ->> 'recommendation' = CAST(:id AS text)))
ORDER BY p.entry_time, p.symbol COLLATE "C"
"""

_ORDERS = """
SELECT * FROM orders
WHERE recommendation_id = :id OR position_id = ANY(CAST(:positions AS uuid[]))
ORDER BY decided_at, tick, client_order_id COLLATE "C"
"""

_FILLS = """
SELECT f.*, o.purpose, o.reason FROM fills AS f JOIN orders AS o USING (client_order_id)
WHERE f.client_order_id = ANY(CAST(:orders AS text[]))
ORDER BY f.executed_at, f.fill_id COLLATE "C"
"""

_EVENTS = """
SELECT at, seq, kind, details FROM position_events
WHERE position_id = ANY(CAST(:positions AS uuid[])) ORDER BY at, position_id, seq
"""


@dataclass(frozen=True, slots=True)
class Explained:
    """The rows behind one recommendation.

    Attributes:
        recommendation: Its row, with the parameters in force.
        headlines: The stories that counted, newest first, one of each source: title,
            publisher (source), score, age_minutes, model, the source that counts (voice),
            how many items had reported it by then (times_told), all that told it (sources),
            and its version: over 1 where a correction took the first one's place.
        bars: The newest minutes before the decision, oldest first.
        positions: Those it opened, or asked to close; with the result if closed.
        unread: Why a list is empty that could not be read, by its name.
    """

    recommendation: Row
    headlines: list[Row]
    bars: list[Row]
    orders: list[Row]
    fills: list[Row]
    positions: list[Row]
    events: list[Row]
    unread: Mapping[str, str] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """The fields by name, for JSON."""
        return {name: getattr(self, name) for name in self.__slots__}


def best(tx: Transaction) -> int | None:
    """The recommendation that shows most of the pipeline; None if there is none."""
    row = tx.one(_BEST)
    return int(row["id"]) if row else None


def explain(tx: Transaction, recommendation_id: int) -> Explained:
    """Read everything that belongs to one recommendation.

    Raises:
        InvalidInput: there is no recommendation with that number.
    """
    row = tx.one(_RECOMMENDATION, id=recommendation_id)
    if row is None:
        raise InvalidInput(f"there is no recommendation {recommendation_id} in this database")
    unread: dict[str, str] = {}

    def alone(name: str, read: Callable[[], list[Row]]) -> list[Row]:
        found = isolated_in(tx, read)
        if isinstance(found, Exception):
            unread[name] = what_failed(found)
            return []
        return found

    positions = alone("positions", lambda: tx.rows(_POSITIONS, id=recommendation_id))
    held = [str(position["id"]) for position in positions]
    orders = alone("orders", lambda: tx.rows(_ORDERS, id=recommendation_id, positions=held))
    placed = [order["client_order_id"] for order in orders]
    return Explained(
        recommendation=row,
        headlines=alone("headlines", lambda: _headlines(tx, row)),
        bars=alone("bars", lambda: _bars(tx, row)),
        orders=orders,
        fills=alone("fills", lambda: tx.rows(_FILLS, orders=placed)),
        positions=positions,
        events=alone("events", lambda: tx.rows(_EVENTS, positions=held)),
        unread=unread,
    )


def _bars(tx: Transaction, recommendation: Row) -> list[Row]:
    """The newest minutes that the features were made of."""
    last, ticker = recommendation["features_snapshot"].get("ts"), recommendation["ticker"]
    return tx.rows(_BARS, ticker=ticker, last=last, shown=_BARS_SHOWN)[::-1]


def _headlines(tx: Transaction, recommendation: Row) -> list[Row]:
    """The stories that counted in the news window, as the signal read them at its minute."""
    if recommendation["sentiment_snapshot"] is None:
        return []
    ticker, now = recommendation["ticker"], recommendation["created_at"]
    window_minutes = recommendation["parameters"]["news"]["window_minutes"]
    told = stories_by_ticker(tx, [ticker], now, window_minutes=window_minutes).get(ticker, [])
    found = counted(told, now, window_minutes=window_minutes)
    rows = tx.rows(_HEADLINES, items=[str(story.raw_event_id) for story in found], now=now)
    titles = {row.pop("id"): row for row in rows}
    return [
        {
            "published_at": story.published_at,
            "age_minutes": max(0.0, (now - story.published_at).total_seconds() / 60),
            "score": story.score,
            "voice": story.source,
            "sources": list(story.sources),
            "version": story.version,
            **titles[story.raw_event_id],
        }
        for story in found
    ]
