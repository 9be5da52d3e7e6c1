"""Books the broker's reports: order, fills, execution, position and recommendation.

One transaction under the account's row lock: load the view, decide, save the changes. The
dispatcher and the position manager may both settle the same report: the result is the same.
"""

from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from ops_pipeline.db import accounts, dispatch, facts, orders, positions
from ops_pipeline.db.costs import order_costs
from ops_pipeline.db.driver.connection import Transaction
from ops_pipeline.db.holdings import corporate_actions, external
from ops_pipeline.db.operations import alerts
from ops_pipeline.domain.accounts import Account
from ops_pipeline.domain.corporate.adjustments import (
    by_announcement,
    decidable,
    due,
    has_restated_terms,
)
from ops_pipeline.domain.exits import Closing, Position
from ops_pipeline.domain.ledger import OrderView
from ops_pipeline.domain.market import minute_of, new_york_day
from ops_pipeline.domain.operations.alerts import ENDED_WITH_THE_POSITION, AlertKey
from ops_pipeline.domain.orders import Order, Status, other_terms
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.reconciliation import AGREED_AFTER
from ops_pipeline.domain.trading_terms import TradeReason
from ops_pipeline.execution import limit_breach, unbooked_facts
from ops_pipeline.execution.decisions import booking as decisions
from ops_pipeline.execution.decisions.changes import Booking, PositionEvent, RecommendationEnd
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport, what_has_a_price
from ops_pipeline.execution.decisions.sales import closing_of
from ops_pipeline.execution.holdings import adjusting

_NONE = Decimal(0)


def settle(
    tx: Transaction,
    client_order_id: str,
    report: ExecutionReport,
    *,
    account: Account,
    rules: ExitRules,
    now: datetime,
    may_be_shown: bool = True,
) -> Order:
    """Update one order and all that depends on it from a report; returns the order.

    A report on an order of other terms than ours is not booked: it is kept, and alerted.

    Args:
        may_be_shown: Whether a position may show its fills already, being taken from the
            broker's list.
    """
    facts.lock_account(tx, account.account_name)
    order = orders.lock(tx, client_order_id)
    why = other_terms(order, report.found)
    if why and not _has_restated_terms(tx, order, report, now):
        unbooked_facts.note_disagreement(tx, order, report.found, why, now)
        return order
    if why:
        unbooked_facts.end_disagreement(tx, order, why, now)
    report = _priced(tx, order, report, now)
    view = _view(tx, order, report if decisions.grows(order, report) else None)
    if not may_be_shown:
        view = replace(view, contained_in=None)
    booking = decisions.book(view, report, rules=rules, now=now)
    _save(tx, booking, account, now)
    return booking.order


def _has_restated_terms(
    tx: Transaction, order: Order, report: ExecutionReport, now: datetime
) -> bool:
    """Whether the broker restated a resting order for a corporate action: it is still ours."""
    if order.position_id is None:
        return False
    first, last = new_york_day(order.decided_at), new_york_day(now)
    known = corporate_actions.of_position(tx, order.position_id)
    announced = corporate_actions.in_force(tx, [order.symbol], first=first, last=last)
    if not has_restated_terms(order, report.found, known, announced):
        return False
    position = positions.lock(tx, order.position_id)
    if report.found.filled_quantity and position is not None and position.status != "closed":
        # What it sold are shares as they are now.
        actions, unclear = decidable(due(announced, position, known, today=last))
        if actions and unclear is None:
            steps = by_announcement(actions, position, now=now, whole=True)
            adjusting.book(tx, steps, tick=minute_of(now), now=now)
        elif unclear is not None:
            why = f"{unclear}: what {order.client_order_id} sold are shares as they are now"
            corporate_actions.hold(tx, order.account_name, position.symbol, why, now=now)
    return True


