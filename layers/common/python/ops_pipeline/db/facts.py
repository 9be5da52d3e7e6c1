"""Reads an account's holdings and P&L, and takes its row lock."""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.domain.accounts import ExecutionMode
from ops_pipeline.domain.ledger import Holdings, costs_by_symbol

_LOCK_ACCOUNT = "SELECT 1 AS held FROM accounts WHERE account_name = :account FOR NO KEY UPDATE"

HELD = """
SELECT symbol, ticker, instrument_type, quantity * entry_price * multiplier AS cost,
       0 AS unacknowledged
FROM active_positions WHERE account_name = :account AND status <> 'closed'
UNION ALL
SELECT symbol, ticker, instrument_type, reserved_notional,
       CASE WHEN status IN ('intended', 'unknown') THEN reserved_notional ELSE 0 END
FROM orders
WHERE account_name = :account AND purpose = 'entry' AND is_live(status)
"""

# A share of what was sold cost what it did when shares were counted as then, and what corporate
# actions paid for a position, or took in fractions of a share, is part of its result, as is what
# orders of other positions sold of it.
# Fees of the day's trades come off, each rounded up to the cent as it is charged.
# Real and simulated results stay apart: the account's own mode decides.
PNL = """
SELECT
    (SELECT coalesce(sum(pnl_dollars), 0) FROM position_history
     WHERE account_name = :account AND execution_mode = :mode AND exit_time >= :day_start)
    + (SELECT coalesce(sum(current_pnl_dollars), 0) FROM active_positions
       WHERE account_name = :account AND status <> 'closed')
    + (SELECT coalesce(sum((o.filled_qty * o.filled_avg_price
                            - o.filled_qty * p.entry_price * p.opened_quantity
                              / coalesce((SELECT a.opened_before FROM position_adjustments AS a
                                          WHERE a.position_id = p.id
                                            AND a.applied_at >= o.decided_at
                                          ORDER BY a.applied_at LIMIT 1), p.opened_quantity))
                           * p.multiplier), 0)
       FROM active_positions AS p JOIN orders AS o ON o.position_id = p.id
       WHERE p.account_name = :account AND p.status <> 'closed'
         AND o.filled_qty > 0 AND o.decided_at >= :day_start)
    + (SELECT coalesce(sum(CAST(e.details ->> 'quantity' AS numeric)
                           * (CAST(e.details ->> 'price' AS numeric) - p.entry_price)
                           * p.multiplier), 0)
       FROM active_positions AS p JOIN position_events AS e ON e.position_id = p.id
       WHERE p.account_name = :account AND p.status <> 'closed'
         AND e.kind = 'covered' AND e.at >= :day_start)
    + (SELECT coalesce(sum(coalesce(a.cash, 0) - a.fraction * p.entry_price), 0)
       FROM active_positions AS p JOIN position_adjustments AS a ON a.position_id = p.id
       WHERE p.account_name = :account AND p.status <> 'closed')
    - (SELECT coalesce(sum(day_fees.usd), 0)
       FROM (SELECT ceil(sum(coalesce(c.settled_usd, c.estimated_usd)) * 100) / 100 AS usd
             FROM order_costs AS c JOIN orders AS o USING (client_order_id)
             WHERE c.account_name = :account AND o.execution_mode = :mode
               AND c.day >= CAST(CAST(:day_start AS timestamptz)
                                 AT TIME ZONE 'America/New_York' AS date)
             GROUP BY c.day, c.fee) AS day_fees) AS pnl
"""


def lock_account(tx: Transaction, account: str) -> None:
    """Lock the account's row, before any order, recommendation or position."""
    tx.enqueue(_LOCK_ACCOUNT, account=account)


def holdings(tx: Transaction, account: str) -> Holdings:
    rows = tx.rows(HELD, account=account)
    return Holdings(
        symbols=frozenset(row["symbol"] for row in rows),
        kinds=frozenset((row["ticker"], row["instrument_type"]) for row in rows),
        costs=costs_by_symbol((row["symbol"], Decimal(row["cost"])) for row in rows),
        unacknowledged=sum((Decimal(row["unacknowledged"]) for row in rows), Decimal(0)),
    )


def day_pnl(tx: Transaction, *, account: str, mode: ExecutionMode, day_start: datetime) -> Decimal:
    """Realised and unrealised P&L since then by our own ledger, net of the day's fees, USD.

    For a position sold in part both count: its sales and the rest.
    """
    row = tx.one(PNL, account=account, mode=mode, day_start=day_start)
    return Decimal(row["pnl"]) if row else Decimal(0)
