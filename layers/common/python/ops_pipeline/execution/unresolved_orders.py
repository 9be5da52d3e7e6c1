"""Notes on orders with unknown outcome: when a look-up first missed one, and their alerts."""

from dataclasses import replace
from datetime import datetime

from ops_pipeline.db import orders
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.operations.alerts import order_outcome_unknown
from ops_pipeline.domain.orders import UNSETTLED, Order


def note_miss(tx: Transaction, order: Order, now: datetime) -> None:
    """Keep when a look-up first found nothing."""
    current = orders.lock(tx, order.client_order_id)
    if current.status in UNSETTLED:
        missed_at = current.missed_at or now
        orders.save(tx, replace(current, status="unknown", missed_at=missed_at))


def update_alert(tx: Transaction, order: Order, *, settled: bool, now: datetime) -> None:
    """Open the alert that names an order of unknown outcome, or close it."""
    alert = order_outcome_unknown(order)
    if settled:
        alerts.resolve_alert(tx, alert.key, now=now)
    else:
        alerts.open_alert(tx, alert, now=now)