def _priced(
    tx: Transaction, order: Order, report: ExecutionReport, now: datetime
) -> ExecutionReport:
    """The part of the report that has a price; what has none is kept until it is told one."""
    priced = what_has_a_price(report)
    if priced is not report:
        unbooked_facts.note_unpriced(tx, order, report.found, now)
    elif decisions.grows(order, report):
        unbooked_facts.resolve_report(tx, order, now)
    return priced


def close_unfilled(
    tx: Transaction,
    client_order_id: str,
    *,
    status: Status,
    reason: str,
    account: Account,
    now: datetime,
) -> Status:
    """End an order that the broker refused or never had, and its recommendation with it.

    Returns the order's status afterwards; one that has ended, or that the broker has
    acknowledged, is not refused or not placed any more and stays as it is.
    """
    order = orders.lock(tx, client_order_id)
    booking = decisions.book_unfilled(_view(tx, order), status=status, reason=reason, now=now)
    if booking is None:
        return order.status
    _save(tx, booking, account, now)
    return booking.order.status


def vanish(tx: Transaction, order: Order, *, account: Account, now: datetime) -> None:
    """End an acknowledged order that the broker no longer knows; what had filled stays booked."""
    facts.lock_account(tx, account.account_name)
    booking = decisions.book_vanished(_view(tx, order), now=now)
    _save(tx, booking, account, now)


def close_unproven(
    tx: Transaction, position: Position, reason: TradeReason, *, now: datetime
) -> None:
    """Close a position that no sale of ours closed."""
    closed, closing = closing_of(
        position,
        orders.sales(tx, position.id),
        reason=reason,
        at=now,
        adjustments=corporate_actions.of_position(tx, position.id),
    )
    _save_closing(tx, closed, closing, now)


def close_adjusted(tx: Transaction, position: Position, *, now: datetime) -> None:
    """Close a position that a corporate action has left no share of; its cash is the result."""
    close_unproven(tx, position, "corporate_action", now=now)
    details = {"quantity": _NONE, "evidence": "a corporate action"}
    _save_event(tx, position.account_name, PositionEvent(position.id, "closed", details), now)


def _view(tx: Transaction, order: Order, report: ExecutionReport | None = None) -> OrderView:
    """The order with the rows that the booking may change, locked.

    Args:
        report: One with executions that are not booked yet.
    """
    if report is None:
        partial = order.position_id is not None and order.reason == "partial"
        held = positions.lock(tx, order.position_id) if partial and order.position_id else None
        return OrderView(order=order, position=held)
    if order.side == "buy":
        return _view_of_buy(tx, order, report)
    return _view_of_sale(tx, order, report)


def _view_of_buy(tx: Transaction, order: Order, report: ExecutionReport) -> OrderView:
    adopted = order.purpose == "adopted"
    short = orders.short_of(tx, order.account_name, order.symbol) if adopted else _NONE
    held = positions.find_open(tx, order.account_name, order.symbol)
    strategy = None
    if order.recommendation_id is not None and held is None:
        strategy = dispatch.lock(tx, order.recommendation_id).strategy_type
    view = OrderView(order=order, position=held, strategy=strategy, short=short)
    return replace(view, contained_in=_contained_in(tx, view, report))


def _view_of_sale(tx: Transaction, order: Order, report: ExecutionReport) -> OrderView:
    own = None if order.position_id is None else positions.lock(tx, order.position_id)
    if own is None and _is_of_others(tx, order):
        return OrderView(order=order, sells_of_others=True)
    beside = None
    if own is None or own.status == "closed":
        beside = positions.find_open(tx, order.account_name, order.symbol)
    view = OrderView(order=order, position=own, beside=beside)
    shown = _contained_in(tx, view, report)
    sold = beside or own
    if sold is None:
        return replace(view, contained_in=shown)
    return replace(
        view,
        sales=orders.sales(tx, sold.id),
        adjustments=corporate_actions.of_position(tx, sold.id),
        held_back=sold.symbol in corporate_actions.holds(tx, order.account_name),
        contained_in=shown,
    )


