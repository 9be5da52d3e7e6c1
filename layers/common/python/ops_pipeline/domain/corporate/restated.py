"""Whether a position, or an order that rests, has the terms of after a corporate action."""

import math
from collections.abc import Iterable
from decimal import ROUND_CEILING, Decimal

from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.corporate.actions import CorporateAction
from ops_pipeline.domain.corporate.shares_shown import possible_quantities
from ops_pipeline.domain.corporate.terms import Adjustment
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.orders import Order

# Prices are as fine as active_positions has them.
_PRICE = Decimal("0.0001")


def is_restated(before: Position, now: Position) -> bool:
    """Whether a position was adjusted between two readings: other shares at the same cost."""
    if before.symbol != now.symbol:
        return True
    if before.opened_quantity == now.opened_quantity:
        return False
    was, is_now = (it.opened_quantity * it.entry_price for it in (before, now))
    return abs(was - is_now) < _PRICE


def has_restated_terms(
    order: Order,
    found: BrokerOrder,
    known: Iterable[Adjustment],
    announced: Iterable[CorporateAction],
) -> bool:
    """Whether the broker has changed the terms of a resting order for a corporate action.

    By what is booked, or by what is announced: the broker's new terms confirm it.

    Args:
        known: What was done to the order's position.
        announced: Of its symbol, due by now.
    """
    booked = [it for it in known if it.applied_at > order.decided_at]
    if booked:
        symbols = {it.new_symbol for it in booked if it.new_symbol}
        steps = [it.ratio for it in booked]
    else:
        day = new_york_day(order.decided_at)
        due = [it for it in announced if it.effective_on > day and it.is_understood]
        symbols = {it.symbol_after for it in due}
        steps = [it.ratio for it in due]
    if not steps:
        return False
    ratio = math.prod(steps)
    same = (order.side, order.broker_order_id or found.broker_order_id) == (
        found.side,
        found.broker_order_id,
    )
    wanted = order.quantity * ratio
    up = wanted.to_integral_value(ROUND_CEILING)
    quantities = {order.quantity, *possible_quantities(wanted), up}
    return same and found.symbol in {order.symbol, *symbols} and found.quantity in quantities
