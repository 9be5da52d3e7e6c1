"""Order requests as they arrive."""

from dataclasses import dataclass
from decimal import Decimal

from ops_local.exchange.api import ticket_fields as read
from ops_pipeline.domain.broker import OrderType, Side, TimeInForce


@dataclass(frozen=True, slots=True)
class Ticket:
    """An order as somebody asks for it; `client_order_id` is None when left to us."""

    symbol: str
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce
    qty: int
    limit_price: Decimal | None
    stop_price: Decimal | None
    client_order_id: str | None
    position_intent: str
    replaces: str | None = None


@dataclass(frozen=True, slots=True)
class Amendment:
    """What a replacement changes; None leaves the old order's value."""

    qty: int | None
    limit_price: Decimal | None
    stop_price: Decimal | None
    time_in_force: TimeInForce | None
    client_order_id: str | None


def read_ticket(body: bytes) -> Ticket:
    """Read the body of a new order.

    Raises:
        Refused: not JSON, or a field is missing, odd, or not offered here.
    """
    fields = read.parse(body)
    order_type = read.order_type(fields)
    limit_price, stop_price = read.prices(fields, order_type)
    side = read.side(fields)
    return Ticket(
        symbol=read.symbol(fields),
        side=side,
        order_type=order_type,
        time_in_force=read.time_in_force(fields.get("time_in_force")),
        qty=read.quantity(fields.get("qty")),
        limit_price=limit_price,
        stop_price=stop_price,
        client_order_id=read.client_order_id(fields),
        position_intent=read.position_intent(fields, side),
    )


def read_amendment(body: bytes) -> Amendment:
    """Read the body of a replacement. Raises Refused as `read_ticket` does."""
    fields = read.parse(body)
    tif = fields.get("time_in_force")
    return Amendment(
        qty=None if fields.get("qty") is None else read.quantity(fields["qty"]),
        limit_price=read.price(fields, "limit_price"),
        stop_price=read.price(fields, "stop_price"),
        time_in_force=None if tif is None else read.time_in_force(tif),
        client_order_id=read.client_order_id(fields),
    )
