"""Decides what a broker's report on one order changes in the ledger; saving is the caller's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from ops_pipeline.domain import exits
from ops_pipeline.domain.broker import BrokerFill, BrokerOrder
from ops_pipeline.domain.exits import Closing, Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.ledger import OrderView, Sale
from ops_pipeline.domain.operations import alerts
from ops_pipeline.domain.operations.alerts import Alert
from ops_pipeline.domain.orders import LIVE, Order, Status, status_after, status_of
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.recommendations import FinalStatus
from ops_pipeline.domain.reconciliation import adopted_position
from ops_pipeline.domain.trading_terms import Evidence, PositionEventKind, TradeReason

_NONE = Decimal(0)


class EvidenceMismatch(ValueError):
    """A report of another kind than the order: nothing of it is booked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionReport:
    """The state of one order by its broker or a simulation, with its executions."""

    found: BrokerOrder
    fills: Sequence[BrokerFill] = ()
    simulated: bool = False

    @property
    def evidence(self) -> Evidence:
        return "simulated" if self.simulated else "broker"

    def first_fill_at(self) -> datetime:
        return min((fill.executed_at for fill in self.fills), default=self.found.updated_at)

    def last_fill_at(self) -> datetime:
        return max((fill.executed_at for fill in self.fills), default=self.found.updated_at)


def report_of(found: BrokerOrder, fills: Sequence[BrokerFill]) -> ExecutionReport:
    """The broker's view of an order with all its fills, which may know more than the order does."""
    own = [fill for fill in fills if (fill.symbol, fill.side) == (found.symbol, found.side)]
    filled = sum((fill.quantity for fill in own), _NONE)
    priced = found.filled_average_price is not None
    if filled > found.filled_quantity or (own and not priced and filled == found.filled_quantity):
        value = sum((fill.quantity * fill.price for fill in own), _NONE)
        found = replace(found, filled_quantity=filled, filled_average_price=value / filled)
    return ExecutionReport(found=found, fills=own)


def what_has_a_price(report: ExecutionReport) -> ExecutionReport:
    """The report, without what it calls filled at no price: that waits for its fills.

    Until then the order counts as one that may still fill, so that it is asked for again.
    """
    found = report.found
    if found.filled_quantity <= 0 or found.filled_average_price is not None:
        return report
    filled = sum((fill.quantity for fill in report.fills), _NONE)
    value = sum((fill.quantity * fill.price for fill in report.fills), _NONE)
    average = value / filled if filled else None
    told = replace(found, status="working", filled_quantity=filled, filled_average_price=average)
    return replace(report, found=told)


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """One row of a position's events."""

    position_id: UUID
    kind: PositionEventKind
    details: dict[str, object]


@dataclass(frozen=True, slots=True)
class RecommendationEnd:
    """How an order's end settles its recommendation.

    Attributes:
        status: None returns it to the next run, which prices it again or lets it expire.
    """

    recommendation_id: int
    status: FinalStatus | None
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Booking:
    """The changes that follow from one report, saved in one transaction.

    Attributes:
        order: With its new status and quantities.
        reopened: It had been ended here although the broker holds it.
        position: The changed position, a new one if `opens`; None if none changes.
        execution: The position at the id of the entry's execution, to be stored with it.
        closing: How `position` ended; None while it is held.
    """

    order: Order
    failure_reason: str | None = None
    reopened: bool = False
    fills: Sequence[BrokerFill] = ()
    evidence: Evidence = "broker"
    simulated_at: datetime | None = None
    position: Position | None = None
    opens: bool = False
    execution: Position | None = None
    closing: Closing | None = None
    event: PositionEvent | None = None
    recommendation: RecommendationEnd | None = None
    alerts: tuple[Alert, ...] = ()

    @property
    def may_exceed_limits(self) -> bool:
        """A buy that was reopened or overfilled took more room than it has reserved."""
        order = self.order
        return order.side == "buy" and (self.reopened or order.filled_qty > order.quantity)


def grows(order: Order, report: ExecutionReport) -> bool:
    """Whether the report has executions that the position does not show yet."""
    return report.found.filled_quantity > order.filled_qty and not _sells_nothing_of_ours(order)


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
    after, raised = _after(before, report.found, now)
    booking = Booking(
        order=after,
        reopened=not before.live and after != before,
        fills=report.fills,
        evidence=report.evidence,
        simulated_at=report.first_fill_at() if report.simulated else None,
        recommendation=_recommendation_end(after),
        alerts=raised,
    )
    if after.filled_qty > before.filled_qty and not _sells_nothing_of_ours(after):
        if after.side == "buy":
            return _grown(booking, view, report, rules)
        return _reduced(booking, view, report)
    return _partial_taken_back(booking, view)


def book_unfilled(view: OrderView, *, status: Status, reason: str, now: datetime) -> Booking | None:
    """End an order that the broker refused or never had; None when it has ended already."""
    before = view.order
    if not before.live:
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


def closing_of(
    position: Position,
    sales: Sequence[Sale],
    *,
    reason: TradeReason,
    at: datetime,
) -> tuple[Position, Closing]:
    """The closed position and its history; no price if its sales do not add up."""
    quantity = sum((sale.filled_qty for sale in sales), _NONE)
    value = sum((sale.value for sale in sales), _NONE)
    result = exits.result(position, quantity, value)
    closed = replace(exits.closing(position, reason), quantity=_NONE, status="closed")
    return closed, Closing(reason=reason, at=at, mode=position.execution_mode, result=result)


