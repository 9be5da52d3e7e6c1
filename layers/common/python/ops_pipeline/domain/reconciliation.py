"""Compares our positions and orders with the broker's, and builds what is adopted."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from ops_pipeline.domain.accounts import Account, ExecutionMode
from ops_pipeline.domain.broker import BrokerOrder, BrokerPosition
from ops_pipeline.domain.exits import Position, first_stop, first_target
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.market import minute_of
from ops_pipeline.domain.orders import Order, OwnOrderId
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.trading_terms import is_contract

BreakKind = Literal[
    "position_quantity_differs",
    "position_unknown_to_us",
    "position_missing",
    "order_unknown_to_us",
    "over_cap",
]
POSITION_KINDS: tuple[BreakKind, ...] = (
    "position_quantity_differs",
    "position_unknown_to_us",
    "position_missing",
)
KINDS: tuple[BreakKind, ...] = (*POSITION_KINDS, "order_unknown_to_us", "over_cap")
# A break in a position we hold is confirmed by a second reading, this much later or more.
AGREED_AFTER = timedelta(seconds=60)


@dataclass(frozen=True, slots=True)
class Break:
    """One difference between us and the broker; quantities in shares or contracts."""

    kind: BreakKind
    subject: str
    message: str
    ours: str
    broker: str


@dataclass(frozen=True, slots=True)
class EarlierBreak:
    """An earlier reading of the same break: when, and the broker's quantity then."""

    at: datetime
    broker: str


def compare(
    ours: Mapping[str, Decimal],
    broker: Mapping[str, Decimal],
    external_orders: Sequence[BrokerOrder],
) -> list[Break]:
    """Breaks between our holdings and the broker's, by symbol, and external orders.

    Args:
        ours: Quantity by symbol in our open positions.
        broker: Quantity by symbol as the broker reports it, negative for a short.
        external_orders: The broker's orders without a row here.
    """
    found = []
    for symbol in sorted(set(ours) | set(broker)):
        mine, theirs = ours.get(symbol, Decimal(0)), broker.get(symbol, Decimal(0))
        if mine != theirs:
            message = f"{symbol}: we hold {mine}, the broker says {theirs}"
            kind = _kind(mine, theirs)
            found.append(Break(kind, symbol, message, str(mine), str(theirs)))
    for order in sorted(external_orders, key=lambda order: order.client_order_id):
        message = f"The broker has order {order.client_order_id} ({order.symbol}), we do not"
        found.append(
            Break("order_unknown_to_us", order.client_order_id, message, "none", order.raw_status)
        )
    return found


def _kind(mine: Decimal, theirs: Decimal) -> BreakKind:
    if mine == 0:
        return "position_unknown_to_us"
    return "position_missing" if theirs == 0 else "position_quantity_differs"


def is_agreed(difference: Break, earlier: EarlierBreak | None, now: datetime) -> bool:
    """Whether an earlier reading, long enough ago, saw the same break."""
    return (
        earlier is not None
        and earlier.broker == difference.broker
        and now - earlier.at >= AGREED_AFTER
    )


def is_adoptable(held: BrokerPosition) -> bool:
    """Whether it is stock held long; a short or a contract is left to a person."""
    return held.quantity > 0 and not is_contract(held.symbol)


def adopted_position(
    account: str,
    symbol: str,
    *,
    execution_mode: ExecutionMode,
    broker: str,
    quantity: Decimal,
    price: Decimal,
    at: datetime,
    rules: ExitRules,
) -> Position:
    """An external position, guarded from now on like a day trade of our own.

    Args:
        price: Its average cost by the broker, USD a share; stop and target derive from it.
    """
    stop = first_stop(price, rules)
    return Position(
        id=stable_uuid("adopted position", account, symbol, at),
        execution_id=None,
        account_name=account,
        execution_mode=execution_mode,
        broker=broker,
        ticker=symbol,
        symbol=symbol,
        instrument_type="STOCK",
        strategy_type="day_trade",
        quantity=quantity,
        opened_quantity=quantity,
        multiplier=1,
        entry_price=price,
        entry_time=at,
        stop_loss=stop,
        take_profit=first_target(price, rules),
        initial_risk=price - stop,
        max_hold_minutes=rules.day_trade_minutes,
        peak_price=price,
        trough_price=price,
        trailing_armed=False,
        lifecycle_state="adopted",
        status="open",
        close_reason=None,
        exit_requested=None,
    )


def adopted_order(account: Account, found: BrokerOrder, position: Position | None) -> Order | None:
    """A row for an external order; None if it is not an order for stock.

    Stored as acknowledged with nothing filled, since settling it books its fills, and without
    a price, since the broker's report has no limit.
    """
    if found.quantity <= 0 or is_contract(found.symbol):
        return None
    return Order(
        client_order_id=found.client_order_id,
        account_name=account.account_name,
        execution_mode=account.execution_mode,
        broker=account.broker,
        purpose="adopted",
        recommendation_id=None,
        position_id=position.id if position and found.side == "sell" else None,
        attempt=1,
        ticker=found.symbol,
        symbol=found.symbol,
        instrument_type="STOCK",
        multiplier=1,
        side=found.side,
        quantity=found.quantity,
        order_type="market",
        price=None,
        reason="adopted",
        decided_at=found.submitted_at,
        tick=minute_of(found.submitted_at),
        parameter_version=None,
        status="accepted",
        broker_order_id=found.broker_order_id,
        acknowledged_at=found.submitted_at,
    )


def recovered_order(
    account: Account,
    found: BrokerOrder,
    own: OwnOrderId,
    position: Position | None,
    *,
    now: datetime,
) -> Order | None:
    """The row of an order of ours that the database lost, as it was when it was sent.

    None where the broker's order is not what its id says, or sells a position that is not
    held here: then it is adopted like anybody's.
    """
    row = adopted_order(account, found, position)
    price = found.stop_price if own.purpose == "stop" else found.limit_price
    buys = own.purpose == "entry"
    if row is None or own.symbol != found.symbol or buys != (found.side == "buy"):
        return None
    if (
        price is None
        or price <= 0
        or found.order_type != ("stop" if own.purpose == "stop" else "limit")
    ):
        return None
    if not buys and position is None:
        return None
    return replace(
        row,
        purpose=own.purpose,
        attempt=own.attempt,
        tick=own.tick,
        order_type="stop" if own.purpose == "stop" else "limit",
        time_in_force="gtc" if own.purpose == "stop" else "day",
        price=price,
        reserved_notional=found.quantity * price if buys else Decimal(0),
        recovered_at=now,
    )


def with_resting_stop(position: Position, stop: Order) -> Position:
    """The position with the stop that rests at its broker, so that the guard leaves it there.

    What was adopted takes its price; a position of ours only a higher one.
    """
    known = position.stop_loss
    if position.lifecycle_state == "adopted" or known is None or stop.price is None:
        return replace(position, stop_loss=stop.price)
    return replace(position, stop_loss=max(known, stop.price))
