"""What the broker says becomes rows: order, fills, execution, position, recommendation.

One unit of work, under the account's row lock. The dispatcher and the position manager
may both settle the same answer: the result is the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import dispatch, facts, orders, positions
from ops_pipeline.db.accounts import Account
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain import exits
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.orders import LIVE, Order, Status, status_after, status_of
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.reconciliation import adopted_position
from ops_pipeline.execution import limit_breach

_NONE = Decimal(0)
# What its end settles.
_OF_A_POSITION = (
    "closing_overdue",
    "exit_blocked",
    "nothing_to_sell",
    "position_unpriced",
    "sale_not_executed",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """The broker's word on one order (or a simulation's), and its executions."""

    found: BrokerOrder
    fills: Sequence[BrokerFill] = ()
    simulated: bool = False

    @property
    def kind(self) -> str:
        return "simulated" if self.simulated else "broker"

    def first_fill_at(self) -> datetime:
        return min((fill.executed_at for fill in self.fills), default=self.found.updated_at)

    def last_fill_at(self) -> datetime:
        return max((fill.executed_at for fill in self.fills), default=self.found.updated_at)


def settle(
    tx: Transaction,
    client_order_id: str,
    evidence: ExecutionReport,
    *,
    account: Account,
    rules: ExitRules,
    now: datetime,
) -> Order:
    """Bring one order and all that hangs on it to what the broker says; returns it anew."""
    facts.lock_account(tx, account.account_name)
    before = orders.lock(tx, client_order_id)
    after = _updated(tx, before, evidence.found, now)
    reopened = not before.live and after != before
    orders.save(tx, after, reopened_at=now if reopened else None)
    orders.record_fills(tx, after, evidence.fills, evidence=evidence.kind, now=now)
    if after.filled_qty > before.filled_qty and not _sells_nothing_of_ours(after):
        if after.side == "buy":
            _grow(tx, before, after, evidence, account=account, rules=rules, now=now)
        else:
            _reduce(tx, before, after, evidence, account=account, now=now)
    if after.purpose == "entry" and not after.live:
        _finish_recommendation(tx, after, account, now)
    _take_back_partial(tx, after, now)
    if reopened and after.side == "buy":
        # Its room was given to others when it was given up.
        limit_breach.check(tx, account, now)
    return after


def _sells_nothing_of_ours(order: Order) -> bool:
    """Somebody else's sale of what we never held."""
    return order.purpose == "adopted" and order.side == "sell" and order.position_id is None


def close_unfilled(
    tx: Transaction, client_order_id: str, *, status: Status, reason: str, now: datetime
) -> None:
    """End an order that the broker refused or never had, and its recommendation with it."""
    before = orders.lock(tx, client_order_id)
    if not before.live:
        return
    after = replace(before, status=status, reserved_notional=_NONE, terminal_at=now)
    orders.save(tx, after, failure_reason=reason)
    if after.recommendation_id is not None:
        dispatch.finish(tx, after.recommendation_id, status="FAILED", reason=reason, now=now)
    _take_back_partial(tx, after, now)


def _updated(tx: Transaction, before: Order, found: BrokerOrder, now: datetime) -> Order:
    """The order with the broker's facts; what an older answer says takes nothing back."""
    status = status_of(found)
    if status is None:
        alerts.open_alert(
            tx,
            kind="broker_status_unknown",
            scope=before.account_name,
            subject=before.client_order_id,
            severity="warning",
            message=f"The broker calls this order {found.raw_status!r}, a word we do not know",
            details={"status": found.raw_status},
            now=now,
        )
        return before
    grown = found.filled_quantity > before.filled_qty
    filled = found.filled_quantity if grown else before.filled_qty
    status = status_after(before, status, filled)
    live = status in LIVE
    unit_cost = (before.price or _NONE) * before.multiplier
    still_to_fill = (before.quantity - filled) * unit_cost
    return replace(
        before,
        status=status,
        broker_order_id=found.broker_order_id,
        filled_qty=filled,
        filled_avg_price=found.filled_average_price if grown else before.filled_avg_price,
        reserved_notional=still_to_fill if live and before.purpose == "entry" else _NONE,
        acknowledged_at=before.acknowledged_at or now,
        missed_at=None,
        terminal_at=None if live else before.terminal_at or now,
    )


def _grow(
    tx: Transaction,
    before: Order,
    after: Order,
    evidence: ExecutionReport,
    *,
    account: Account,
    rules: ExitRules,
    now: datetime,
) -> None:
    """Book an entry's new fills: execution and position."""
    bought = after.filled_qty - before.filled_qty
    value = _value(after) - _value(before)
    held = positions.find_open(tx, after.account_name, after.symbol)
    if held is None:
        position = _opened(tx, before, evidence, bought=bought, value=value, rules=rules)
    else:
        position = _added(held, bought, value, rules)
    if after.purpose == "entry":
        execution = replace(position, execution_id=stable_uuid("execution", after.client_order_id))
        dispatch.save_execution(
            tx,
            after,
            execution,
            mode=account.execution_mode,
            simulated_at=evidence.first_fill_at() if evidence.simulated else None,
            now=now,
        )
    if held is None:
        positions.insert(tx, position, version=after.parameter_version, now=now)
    else:
        positions.save(tx, position, now=now)
    _event(
        tx,
        position,
        "opened" if held is None else "added",
        {"order": after.client_order_id, "quantity": bought, "price": value / bought},
        now,
    )


