"""Fees of orders, as estimated and as settled, and fees as the broker charged them."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import cast

from ops_pipeline.db.driver.connection import Row, Transaction
from ops_pipeline.domain.broker import BrokerCashActivity
from ops_pipeline.domain.costs.settling import FeeDay, OrderCost
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.trading_terms import FeeKind

# An order's fills come in parts; what has no rate makes the whole unknown.
_ADD = """
INSERT INTO order_costs
    (account_name, client_order_id, day, fee, position_id, estimated_usd, estimated_at)
VALUES (:account, :client_order_id, :day, :fee, CAST(:position_id AS uuid),
        CAST(:estimated AS numeric), :now)
ON CONFLICT (client_order_id, day, fee) DO UPDATE SET
    estimated_usd = order_costs.estimated_usd + excluded.estimated_usd,
    position_id = coalesce(order_costs.position_id, excluded.position_id),
    estimated_at = excluded.estimated_at
"""
_KEEP = """
INSERT INTO broker_fees
    (account_name, activity_id, day, fee, raw_kind, amount_usd, charged_at, recorded_at)
VALUES (:account, :activity_id, :day, CAST(:fee AS text), :raw_kind, :amount, :charged_at, :now)
ON CONFLICT (account_name, activity_id) DO UPDATE SET
    day = excluded.day, fee = excluded.fee, amount_usd = excluded.amount_usd
WHERE (broker_fees.day, broker_fees.fee, broker_fees.amount_usd)
    IS DISTINCT FROM (excluded.day, excluded.fee, excluded.amount_usd)
"""
# No broker charges a simulation.
_ESTIMATED = """
SELECT c.day, c.fee, c.client_order_id, c.estimated_usd
FROM order_costs AS c JOIN orders AS o USING (client_order_id)
WHERE c.account_name = :account AND c.day >= :since AND o.execution_mode <> 'SIMULATED'
ORDER BY c.client_order_id COLLATE "C"
"""
_CHARGED = """
SELECT day, fee, CASE WHEN fee IS NULL THEN raw_kind ELSE fee END AS word,
       sum(amount_usd) AS charged
FROM broker_fees WHERE account_name = :account AND day >= :since
GROUP BY 1, 2, 3
"""
_SETTLE = """
UPDATE order_costs SET settled_usd = :settled, settled_at = :now
WHERE client_order_id = :client_order_id AND day = :day AND fee = :fee
  AND settled_usd IS DISTINCT FROM :settled
"""


def add(tx: Transaction, order: Order, costs: Sequence[OrderCost], *, now: datetime) -> None:
    """Add what an order's new fills accrued."""
    for cost in costs:
        tx.enqueue(
            _ADD,
            account=order.account_name,
            client_order_id=order.client_order_id,
            day=cost.day,
            fee=cost.fee,
            position_id=cost.position_id,
            estimated=cost.estimated,
            now=now,
        )


def keep_charged(
    tx: Transaction, account: str, fees: Sequence[BrokerCashActivity], *, now: datetime
) -> None:
    """Store fees as the broker charged them, each once; one that it corrected is changed."""
    for it in fees:
        tx.enqueue(
            _KEEP,
            account=account,
            activity_id=it.activity_id,
            day=it.trade_day,
            fee=it.fee,
            raw_kind=it.raw_kind,
            amount=-it.amount,
            charged_at=it.created_at,
            now=now,
        )


def fee_days(tx: Transaction, account: str, since: date) -> list[FeeDay]:
    """The account's fees of each day since then, by our orders and by the broker, in order."""
    estimated: defaultdict[tuple[date, str], dict[str, Decimal | None]] = defaultdict(dict)
    for row in tx.rows(_ESTIMATED, account=account, since=since):
        estimated[row["day"], row["fee"]][row["client_order_id"]] = row["estimated_usd"]
    told = {
        (row["day"], row["word"]): row for row in tx.rows(_CHARGED, account=account, since=since)
    }
    return [
        _fee_day(key, estimated.get(key, {}), told.get(key)) for key in sorted({*estimated, *told})
    ]


def _fee_day(
    key: tuple[date, str], estimated: Mapping[str, Decimal | None], told: Row | None
) -> FeeDay:
    return FeeDay(
        fee=cast("FeeKind", key[1]) if told is None else told["fee"],
        day=key[0],
        word=key[1],
        estimated=estimated,
        charged=None if told is None else told["charged"],
    )


def settle(tx: Transaction, day: FeeDay, shares: Mapping[str, Decimal], *, now: datetime) -> None:
    """Store each order's share of what was charged, where it changed."""
    for client_order_id, share in shares.items():
        tx.enqueue(
            _SETTLE,
            client_order_id=client_order_id,
            day=day.day,
            fee=day.fee,
            settled=share,
            now=now,
        )
