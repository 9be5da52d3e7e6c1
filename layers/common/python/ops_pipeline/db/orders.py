"""Reads and writes orders and fills."""

from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from ops_pipeline.db.driver.connection import Row, Transaction, values_of
from ops_pipeline.domain.broker import BrokerFill
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ledger import Sale
from ops_pipeline.domain.orders import Order, Purpose
from ops_pipeline.domain.trading_terms import Evidence

_COLUMNS = ", ".join(field.name for field in fields(Order))
_VALUES = ", ".join(f":{field.name}" for field in fields(Order))

_INSERT = f"INSERT INTO orders ({_COLUMNS}) VALUES ({_VALUES})"

_SAVE = """
UPDATE orders SET
    status = :status, broker_order_id = CAST(:broker_order_id AS text),
    filled_qty = :filled_qty, filled_avg_price = CAST(:filled_avg_price AS numeric),
    reserved_notional = :reserved_notional,
    acknowledged_at = CAST(:acknowledged_at AS timestamptz),
    missed_at = CAST(:missed_at AS timestamptz),
    cancel_requested_at = CAST(:cancel_requested_at AS timestamptz),
    terminal_at = CAST(:terminal_at AS timestamptz),
    overfilled_at = CAST(:overfilled_at AS timestamptz), covered_qty = :covered_qty,
    shorted_qty = :shorted_qty,
    reopened_at = coalesce(CAST(:reopened_at AS timestamptz), reopened_at),
    failure_reason = coalesce(CAST(:failure_reason AS text), failure_reason)
WHERE client_order_id = :client_order_id
"""

_ONE = f"SELECT {_COLUMNS} FROM orders WHERE client_order_id = :id"
_LOCK = f"{_ONE} FOR NO KEY UPDATE"
_LIVE_OF_ACCOUNT = f"""
SELECT {_COLUMNS} FROM orders WHERE account_name = :account AND is_live(status)
ORDER BY decided_at, client_order_id COLLATE "C"
"""
_LIVE_IN_SYMBOL = f"""
SELECT {_COLUMNS} FROM orders WHERE account_name = :account AND is_live(status)
  AND (symbol = :symbol
       OR position_id IN (SELECT id FROM active_positions
                          WHERE account_name = :account AND symbol = :symbol
                            AND status <> 'closed'))
ORDER BY decided_at, client_order_id COLLATE "C"
"""
# A recovered order has its number from its id: those before it may be lost.
_ATTEMPTS = """
SELECT greatest(count(*), max(attempt)) AS attempts FROM orders
WHERE position_id = :position_id AND purpose = :purpose
"""
_UNSTORED = """
SELECT id FROM unnest(CAST(:ids AS text[])) AS listed (id)
WHERE NOT EXISTS (SELECT 1 FROM orders AS o
                  WHERE o.client_order_id = listed.id AND o.account_name = :account)
ORDER BY id COLLATE "C"
"""
# What was sold beyond what was held, less what covered it: another position's shares, or a
# person's purchase.
_SHORT = """
SELECT coalesce((SELECT sum(CAST(e.details ->> 'quantity' AS numeric)
                            * CASE e.kind WHEN 'oversold' THEN 1 ELSE -1 END)
                 FROM active_positions AS p JOIN position_events AS e ON e.position_id = p.id
                 WHERE p.account_name = :account AND p.symbol = :symbol
                   AND e.kind IN ('oversold', 'covered')), 0)
     + coalesce((SELECT sum(shorted_qty - covered_qty) FROM orders
                 WHERE account_name = :account AND symbol = :symbol AND purpose = 'adopted'), 0)
       AS quantity
"""
_NEWEST_STOP = f"""
SELECT {_COLUMNS} FROM orders WHERE position_id = :position_id AND purpose = 'stop'
ORDER BY attempt DESC LIMIT 1
"""
_NEWEST = "SELECT max(decided_at) AS at FROM orders WHERE account_name = :account"
_NEWEST_OWN = f"{_NEWEST} AND purpose <> 'adopted'"

# Fills may follow the order's filled_qty; a stop may have been decided on long before it fills.
_AWAITING_FILLS = f"""
SELECT {_COLUMNS} FROM orders AS o
WHERE o.account_name = :account AND o.filled_qty > 0
  AND (o.decided_at >= :since OR o.terminal_at >= :since)
  AND o.filled_qty > (SELECT coalesce(sum(f.quantity), 0) FROM fills AS f
                      WHERE f.client_order_id = o.client_order_id)
ORDER BY o.decided_at, o.client_order_id COLLATE "C"
"""

