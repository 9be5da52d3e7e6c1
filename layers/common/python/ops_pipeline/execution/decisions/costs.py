"""Estimates the fees of an order's new fills."""

from datetime import date
from decimal import Decimal
from uuid import UUID

from ops_pipeline.domain.costs.fee_table import NoFeeRate, fee_table
from ops_pipeline.domain.costs.fees import FeeTrade, accrued
from ops_pipeline.domain.costs.settling import OrderCost
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.trading_terms import FeeKind

_NONE = Decimal(0)


def estimated(
    before: Order, after: Order, *, day: date, position_id: UUID | None
) -> tuple[OrderCost, ...]:
    """What an order accrues by what it filled since, by fee; unknown without a rate for the day.

    Args:
        day: The trade date in New York.
        position_id: The position that the fills opened, added to or reduced.
    """
    value = _value(after) - _value(before)
    trade = FeeTrade(
        order=after.client_order_id,
        day=day,
        side=after.side,
        quantity=after.filled_qty - before.filled_qty,
        # An average price that the broker corrects may take some of it back.
        value=max(value, _NONE) * after.multiplier,
        multiplier=after.multiplier,
    )
    return tuple(
        OrderCost(fee, day, position_id, amount) for fee, amount in _amounts(trade).items()
    )


def _amounts(trade: FeeTrade) -> dict[FeeKind, Decimal | None]:
    try:
        return {**accrued(trade)}
    except NoFeeRate:
        return dict.fromkeys(fee_table().kinds_of(trade.instrument, trade.side))


def _value(order: Order) -> Decimal:
    return order.filled_qty * (order.filled_avg_price or _NONE)