def _sells_nothing_of_ours(order: Order) -> bool:
    """Whether this is an external sale of something never held here."""
    return order.purpose == "adopted" and order.side == "sell" and order.position_id is None


def _after(before: Order, found: BrokerOrder, now: datetime) -> tuple[Order, tuple[Alert, ...]]:
    """The order after a report; what filled is booked whatever the broker's word for it is."""
    status, raised = status_of(found), []
    if status is None:
        raised.append(alerts.broker_status_unknown(before, found.raw_status))
        if found.filled_quantity <= before.filled_qty:
            return before, tuple(raised)
    after = _updated(before, found, status or "partially_filled", now)
    if after.filled_qty > after.quantity:
        raised.append(alerts.order_overfilled(after))
    return after, tuple(raised)


def _updated(before: Order, found: BrokerOrder, reported: Status, now: datetime) -> Order:
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


def _grown(booking: Booking, view: OrderView, report: ExecutionReport, rules: ExitRules) -> Booking:
    """Book a buy's new fills: execution and position."""
    before, after, held = view.order, booking.order, view.position
    bought = after.filled_qty - before.filled_qty
    value = _value(after) - _value(before)
    if held is None:
        position = _opened(view, report, bought=bought, value=value, rules=rules)
    else:
        position = _added(held, bought, value, rules)
    execution = None
    if after.purpose == "entry":
        execution = replace(position, execution_id=stable_uuid("execution", after.client_order_id))
    details = {"order": after.client_order_id, "quantity": bought, "price": value / bought}
    return replace(
        booking,
        position=position,
        opens=held is None,
        execution=execution,
        event=PositionEvent(position.id, "opened" if held is None else "added", details),
    )


def _opened(
    view: OrderView,
    report: ExecutionReport,
    *,
    bought: Decimal,
    value: Decimal,
    rules: ExitRules,
) -> Position:
    """The position opened by the new fills; the view shows the order before them."""
    order, price = view.order, value / bought
    if order.purpose == "adopted":
        return adopted_position(
            order.account_name,
            order.symbol,
            execution_mode=order.execution_mode,
            broker=order.broker,
            quantity=bought,
            price=price,
            at=report.first_fill_at(),
            rules=rules,
        )
    if view.strategy is None:
        raise ValueError(f"entry {order.client_order_id} executes no recommendation")
    stop = exits.first_stop(price, rules)
    # An order that goes on buying after its first position was closed opens another.
    first = order.filled_qty == 0
    parts = () if first else (str(order.filled_qty.normalize()),)
    return Position(
        id=stable_uuid("position", order.client_order_id, *parts),
        execution_id=stable_uuid("execution", order.client_order_id) if first else None,
        account_name=order.account_name,
        execution_mode=order.execution_mode,
        broker=order.broker,
        ticker=order.ticker,
        symbol=order.symbol,
        instrument_type=order.instrument_type,
        strategy_type=view.strategy,
        quantity=bought,
        opened_quantity=bought,
        multiplier=order.multiplier,
        entry_price=price,
        entry_time=report.first_fill_at(),
        stop_loss=stop,
        take_profit=exits.first_target(price, rules),
        initial_risk=price - stop,
        max_hold_minutes=rules.day_trade_minutes if view.strategy == "day_trade" else None,
        peak_price=price,
        trough_price=price,
        trailing_armed=False,
        lifecycle_state="initial",
        status="open",
        close_reason=None,
        exit_requested=None,
    )


def _added(held: Position, bought: Decimal, value: Decimal, rules: ExitRules) -> Position:
    """The position with more bought; its entry price is the average of all buys."""
    opened = held.opened_quantity + bought
    price = (held.entry_price * held.opened_quantity + value) / opened
    grown = replace(
        held, quantity=held.quantity + bought, opened_quantity=opened, entry_price=price
    )
    if held.lifecycle_state != "initial":
        return grown
    stop = exits.first_stop(price, rules)
    target = exits.first_target(price, rules)
    return replace(grown, stop_loss=stop, take_profit=target, initial_risk=price - stop)


def _reduced(booking: Booking, view: OrderView, report: ExecutionReport) -> Booking:
    """Book a sale's new fills; the last one closes the position with its history."""
    after, held = booking.order, view.position
    if after.position_id is None:
        raise ValueError(f"exit {after.client_order_id} sells no position")
    if held is None:
        raise LookupError(f"no position {after.position_id}")
    sold = after.filled_qty - view.order.filled_qty
    left = held.quantity - sold
    details = {"order": after.client_order_id, "quantity": sold, "rule": after.reason}
    if left < 0:
        excess = alerts.oversold(held, after, -left)
        booking = replace(booking, alerts=(*booking.alerts, excess))
    if held.status == "closed":
        return replace(booking, event=PositionEvent(held.id, "oversold", details))
    if left > 0:
        position = replace(held, quantity=left)
        return replace(booking, position=position, event=PositionEvent(held.id, "reduced", details))
    position, closing = closing_of(
        held,
        _sales_with(view.sales, after, report.fills),
        reason=after.reason,
        at=report.last_fill_at(),
    )
    return replace(
        booking,
        position=position,
        closing=closing,
        event=PositionEvent(held.id, "closed", details),
    )


def _sales_with(
    sales: Sequence[Sale], order: Order, fills: Sequence[BrokerFill]
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
    )
    return (*others, now)


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


def _value(order: Order) -> Decimal:
    return order.filled_qty * (order.filled_avg_price or _NONE)