# A simulation acknowledges its own orders, and no broker knows them.
_NEWEST_ACKNOWLEDGED = """
SELECT client_order_id FROM orders
WHERE account_name = :account AND broker_order_id IS NOT NULL
  AND broker_order_id NOT LIKE 'sim-%'
ORDER BY decided_at DESC, client_order_id COLLATE "C" LIMIT 1
"""

_ENDED = f"""
SELECT {_COLUMNS} FROM orders
WHERE account_name = :account AND NOT is_live(status) AND execution_mode <> 'SIMULATED'
  AND (decided_at >= :since OR terminal_at >= :since)
ORDER BY decided_at, client_order_id COLLATE "C"
"""

# A sale of which something filled before sold what the position never held.
_GIVE_POSITION = """
UPDATE orders SET position_id = :position_id
WHERE account_name = :account AND symbol = :symbol AND is_live(status)
  AND purpose = 'adopted' AND side = 'sell' AND position_id IS NULL AND filled_qty = 0
"""

# What the broker's lists may not show yet. A fill counts from its execution, whenever it is told.
# An order that the broker refused at once, or that was surely not sent, never was in them: a stop
# that is refused each minute is no news.
_SETTLED = """
SELECT symbol, max(at) AS at FROM (
    SELECT symbol, terminal_at AS at FROM orders
    WHERE account_name = :account AND terminal_at >= :since AND purpose <> 'adopted'
      AND (broker_order_id IS NOT NULL OR missed_at IS NOT NULL
           OR status NOT IN ('rejected', 'not_placed'))
    UNION ALL
    SELECT symbol, executed_at FROM fills WHERE account_name = :account AND executed_at >= :since
) AS settled GROUP BY symbol
"""

_INSERT_FILL = """
INSERT INTO fills (account_name, fill_id, client_order_id, symbol, side, quantity, price,
                   executed_at, evidence, recorded_at)
VALUES (:account, :fill_id, :client_order_id, :symbol, :side, :quantity, :price,
        :executed_at, :evidence, :now)
ON CONFLICT (account_name, fill_id) DO NOTHING
"""

_SALES = """
SELECT o.client_order_id, o.filled_qty, o.filled_avg_price, f.fill_id, f.quantity, f.price
FROM orders AS o LEFT JOIN fills AS f USING (client_order_id)
WHERE o.position_id = :position_id
ORDER BY o.decided_at, o.client_order_id COLLATE "C", f.fill_id COLLATE "C"
"""
# What orders of an earlier position, or of none, sold of this one.
_COVERED = """
SELECT details ->> 'order' AS client_order_id,
       CAST(details ->> 'quantity' AS numeric) AS filled_qty,
       CAST(details ->> 'price' AS numeric) AS filled_avg_price
FROM position_events WHERE position_id = :position_id AND kind = 'covered' ORDER BY seq
"""


# Limits that bound a runaway: reaching one halts the account's entries until somebody resumes.
RUNAWAY_LIMITS = frozenset(
    {
        "orders_within_limit_per_minute",
        "orders_within_limit_per_day",
        "orders_within_turnover_per_day",
    }
)


def insert(tx: Transaction, order: Order) -> None:
    """Store an intent. Raises CapExceeded when an entry would pass a limit."""
    tx.enqueue(_INSERT, **values_of(order))


def save(
    tx: Transaction,
    order: Order,
    *,
    failure_reason: str | None = None,
    reopened_at: datetime | None = None,
) -> None:
    """Write an order's status and fills; what was ordered never changes."""
    values = {**values_of(order), "failure_reason": failure_reason, "reopened_at": reopened_at}
    tx.enqueue(_SAVE, **values)


def lock(tx: Transaction, client_order_id: str) -> Order:
    row = tx.one(_LOCK, id=client_order_id)
    if row is None:
        raise LookupError(f"no order {client_order_id}")
    return _order(row)


def find(tx: Transaction, client_order_id: str) -> Order | None:
    row = tx.one(_ONE, id=client_order_id)
    return _order(row) if row else None


