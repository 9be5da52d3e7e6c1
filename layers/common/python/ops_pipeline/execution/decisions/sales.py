"""Books a sale's new fills: the position that they reduce or close, with its history."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain import exits
from ops_pipeline.domain.broker import BrokerFill
from ops_pipeline.domain.corporate.adjustments import Adjustment, cash_is_told
from ops_pipeline.domain.exits import Closing, Position
from ops_pipeline.domain.ledger import OrderView, Sale
from ops_pipeline.domain.operations import alerts
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.trading_terms import TradeReason
from ops_pipeline.execution.decisions.changes import Booking, PositionEvent
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport

_NONE = Decimal(0)


def reduced(booking: Booking, view: OrderView, report: ExecutionReport) -> Booking:
    """Book a sale's new fills; the last one closes the position with its history.

    What it sells beyond its own position it sells of the open one in the symbol: the broker
    knows shares, not whose they are. What nobody holds is a short.
    """
    after, own, shown = booking.order, view.position, view.contained_in
    sold = after.filled_qty - view.order.filled_qty
    if view.sells_of_others:
        return booking
    if after.position_id is None and after.purpose != "adopted":
        raise ValueError(f"exit {after.client_order_id} sells no position")
    if after.position_id is not None and own is None:
        raise LookupError(f"no position {after.position_id}")
    if own is not None and shown is not None and own.id == shown.id:
        return replace(booking, event=_explained(own, after, sold))
    of_own = _NONE
    if own is not None and own.status != "closed" and shown is None:
        of_own = min(sold, own.quantity)
        sales = _sales_with(view.sales, after, report.fills, beyond=sold - of_own)
        booking = _less(booking, view, own, of_own, sales, at=report.last_fill_at())
    return _with_beyond(booking, view, report, sold - of_own) if of_own < sold else booking


def _explained(position: Position, order: Order, sold: Decimal) -> PositionEvent:
    """The event that an order sold what the broker's list lacked already."""
    return PositionEvent(
        position.id, "repaired", {"order": order.client_order_id, "quantity": sold}
    )


def _less(
    booking: Booking,
    view: OrderView,
    held: Position,
    sold: Decimal,
    sales: Sequence[Sale],
    *,
    at: datetime,
) -> Booking:
    """The booking with so many units less of a position, which is closed with the last."""
    order = booking.order
    details = {"order": order.client_order_id, "quantity": sold, "rule": order.reason}
    if sold < held.quantity:
        position = replace(held, quantity=held.quantity - sold)
        return replace(booking, position=position, event=PositionEvent(held.id, "reduced", details))
    # Of shares that are counted otherwise at the broker, no number sold proves a result.
    proof = () if view.held_back else sales
    position, closing = closing_of(
        held, proof, reason=order.reason, at=at, adjustments=view.adjustments
    )
    event = PositionEvent(held.id, "closed", details)
    return replace(booking, position=position, closing=closing, event=event)


def _with_beyond(
    booking: Booking, view: OrderView, report: ExecutionReport, beyond: Decimal
) -> Booking:
    """The booking with what the order sold beyond its own position."""
    order, shown, beside, taken = booking.order, view.contained_in, view.beside, _NONE
    price = _price_of_growth(view.order, order)
    if shown is not None:
        taken = beyond
        booking = replace(
            booking,
            event=_explained(shown, order, taken),
            covered=_covered(shown, order, taken, price),
        )
    elif beside is not None:
        taken = min(beyond, beside.quantity)
        sale = Sale(
            client_order_id=order.client_order_id,
            filled_qty=taken,
            filled_avg_price=price,
            fills={},
        )
        booking = _less(booking, view, beside, taken, (*view.sales, sale), at=report.last_fill_at())
        booking = replace(booking, covered=_covered(beside, order, taken, price))
    return _with_short(booking, view.position, beyond, nobodys=beyond - taken)


def _covered(position: Position, order: Order, sold: Decimal, price: Decimal) -> PositionEvent:
    """The event that an order of another position, or of none, sold of this one."""
    details = {"order": order.client_order_id, "quantity": sold, "price": price}
    return PositionEvent(position.id, "covered", details)


def _price_of_growth(before: Order, after: Order) -> Decimal:
    """The average price of what an order filled since, USD a share."""
    value = after.filled_qty * (after.filled_avg_price or _NONE)
    value -= before.filled_qty * (before.filled_avg_price or _NONE)
    return value / (after.filled_qty - before.filled_qty)


def _with_short(
    booking: Booking, own: Position | None, beyond: Decimal, *, nobodys: Decimal
) -> Booking:
    """The booking with what the order sold beyond its position, on the position or the order.

    Args:
        nobodys: What of it no position held: a short that nobody decided on. A person's own
            is told by the comparison with the broker.
    """
    order = booking.order
    if own is None:
        shorted = replace(order, shorted_qty=order.shorted_qty + beyond)
        return replace(booking, order=shorted)
    details = {"order": order.client_order_id, "quantity": beyond, "rule": order.reason}
    event = PositionEvent(own.id, "oversold", details)
    raised = (alerts.oversold(own, order, nobodys),) if nobodys > 0 else ()
    return replace(booking, alerts=(*booking.alerts, *raised), oversold=event)


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
    adjustments: Sequence[Adjustment] = (),
) -> tuple[Position, Closing]:
    """The closed position and its history; no price if sales and adjustments do not add up.

    What an adjustment paid is part of the result; while that is not told, nothing is proven.
    """
    quantity = sum((sale.quantity for sale in sales), _NONE)
    value = sum((sale.value for sale in sales), _NONE)
    for it in adjustments:
        quantity -= it.units_elsewhere
        value += it.cash or _NONE
    if not cash_is_told(adjustments):
        quantity = _NONE
    result = exits.result(position, quantity, value)
    closed = replace(exits.closing(position, reason), quantity=_NONE, status="closed")
    return closed, Closing(reason=reason, at=at, mode=position.execution_mode, result=result)
