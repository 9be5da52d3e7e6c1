"""Books a sale's new fills: the position that they reduce or close, with its history."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain import exits
from ops_pipeline.domain.broker import BrokerFill
from ops_pipeline.domain.exits import Closing, Position
from ops_pipeline.domain.ledger import OrderView, Sale
from ops_pipeline.domain.operations import alerts
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.trading_terms import TradeReason
from ops_pipeline.execution.decisions.changes import Booking, PositionEvent
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport

_NONE = Decimal(0)


def reduced(booking: Booking, view: OrderView, report: ExecutionReport) -> Booking:
    """Book a sale's new fills; the last one closes the position with its history."""
    after, held = booking.order, view.position
    if after.position_id is None:
        raise ValueError(f"exit {after.client_order_id} sells no position")
    if held is None:
        raise LookupError(f"no position {after.position_id}")
    sold = after.filled_qty - view.order.filled_qty
    if view.contained:
        explained = {"order": after.client_order_id, "quantity": sold}
        return replace(booking, event=PositionEvent(held.id, "repaired", explained))
    beyond = max(sold - held.quantity, _NONE)
    if beyond > 0:
        booking = _with_excess(booking, held, after, beyond)
    if held.status == "closed":
        return booking
    details = {"order": after.client_order_id, "quantity": sold - beyond, "rule": after.reason}
    if sold < held.quantity:
        position = replace(held, quantity=held.quantity - sold)
        return replace(booking, position=position, event=PositionEvent(held.id, "reduced", details))
    position, closing = closing_of(
        held,
        _sales_with(view.sales, after, report.fills, beyond=beyond),
        reason=after.reason,
        at=report.last_fill_at(),
    )
    return replace(
        booking,
        position=position,
        closing=closing,
        event=PositionEvent(held.id, "closed", details),
    )


def _with_excess(booking: Booking, held: Position, order: Order, beyond: Decimal) -> Booking:
    """The booking with what the order sold beyond the position: a short that nobody decided on."""
    details = {"order": order.client_order_id, "quantity": beyond, "rule": order.reason}
    return replace(
        booking,
        alerts=(*booking.alerts, alerts.oversold(held, order, beyond)),
        oversold=PositionEvent(held.id, "oversold", details),
    )


def _sales_with(
    sales: Sequence[Sale], order: Order, fills: Sequence[BrokerFill], *, beyond: Decimal
) -> tuple[Sale, ...]:
    """The position's sales including this order's new fills, each fill once."""
    others = [sale for sale in sales if sale.client_order_id != order.client_order_id]
    known = {
        fill_id: fill
        for sale in sales
        if sale.client_order_id == order.client_order_id
        for fill_id, fill in sale.fills.items()
    }
    new = {fill.fill_id: (fill.quantity, fill.price) for fill in fills}
    now = Sale(
        client_order_id=order.client_order_id,
        filled_qty=order.filled_qty,
        filled_avg_price=order.filled_avg_price,
        fills=new | known,
        beyond=beyond,
    )
    return (*others, now)


def closing_of(
    position: Position,
    sales: Sequence[Sale],
    *,
    reason: TradeReason,
    at: datetime,
) -> tuple[Position, Closing]:
    """The closed position and its history; no price if its sales do not add up."""
    quantity = sum((sale.quantity for sale in sales), _NONE)
    value = sum((sale.value for sale in sales), _NONE)
    result = exits.result(position, quantity, value)
    closed = replace(exits.closing(position, reason), quantity=_NONE, status="closed")
    return closed, Closing(reason=reason, at=at, mode=position.execution_mode, result=result)
