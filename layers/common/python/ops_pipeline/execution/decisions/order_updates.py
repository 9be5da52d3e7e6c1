"""Updates an order's status and quantities from its broker's report."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain.broker import BrokerOrder
from ops_pipeline.domain.operations import alerts
from ops_pipeline.domain.operations.alerts import Alert
from ops_pipeline.domain.orders import LIVE, Order, Status, status_after, status_of

_NONE = Decimal(0)


def updated(before: Order, found: BrokerOrder, now: datetime) -> tuple[Order, tuple[Alert, ...]]:
    """The order after a report; what filled is booked whatever the broker's word for it is."""
    status, raised = status_of(found), []
    if status is None:
        raised.append(alerts.broker_status_unknown(before, found.raw_status))
        if found.filled_quantity <= before.filled_qty:
            return before, tuple(raised)
    after = _with_report(before, found, status or "partially_filled", now)
    # A broker that restated the order for a corporate action told so in its quantity.
    restated = _NONE if after.purpose == "adopted" else found.quantity
    if after.filled_qty > max(after.quantity, restated):
        raised.append(alerts.order_overfilled(after))
    return after, tuple(raised)


def _with_report(before: Order, found: BrokerOrder, reported: Status, now: datetime) -> Order:
    """The order updated from the broker; an older report takes nothing back."""
    more = found.filled_quantity > before.filled_qty
    filled = found.filled_quantity if more else before.filled_qty
    status = status_after(before, reported, filled)
    live = status in LIVE
    unit_cost = (before.price or _NONE) * before.multiplier
    still_to_fill = max(before.quantity - filled, _NONE) * unit_cost
    return replace(
        before,
        status=status,
        broker_order_id=found.broker_order_id,
        filled_qty=filled,
        filled_avg_price=found.filled_average_price if more else before.filled_avg_price,
        reserved_notional=still_to_fill if live and before.purpose == "entry" else _NONE,
        acknowledged_at=before.acknowledged_at or now,
        missed_at=None,
        terminal_at=None if live else before.terminal_at or now,
        overfilled_at=before.overfilled_at or (now if filled > before.quantity else None),
    )
