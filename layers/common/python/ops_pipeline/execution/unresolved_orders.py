"""Records about orders with unknown outcome: the first missed look-up, and alerts."""

from dataclasses import replace
from datetime import datetime

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.operations.alerts import order_outcome_unknown
from ops_pipeline.domain.orders import UNSETTLED, Order


def note_miss(tx: Transaction, order: Order, now: datetime) -> None:
    """Record the time of the first look-up that found nothing."""
    current = orders.lock(tx, order.client_order_id)
    if current.status in UNSETTLED:
        missed_at = current.missed_at or now
        orders.save(tx, replace(current, status="unknown", missed_at=missed_at))


def forget_miss(tx: Transaction, order: Order) -> None:
    """Begin anew before it is sent again: what was not found earlier proves nothing after that."""
    current = orders.lock(tx, order.client_order_id)
    if current.status in UNSETTLED:
        orders.save(tx, replace(current, missed_at=None))


def update_alert(tx: Transaction, order: Order, *, settled: bool, now: datetime) -> None:
    """Open the alert about an order with unknown outcome, or resolve it once settled."""
    alert = order_outcome_unknown(order)
    if settled:
        alerts.resolve_alert(tx, alert.key, now=now)
    else:
        alerts.open_alert(tx, alert, now=now)
