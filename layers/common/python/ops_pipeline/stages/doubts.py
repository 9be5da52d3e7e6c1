"""What is written down while nobody knows what became of an order."""

from dataclasses import replace

from ops_pipeline.db import alerts, orders
from ops_pipeline.domain.orders import UNSETTLED, Order
from ops_pipeline.stages.road import Road


def note_miss(way: Road, order: Order) -> None:
    """Keep when a look-up first found nothing."""
    now = way.clock.now()
    with way.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if current.status in UNSETTLED:
            missed_at = current.missed_at or now
            orders.save(tx, replace(current, status="unknown", missed_at=missed_at))


def alert_unknown(way: Road, order: Order, *, settled: bool) -> None:
    """Open the alert that names an order of unknown outcome, or close it."""
    now = way.clock.now()
    with way.db.transaction() as tx:
        if settled:
            alerts.resolve_alert(
                tx,
                kind="order_outcome_unknown",
                scope=way.name,
                subject=order.client_order_id,
                now=now,
            )
            return
        alerts.open_alert(
            tx,
            kind="order_outcome_unknown",
            scope=way.name,
            subject=order.client_order_id,
            severity="critical",
            message=f"Nobody knows what became of {order.client_order_id}",
            details={"decided_at": order.decided_at, "purpose": order.purpose},
            now=now,
        )


def alert_disagreement(way: Road, order: Order, why: str) -> None:
    """Say that the broker holds something else under this order's id."""
    way.journal.went_wrong("order_disagrees", order=order.client_order_id, why=why)
    with way.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="order_disagrees",
            scope=way.name,
            subject=order.client_order_id,
            severity="critical",
            message=f"The broker holds another order under this id ({why})",
            details={"why": why},
            now=way.clock.now(),
        )
