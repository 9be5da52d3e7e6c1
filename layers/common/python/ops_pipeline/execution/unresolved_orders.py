"""What is written down while nobody knows what became of an order."""

from dataclasses import replace

from ops_pipeline.db import orders
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.orders import UNSETTLED, Order
from ops_pipeline.execution.sending import AccountContext


def note_miss(ctx: AccountContext, order: Order) -> None:
    """Keep when a look-up first found nothing."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        current = orders.lock(tx, order.client_order_id)
        if current.status in UNSETTLED:
            missed_at = current.missed_at or now
            orders.save(tx, replace(current, status="unknown", missed_at=missed_at))


def alert_unknown(ctx: AccountContext, order: Order, *, settled: bool) -> None:
    """Open the alert that names an order of unknown outcome, or close it."""
    now = ctx.clock.now()
    with ctx.db.transaction() as tx:
        if settled:
            alerts.resolve_alert(
                tx,
                kind="order_outcome_unknown",
                scope=ctx.name,
                subject=order.client_order_id,
                now=now,
            )
            return
        alerts.open_alert(
            tx,
            kind="order_outcome_unknown",
            scope=ctx.name,
            subject=order.client_order_id,
            severity="critical",
            message=f"Nobody knows what became of {order.client_order_id}",
            details={"decided_at": order.decided_at, "purpose": order.purpose},
            now=now,
        )


def alert_disagreement(ctx: AccountContext, order: Order, why: str) -> None:
    """Say that the broker holds something else under this order's id."""
    ctx.journal.went_wrong("order_disagrees", order=order.client_order_id, why=why)
    with ctx.db.transaction() as tx:
        alerts.open_alert(
            tx,
            kind="order_disagrees",
            scope=ctx.name,
            subject=order.client_order_id,
            severity="critical",
            message=f"The broker holds another order under this id ({why})",
            details={"why": why},
            now=ctx.clock.now(),
        )
