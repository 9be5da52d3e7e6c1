"""Decides what a broker's report on one order changes in the ledger; saving is the caller's."""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.domain import exits
from ops_pipeline.domain.ledger import OrderView
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.domain.operations.alerts import filled_beyond_limit
from ops_pipeline.domain.orders import Order, Status
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.execution.decisions import costs, order_updates, purchases, sales
from ops_pipeline.execution.decisions.changes import Booking, RecommendationEnd
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport, beyond_limit

_NONE = Decimal(0)


class EvidenceMismatch(ValueError):
    """A report of another kind than the order: nothing of it is booked."""


def grows(order: Order, report: ExecutionReport) -> bool:
    """Whether the report has executions that are not booked yet."""
    return report.found.filled_quantity > order.filled_qty


def book(
    view: OrderView,
    report: ExecutionReport,
    *,
    rules: ExitRules,
    now: datetime,
) -> Booking:
    """Update one order and all that depends on it from a report.

    Booking the same report twice changes nothing the second time; an older report takes
    nothing back.

    Raises:
        EvidenceMismatch: a simulation's report on a broker's order, or the other way round.
    """
    before = view.order
    if before.simulated != report.simulated:
        raise EvidenceMismatch(f"{before.client_order_id} is {before.execution_mode}")
    after, raised = order_updates.updated(before, report.found, now)
    worst = beyond_limit(before, report)
    if worst is not None:
        raised = (*raised, filled_beyond_limit(after, worst))
    booking = Booking(
        order=after,
        reopened=not before.live and after != before,
        fills=report.fills,
        evidence=report.evidence,
        simulated_at=report.first_fill_at() if report.simulated else None,
        recommendation=_recommendation_end(after),
        alerts=raised,
    )
    if after.filled_qty <= before.filled_qty:
        return _partial_taken_back(booking, view)
    if after.side == "buy":
        booking = purchases.grown(booking, view, report, rules)
    else:
        booking = sales.reduced(booking, view, report)
    return _with_costs(booking, before, report)


def _with_costs(booking: Booking, before: Order, report: ExecutionReport) -> Booking:
    """The booking with the fees of what the order filled since."""
    event = booking.event
    position_id = before.position_id if event is None else event.position_id
    day = new_york_day(report.last_fill_at())
    new = costs.estimated(before, booking.order, day=day, position_id=position_id)
    return replace(booking, costs=new)


def book_unfilled(view: OrderView, *, status: Status, reason: str, now: datetime) -> Booking | None:
    """End an order that the broker refused or never had.

    None when it has ended already, or when another run found that the broker holds it: only
    "canceled" ends that.
    """
    before = view.order
    held = before.broker_order_id is not None
    if not before.live or (held and status != "canceled"):
        return None
    after = replace(before, status=status, reserved_notional=_NONE, terminal_at=now)
    end = None
    if after.recommendation_id is not None:
        end = RecommendationEnd(after.recommendation_id, "FAILED", reason)
    booking = Booking(order=after, failure_reason=reason, recommendation=end)
    return _partial_taken_back(booking, view)


def book_vanished(view: OrderView, *, now: datetime) -> Booking:
    """End an order that its broker acknowledged and no longer shows."""
    after = replace(view.order, status="canceled", reserved_notional=_NONE, terminal_at=now)
    booking = Booking(
        order=after,
        failure_reason="The broker no longer knows it",
        recommendation=_recommendation_end(after),
    )
    return _partial_taken_back(booking, view)


def _recommendation_end(order: Order) -> RecommendationEnd | None:
    number = order.recommendation_id
    if order.purpose != "entry" or order.live or number is None:
        return None
    if order.filled_qty > 0:
        return RecommendationEnd(number, "SIMULATED" if order.simulated else "EXECUTED")
    if order.status == "rejected":
        return RecommendationEnd(number, "FAILED", "The broker rejected the order")
    if order.status == "canceled" and order.cancel_requested_at is not None:
        return RecommendationEnd(number, None)
    reason = f"Nothing filled at the limit: order {order.status}"
    return RecommendationEnd(number, "CANCELLED", reason)


def _partial_taken_back(booking: Booking, view: OrderView) -> Booking:
    """Undo a partial exit that sold nothing, so that the rule may apply again."""
    held = view.position
    if not undoes_partial(booking.order) or held is None or held.status != "open":
        return booking
    return replace(booking, position=exits.disarmed(held))


def undoes_partial(order: Order) -> bool:
    """Whether this is a partial exit that has ended without a fill."""
    return order.reason == "partial" and not order.live and order.filled_qty == 0