def _is_of_others(tx: Transaction, order: Order) -> bool:
    """Whether a person's sale is of shares that are left alone, or of which rows were lost.

    What a lost ledger held, its comparison with the broker tells.
    """
    before = external.find(tx, order.account_name, order.symbol)
    if before is not None and before.quantity:
        return True
    return accounts.load(tx, order.account_name).ledger_in_doubt


def _contained_in(tx: Transaction, view: OrderView, report: ExecutionReport) -> Position | None:
    """The position that shows what an order filled, as the broker's list had it before.

    A list read a minute after a fill had it; one read sooner where it showed as much.
    """
    order, filled_at = view.order, report.last_fill_at()
    listed = positions.taken_from_list(tx, order, filled_at)
    if listed is None or listed.at < filled_at:
        return None
    grown = report.found.filled_quantity - order.filled_qty
    if listed.at < filled_at + AGREED_AFTER and grown - min(grown, view.short) > listed.quantity:
        return None
    return positions.lock(tx, listed.position_id)


def _save(tx: Transaction, booking: Booking, account: Account, now: datetime) -> None:
    order = booking.order
    orders.save(
        tx,
        order,
        failure_reason=booking.failure_reason,
        reopened_at=now if booking.reopened else None,
    )
    orders.record_fills(tx, order, booking.fills, evidence=booking.evidence, now=now)
    if booking.execution is not None:
        dispatch.save_execution(
            tx,
            order,
            booking.execution,
            mode=order.execution_mode,
            simulated_at=booking.simulated_at,
            now=now,
        )
    _save_position(tx, booking, now)
    order_costs.add(tx, order, booking.costs, now=now)
    _resolve_over(tx, booking, now)
    for event in (booking.event, booking.oversold, booking.covered):
        if event is not None:
            _save_event(tx, order.account_name, event, now)
    if booking.recommendation is not None:
        _save_end(tx, booking.recommendation, now)
    for alert in booking.alerts:
        alerts.open_alert(tx, alert, now=now)
    if booking.may_exceed_limits:
        limit_breach.check(tx, account, now)


def _resolve_over(tx: Transaction, booking: Booking, now: datetime) -> None:
    """Resolve what an order that is there again, or a short that was covered, was told by."""
    account = booking.order.account_name
    over: list[AlertKey] = []
    if booking.reopened:
        over.append(AlertKey("order_vanished", account, booking.order.client_order_id))
    if booking.covers_all:
        over.append(AlertKey("oversold", account, booking.order.symbol))
    for key in over:
        alerts.resolve_alert(tx, key, now=now)


def _save_position(tx: Transaction, booking: Booking, now: datetime) -> None:
    if booking.position is None:
        return
    if booking.closing is not None:
        _save_closing(tx, booking.position, booking.closing, now)
    elif booking.opens:
        version = booking.order.parameter_version
        positions.insert(tx, booking.position, version=version, now=now)
    else:
        positions.save(tx, booking.position, now=now)


def _save_closing(tx: Transaction, closed: Position, closing: Closing, now: datetime) -> None:
    positions.save(tx, closed, now=now, closed_at=closing.at)
    positions.insert_history(tx, closed, closing)
    corporate_actions.end_hold(tx, closed.account_name, closed.symbol, now=now)
    for kind in ENDED_WITH_THE_POSITION:
        alerts.resolve_alert(tx, AlertKey(kind, closed.account_name, closed.symbol), now=now)


def _save_event(tx: Transaction, account: str, event: PositionEvent, now: datetime) -> None:
    positions.add_event(
        tx,
        position_id=event.position_id,
        account=account,
        kind=event.kind,
        details=event.details,
        now=now,
    )


def _save_end(tx: Transaction, end: RecommendationEnd, now: datetime) -> None:
    if end.status is None:
        dispatch.release(tx, end.recommendation_id, now)
    else:
        dispatch.finish(tx, end.recommendation_id, status=end.status, reason=end.reason, now=now)
