"""Reads and writes positions with their events, marks and history."""

import json
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from ops_pipeline.db.driver.connection import Row, Transaction, values_of
from ops_pipeline.domain.exits import Closing, Mark, Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.trading_terms import PositionEventKind

_COLUMNS = ", ".join(field.name for field in fields(Position))

# What the shares of event `e` of position `p` are called: as the order that it names, else as the
# position was before its next corporate action, whose rows count the shares of before it.
SYMBOL_THEN = """
coalesce((SELECT o.symbol FROM orders AS o WHERE o.client_order_id = e.details ->> 'order'),
         (SELECT a.symbol FROM position_events AS later
          JOIN position_adjustments AS a ON a.position_id = later.position_id
               AND CAST(a.id AS text) = later.details ->> 'adjustment'
          WHERE later.position_id = e.position_id AND later.kind = 'adjusted' AND later.seq > e.seq
          ORDER BY later.seq LIMIT 1), p.symbol)
""".strip()

_INSERT = """
INSERT INTO active_positions
    (id, execution_id, account_name, execution_mode, broker, ticker, symbol, instrument_type,
     strategy_type, side, quantity, opened_quantity, multiplier, entry_price, entry_time,
     stop_loss, take_profit, initial_risk, max_hold_minutes, peak_price, trough_price,
     trailing_armed, lifecycle_state, status, created_at, updated_at, parameter_version)
VALUES
    (:id, CAST(:execution_id AS uuid), :account_name, :execution_mode, :broker, :ticker, :symbol,
     :instrument_type,
     :strategy_type, 'long', :quantity, :opened_quantity, :multiplier, :entry_price, :entry_time,
     CAST(:stop_loss AS numeric), CAST(:take_profit AS numeric), CAST(:initial_risk AS numeric),
     CAST(:max_hold_minutes AS integer), CAST(:peak_price AS numeric),
     CAST(:trough_price AS numeric), :trailing_armed, :lifecycle_state, :status, :now, :now,
     CAST(:parameter_version AS integer))
"""

_SAVE = """
UPDATE active_positions SET
    quantity = :quantity, opened_quantity = :opened_quantity, entry_price = :entry_price,
    stop_loss = CAST(:stop_loss AS numeric), take_profit = CAST(:take_profit AS numeric),
    initial_risk = CAST(:initial_risk AS numeric),
    peak_price = CAST(:peak_price AS numeric), trough_price = CAST(:trough_price AS numeric),
    trailing_armed = :trailing_armed, lifecycle_state = :lifecycle_state, status = :status,
    close_reason = CAST(:close_reason AS text), exit_requested = CAST(:exit_requested AS text),
    closed_at = CAST(:closed_at AS timestamptz), updated_at = :now
WHERE id = :id
"""

_SAVE_MARK = """
UPDATE active_positions SET current_price = :price, priced_at = :priced_at,
    current_pnl_dollars = :pnl_dollars, current_pnl_percent = :pnl_percent, updated_at = :now
WHERE id = :id
"""

_SAVE_DOUBT = """
UPDATE active_positions SET unpriced_ticks = :unpriced_ticks,
    doubted_price = CAST(:doubted_price AS numeric),
    doubted_at = CAST(:doubted_at AS timestamptz), updated_at = :now
WHERE id = :id
"""

_LOCK = f"SELECT {_COLUMNS} FROM active_positions WHERE id = :id FOR NO KEY UPDATE"
_FIND_OPEN = f"""
SELECT {_COLUMNS} FROM active_positions
WHERE account_name = :account AND symbol = :symbol AND status <> 'closed' FOR NO KEY UPDATE
"""
_HELD = f"""
SELECT {_COLUMNS} FROM active_positions WHERE account_name = :account AND status <> 'closed'
ORDER BY entry_time, symbol COLLATE "C"
"""
_CLOSING_SINCE = """
SELECT min(at) AS at FROM position_events
WHERE position_id = :position_id AND kind = 'exit_decided' AND details ->> 'rule' <> 'partial'
"""
# An event that names an order: it turned up for what had been taken from the list.
# Signed for a buy; a sale looks for what the list lacked.
_TAKEN_FROM_LIST = f"""
SELECT max(at) FILTER (WHERE explained IS NULL) AS at,
    (array_agg(position_id ORDER BY at DESC) FILTER (WHERE explained IS NULL))[1] AS position_id,
    least(
        coalesce(sum(quantity) FILTER (WHERE (quantity > 0) = (explained IS NULL)), 0),
        coalesce(sum(quantity) FILTER (WHERE quantity > 0 AND explained IS NULL
                                         AND at >= CAST(:filled_at AS timestamptz)), 0)
    ) AS quantity
FROM (SELECT e.position_id, e.at, e.details ->> 'order' AS explained,
          CAST(e.details ->> 'quantity' AS numeric) * CAST(:sign AS integer) AS quantity
      FROM active_positions AS p JOIN position_events AS e ON e.position_id = p.id
      WHERE p.account_name = :account AND e.kind IN ('adopted', 'repaired')
        AND e.details ->> 'sold_by' IS NULL AND :symbol = {SYMBOL_THEN}) AS listed
"""
_NEXT_EVENT = """
INSERT INTO position_events (position_id, seq, account_name, at, kind, details)
SELECT CAST(:position_id AS uuid), coalesce(max(seq), 0) + 1, CAST(:account AS text),
       CAST(:now AS timestamptz), CAST(:kind AS text), CAST(:details AS jsonb)
FROM position_events WHERE position_id = :position_id
"""
_TELEMETRY = """
INSERT INTO position_telemetry
    (position_id, ts, account_name, bid, ask, price, pnl_dollars, pnl_percent)
VALUES (:position_id, :tick, :account, :bid, :ask, :price, :pnl_dollars, :pnl_percent)
ON CONFLICT (position_id, ts) DO NOTHING
"""
_HISTORY = """
INSERT INTO position_history
    (id, position_id, execution_id, account_name, ticker, instrument_type, strategy_type, side,
     quantity, entry_price, exit_price, entry_time, exit_time, pnl_dollars, pnl_pct, multiplier,
     exit_reason, r_multiple, mae_pct, mfe_pct, holding_minutes, win_loss_label, execution_mode,
     verified)
VALUES
    (:id, :position_id, CAST(:execution_id AS uuid), :account, :ticker, :instrument_type,
     :strategy_type, 'long', :quantity, :entry_price, CAST(:exit_price AS numeric), :entry_time,
     :exit_time, CAST(:pnl_dollars AS numeric), CAST(:pnl_pct AS double precision), :multiplier,
     :exit_reason, CAST(:r_multiple AS double precision), CAST(:mae_pct AS double precision),
     CAST(:mfe_pct AS double precision), :holding_minutes, CAST(:label AS text), :mode, :verified)
"""