def live(tx: Transaction, account: str) -> list[Order]:
    """Orders that may still fill, oldest first."""
    return [_order(row) for row in tx.rows(_LIVE_OF_ACCOUNT, account=account)]


def live_in_symbol(tx: Transaction, account: str, symbol: str) -> list[Order]:
    """Those of a position in it too that were sent under the symbol it had then."""
    return [_order(row) for row in tx.rows(_LIVE_IN_SYMBOL, account=account, symbol=symbol)]


def newest_stop(tx: Transaction, position_id: UUID) -> Order | None:
    row = tx.one(_NEWEST_STOP, position_id=position_id)
    return _order(row) if row else None


def awaiting_fills(tx: Transaction, account: str, since: datetime) -> list[Order]:
    """Orders decided or ended since then whose fills have not all been recorded."""
    return [_order(row) for row in tx.rows(_AWAITING_FILLS, account=account, since=since)]


def ended(tx: Transaction, account: str, since: datetime) -> list[Order]:
    """The broker's orders decided or ended since then, whatever the end."""
    return [_order(row) for row in tx.rows(_ENDED, account=account, since=since)]


def settled_since(tx: Transaction, account: str, since: datetime) -> dict[str, datetime]:
    """When an order last ended or last filled, by symbol, where it was since then."""
    rows = tx.rows(_SETTLED, account=account, since=since)
    return {row["symbol"]: row["at"] for row in rows}


def newest_acknowledged(tx: Transaction, account: str) -> str | None:
    """The id of the newest order that the account's broker acknowledged; None without one."""
    row = tx.one(_NEWEST_ACKNOWLEDGED, account=account)
    return None if row is None else str(row["client_order_id"])


def unstored(tx: Transaction, account: str, ids: Sequence[str]) -> list[str]:
    """Those of these client_order_ids that the account has no row for, sorted."""
    return [row["id"] for row in tx.rows(_UNSTORED, account=account, ids=list(ids))]


def short_of(tx: Transaction, account: str, symbol: str) -> Decimal:
    """Units that sales of ours, or beside them, sold beyond what was held, and nobody covered."""
    row = tx.one(_SHORT, account=account, symbol=symbol)
    return max(Decimal(row["quantity"]), Decimal(0)) if row else Decimal(0)


def newest_at(tx: Transaction, account: str, *, own: bool = False) -> datetime | None:
    """When the account's newest order was decided, a person's left out if `own`; None: no order."""
    row = tx.one(_NEWEST_OWN if own else _NEWEST, account=account)
    return row["at"] if row else None


def give_position(tx: Transaction, position: Position) -> None:
    """Let a person's resting sales in the symbol sell this position, which was just adopted."""
    tx.enqueue(
        _GIVE_POSITION,
        account=position.account_name,
        symbol=position.symbol,
        position_id=position.id,
    )


def next_attempt(tx: Transaction, position_id: UUID, purpose: Purpose) -> int:
    row = tx.one(_ATTEMPTS, position_id=position_id, purpose=purpose)
    return int(row["attempts"]) + 1 if row else 1


def record_fills(
    tx: Transaction, order: Order, fills: Sequence[BrokerFill], *, evidence: Evidence, now: datetime
) -> None:
    """Store executions, each once."""
    for fill in fills:
        tx.enqueue(
            _INSERT_FILL,
            account=order.account_name,
            fill_id=fill.fill_id,
            client_order_id=order.client_order_id,
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            price=fill.price,
            executed_at=fill.executed_at,
            evidence=evidence,
            now=now,
        )


def sales(tx: Transaction, position_id: UUID) -> list[Sale]:
    """The sales of a position by order, with the fills recorded so far.

    What an order of another position sold of it is a sale without fills of its own.
    """
    rows = tx.rows(_SALES, position_id=position_id)
    covered = [Sale(**row, fills={}) for row in tx.rows(_COVERED, position_id=position_id)]
    return covered + [
        Sale(
            client_order_id=name,
            filled_qty=fills[0]["filled_qty"],
            filled_avg_price=fills[0]["filled_avg_price"],
            fills={
                row["fill_id"]: (row["quantity"], row["price"])
                for row in fills
                if row["fill_id"] is not None
            },
        )
        for name, each in groupby(rows, key=itemgetter("client_order_id"))
        for fills in [list(each)]
    ]


def _order(row: Row) -> Order:
    return Order(**row)
