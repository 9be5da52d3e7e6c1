"""Orders with the quotes that were stored around them, for transaction cost analysis."""

from datetime import datetime

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.performance.execution_quality import TracedOrder

# Quotes are stored once a minute: one that is older says little about the decision.
_QUOTE = """
LEFT JOIN LATERAL (
    SELECT bid, ask FROM quote_samples AS q
    WHERE q.symbol = o.symbol AND q.fetched_at <= {at} AND q.fetched_at > {at} - interval '90 s'
      AND q.bid > 0 AND q.ask >= q.bid
    ORDER BY q.fetched_at DESC LIMIT 1
) AS {name} ON true
"""
_ORDERS = f"""
SELECT o.client_order_id, o.account_name AS account, o.ticker, o.symbol, o.purpose, o.side, o.tick,
       o.decided_at, o.acknowledged_at, o.quantity, o.filled_qty AS filled, o.price,
       decision.bid, decision.ask, arrival.bid AS arrival_bid, arrival.ask AS arrival_ask,
       o.filled_avg_price AS fill_price, f.filled_at, f.recorded_at
FROM orders AS o
{_QUOTE.format(at="o.decided_at", name="decision")}
{_QUOTE.format(at="o.acknowledged_at", name="arrival")}
LEFT JOIN LATERAL (
    SELECT min(executed_at) AS filled_at, min(recorded_at) AS recorded_at FROM fills
    WHERE fills.account_name = o.account_name AND fills.client_order_id = o.client_order_id
) AS f ON true
WHERE o.purpose IN ('entry', 'exit') AND o.decided_at >= :start AND o.decided_at < :end
  AND (CAST(:account AS text) IS NULL OR o.account_name = :account)
ORDER BY o.decided_at, o.client_order_id COLLATE "C"
"""


def read(
    tx: Transaction, start: datetime, end: datetime, *, account: str | None = None
) -> list[TracedOrder]:
    """Entries and exits with start <= decided_at < end; a resting stop has no price of its own."""
    rows = tx.rows(_ORDERS, start=start, end=end, account=account)
    return [TracedOrder(**row) for row in rows]