def insert(tx: Transaction, position: Position, *, version: int | None, now: datetime) -> None:
    tx.enqueue(_INSERT, **values_of(position), parameter_version=version, now=now)


def save(
    tx: Transaction, position: Position, *, now: datetime, closed_at: datetime | None = None
) -> None:
    """Write the changeable columns of a position; account and symbol never change."""
    tx.enqueue(_SAVE, **values_of(position), closed_at=closed_at, now=now)


def save_doubt(tx: Transaction, position: Position, *, now: datetime) -> None:
    """Store how many ticks it went without a believed quote, and what the last one said."""
    tx.enqueue(
        _SAVE_DOUBT,
        id=position.id,
        unpriced_ticks=position.unpriced_ticks,
        doubted_price=position.doubted_price,
        doubted_at=position.doubted_at,
        now=now,
    )


def save_mark(
    tx: Transaction,
    position: Position,
    marked: Mark,
    quote: Quote,
    *,
    tick: datetime,
    now: datetime,
) -> None:
    """Store the tick's mark on the position and in its telemetry."""
    tx.enqueue(
        _SAVE_MARK,
        id=position.id,
        price=marked.price,
        priced_at=quote.ts,
        pnl_dollars=marked.pnl_dollars,
        pnl_percent=marked.pnl_percent,
        now=now,
    )
    tx.enqueue(
        _TELEMETRY,
        position_id=position.id,
        tick=tick,
        account=position.account_name,
        bid=quote.bid,
        ask=quote.ask,
        price=marked.price,
        pnl_dollars=marked.pnl_dollars,
        pnl_percent=marked.pnl_percent,
    )


def lock(tx: Transaction, position_id: UUID) -> Position | None:
    row = tx.one(_LOCK, id=position_id)
    return _position(row) if row else None


def find_open(tx: Transaction, account: str, symbol: str) -> Position | None:
    """The account's position in that symbol, locked, or None."""
    row = tx.one(_FIND_OPEN, account=account, symbol=symbol)
    return _position(row) if row else None


def held(tx: Transaction, account: str) -> list[Position]:
    """Positions that are not closed, oldest first."""
    return [_position(row) for row in tx.rows(_HELD, account=account)]


def closing_since(tx: Transaction, position_id: UUID) -> datetime | None:
    """When the exit of the whole position was first decided, or None."""
    row = tx.one(_CLOSING_SINCE, position_id=position_id)
    return row["at"] if row else None


@dataclass(frozen=True, slots=True)
class TakenFromList:
    """What positions in a symbol were last given by the broker's list of positions.

    Attributes:
        position_id: The position whose quantity was taken from it last.
        at: When that was.
        quantity: What the list showed in addition, or lacked, since a fill, and no order
            explains yet.
    """

    position_id: UUID
    at: datetime
    quantity: Decimal


def taken_from_list(tx: Transaction, order: Order, filled_at: datetime) -> TakenFromList | None:
    """What the broker's list gave positions in the order's symbol; None where only fills did.

    Args:
        filled_at: Of the order's newest fill.
    """
    row = tx.one(
        _TAKEN_FROM_LIST,
        account=order.account_name,
        symbol=order.symbol,
        sign=1 if order.side == "buy" else -1,
        filled_at=filled_at,
    )
    return None if row is None or row["at"] is None else TakenFromList(**row)


def add_event(
    tx: Transaction,
    *,
    position_id: UUID,
    account: str,
    kind: PositionEventKind,
    details: dict[str, object],
    now: datetime,
) -> None:
    tx.enqueue(
        _NEXT_EVENT,
        position_id=position_id,
        account=account,
        kind=kind,
        details=json.dumps(details, default=str),
        now=now,
    )


def insert_history(tx: Transaction, position: Position, closing: Closing) -> None:
    """Store a closed position's history, in the transaction that closes it."""
    held_s = (closing.at - position.entry_time).total_seconds()
    tx.enqueue(
        _HISTORY,
        id=stable_uuid("history", position.id),
        position_id=position.id,
        execution_id=position.execution_id,
        account=position.account_name,
        ticker=position.ticker,
        instrument_type=position.instrument_type,
        strategy_type=position.strategy_type,
        quantity=position.opened_quantity,
        entry_price=position.entry_price,
        entry_time=position.entry_time,
        multiplier=position.multiplier,
        exit_time=closing.at,
        exit_reason=closing.reason,
        mode=closing.mode,
        holding_minutes=max(0.0, held_s / 60),
        verified=closing.result.pnl_dollars is not None,
        **asdict(closing.result),
    )


def _position(row: Row) -> Position:
    return Position(**row)
