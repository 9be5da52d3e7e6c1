"""Simulates fills for SIMULATED accounts at the far side of a fresh quote."""

from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.market import Quote
from ops_pipeline.domain.orders import Order


def simulate(order: Order, quote: Quote, now: datetime) -> tuple[BrokerOrder, list[BrokerFill]]:
    """Fill the whole order at the quote's far side, or cancel it if that is beyond its limit."""
    price = quote.ask if order.side == "buy" else quote.bid
    fits = order.price is None or (
        price <= order.price if order.side == "buy" else price >= order.price
    )
    found = BrokerOrder(
        broker_order_id=f"sim-{order.client_order_id}",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        filled_quantity=order.quantity if fits else Decimal(0),
        filled_average_price=price if fits else None,
        status="filled" if fits else "canceled",
        raw_status="simulated",
        submitted_at=now,
        updated_at=now,
    )
    if not fits:
        return found, []
    fill = BrokerFill(
        fill_id=f"sim-{order.client_order_id}",
        broker_order_id=found.broker_order_id,
        symbol=order.symbol,
        side=order.side,
        quantity=order.quantity,
        price=price,
        executed_at=now,
    )
    return found, [fill]
