"""What a client may ask for: a new order, or a change to a resting one."""

from dataclasses import dataclass
from decimal import Decimal

from ops_local.exchange.words import OrderType, PositionIntent, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class Ticket:
    """A new order; `client_order_id` is None when the exchange chooses one.

    A trailing stop has one of `trail_price` and `trail_percent` in place of prices.
    """

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    qty: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    client_order_id: str | None
    position_intent: PositionIntent
    trail_price: Decimal | None = None
    trail_percent: Decimal | None = None
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a replacement changes; None keeps the old order's value."""

    qty: int | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce | None
    client_order_id: str | None
