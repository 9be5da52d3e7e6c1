"""Request bodies read into tickets and amendments."""

from ops_local.exchange.api import ticket_fields as read
from ops_local.exchange.orders.tickets import Amendment, Ticket


def read_ticket(body: bytes) -> Ticket:
    """Read the body of a new order.

    Raises:
        ApiRefusal: it is not JSON, or a field is missing, malformed or not supported.
    """
    return ticket_of(read.parse(body))


def ticket_of(fields: read.Fields) -> Ticket:
    """The order that these fields describe. Raises ApiRefusal as `read_ticket` does."""
    read.require_supported(fields)
    order_type = read.order_type(fields)
    limit_price, stop_price, trail_price, trail_percent = read.prices(fields, order_type)
    time_in_force = read.time_in_force(fields.get("time_in_force"))
    read.require_combination(order_type, time_in_force)
    side = read.side(fields)
    return Ticket(
        symbol=read.symbol(fields),
        side=side,
        order_type=order_type,
        time_in_force=time_in_force,
        qty=read.quantity(fields.get("qty")),
        limit_price=limit_price,
        stop_price=stop_price,
        client_order_id=read.client_order_id(fields),
        position_intent=read.position_intent(fields, side),
        trail_price=trail_price,
        trail_percent=trail_percent,
    )


def read_amendment(body: bytes) -> Amendment:
    """Read the body of a replacement. Raises ApiRefusal as `read_ticket` does."""
    fields = read.parse(body)
    read.require_supported(fields)
    tif = fields.get("time_in_force")
    return Amendment(
        qty=None if fields.get("qty") is None else read.quantity(fields["qty"]),
        limit_price=read.price(fields, "limit_price"),
        stop_price=read.price(fields, "stop_price"),
        time_in_force=None if tif is None else read.time_in_force(tif),
        client_order_id=read.client_order_id(fields),
    )