def _opened(
    tx: Transaction,
    order: Order,
    evidence: ExecutionReport,
    *,
    bought: Decimal,
    value: Decimal,
    rules: ExitRules,
) -> Position:
    """What the order's new fills open; the order as it was before them."""
    if order.purpose == "adopted":
        return adopted_position(
            order.account_name,
            order.symbol,
            quantity=bought,
            price=value / bought,
            at=evidence.first_fill_at(),
            rules=rules,
        )
    if order.recommendation_id is None:
        raise ValueError(f"entry {order.client_order_id} executes no recommendation")
    recommendation = dispatch.lock(tx, order.recommendation_id)
    price = value / bought
    stop = exits.first_stop(price, rules)
    day_trade = recommendation.strategy_type == "day_trade"
    # What an order goes on buying after its first position was closed is another position.
    first = order.filled_qty == 0
    parts = () if first else (str(order.filled_qty.normalize()),)
    return Position(
        id=stable_uuid("position", order.client_order_id, *parts),
        execution_id=stable_uuid("execution", order.client_order_id) if first else None,
        account_name=order.account_name,
        ticker=order.ticker,
        symbol=order.symbol,
        instrument_type=order.instrument_type,
        strategy_type=recommendation.strategy_type,
        quantity=bought,
        opened_quantity=bought,
        multiplier=order.multiplier,
        entry_price=price,
        entry_time=evidence.first_fill_at(),
        stop_loss=stop,
        take_profit=exits.first_target(price, rules),
        initial_risk=price - stop,
        max_hold_minutes=rules.day_trade_minutes if day_trade else None,
        peak_price=price,
        trough_price=price,
        trailing_armed=False,
        lifecycle_state="initial",
        status="open",
        close_reason=None,
        exit_requested=None,
    )


def _added(held: Position, bought: Decimal, value: Decimal, rules: ExitRules) -> Position:
    """More of the same: the entry price is the average of all that was bought."""
    opened = held.opened_quantity + bought
    price = (held.entry_price * held.opened_quantity + value) / opened
    grown = replace(
        held, quantity=held.quantity + bought, opened_quantity=opened, entry_price=price
    )
    if held.lifecycle_state != "initial":
        return grown
    stop = exits.first_stop(price, rules)
    target = exits.first_target(price, rules)
    return replace(grown, stop_loss=stop, take_profit=target, initial_risk=price - stop)


def _reduce(
    tx: Transaction,
    before: Order,
    after: Order,
    evidence: ExecutionReport,
    *,
    account: Account,
    now: datetime,
) -> None:
    """Book an exit's new fills; the last one closes the position with its history."""
    if after.position_id is None:
        raise ValueError(f"exit {after.client_order_id} sells no position")
    position = positions.lock(tx, after.position_id)
    if position is None:
        raise LookupError(f"no position {after.position_id}")
    sold = after.filled_qty - before.filled_qty
    left = position.quantity - sold
    details = {"order": after.client_order_id, "quantity": sold, "rule": after.reason}
    if left < 0:
        _alert_oversold(tx, position, after, left, now)
    if position.status == "closed":
        _event(tx, position, "oversold", details, now)
        return
    if left > 0:
        position = replace(position, quantity=left)
        positions.save(tx, position, now=now)
        _event(tx, position, "reduced", details, now)
        return
    close(tx, position, after.reason, evidence.last_fill_at(), account=account, now=now)
    _event(tx, position, "closed", details, now)


def close(
    tx: Transaction,
    position: Position,
    reason: str,
    at: datetime,
    *,
    account: Account,
    now: datetime,
) -> None:
    """Close a position and write its history; without a price where its fills do not add up."""
    total = orders.sold(tx, position.id)
    outcome = exits.result(position, total.quantity, total.value)
    closed = replace(exits.closing(position, reason), quantity=_NONE, status="closed")
    positions.save(tx, closed, now=now, closed_at=at)
    closing = positions.Closing(reason=reason, at=at, mode=account.execution_mode)
    positions.insert_history(tx, position, outcome, closing)
    for kind in _OF_A_POSITION:
        alerts.resolve_alert(
            tx, kind=kind, scope=position.account_name, subject=position.symbol, now=now
        )


def _finish_recommendation(tx: Transaction, order: Order, account: Account, now: datetime) -> None:
    if order.recommendation_id is None:
        return
    if order.filled_qty > 0:
        status = "SIMULATED" if account.execution_mode == "SIMULATED" else "EXECUTED"
        reason = None
    elif order.status == "rejected":
        status, reason = "FAILED", "The broker rejected the order"
    elif order.status == "canceled" and order.cancel_requested_at is not None:
        dispatch.release(tx, order.recommendation_id, now)
        return
    else:
        status, reason = "CANCELLED", f"Nothing filled at the limit: order {order.status}"
    dispatch.finish(tx, order.recommendation_id, status=status, reason=reason, now=now)


def _take_back_partial(tx: Transaction, order: Order, now: datetime) -> None:
    """A partial exit that sold nothing was not done: the rule may apply again."""
    if order.reason != "partial" or order.live or order.filled_qty > 0:
        return
    position = positions.lock(tx, order.position_id) if order.position_id else None
    if position is not None and position.status == "open":
        positions.save(tx, exits.disarmed(position), now=now)


def _value(order: Order) -> Decimal:
    return order.filled_qty * (order.filled_avg_price or _NONE)


def _event(
    tx: Transaction, position: Position, kind: str, details: dict[str, object], now: datetime
) -> None:
    positions.add_event(
        tx,
        position_id=position.id,
        account=position.account_name,
        kind=kind,
        details=details,
        now=now,
    )


def _alert_oversold(
    tx: Transaction, position: Position, order: Order, left: Decimal, now: datetime
) -> None:
    alerts.open_alert(
        tx,
        kind="oversold",
        scope=position.account_name,
        subject=position.symbol,
        severity="critical",
        message=f"{order.client_order_id} sold {-left} more {position.symbol} than was held",
        details={"order": order.client_order_id, "held": position.quantity},
        now=now,
    )
