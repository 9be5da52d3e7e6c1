"""Books a buy's new fills: the position that they open, or add to."""

from dataclasses import replace
from decimal import Decimal

from ops_pipeline.domain import exits
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.ledger import OrderView
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.reconciliation import adopted_position
from ops_pipeline.execution.decisions.changes import Booking, PositionEvent
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport

_NONE = Decimal(0)


def grown(booking: Booking, view: OrderView, report: ExecutionReport, rules: ExitRules) -> Booking:
    """Book a buy's new fills: execution and position.

    What covers a short, as only a person buys, is held by nobody: no position has it.
    """
    before, held = view.order, view.position
    bought = booking.order.filled_qty - before.filled_qty
    value = _value(booking.order) - _value(before)
    if covering := min(bought, view.short):
        covered = replace(booking.order, covered_qty=before.covered_qty + covering)
        booking = replace(booking, order=covered, covers_all=covering == view.short)
        value -= value * covering / bought
        bought -= covering
    after = booking.order
    if bought == 0:
        return booking
    details = {"order": after.client_order_id, "quantity": bought, "price": value / bought}
    if shown := view.contained_in:
        taken_back = PositionEvent(shown.id, "repaired", {**details, "quantity": -bought})
        return replace(booking, execution=_execution(after, shown), event=taken_back)
    if held is None:
        position = _opened(view, report, bought=bought, value=value, rules=rules)
        event = PositionEvent(position.id, "opened", details)
    else:
        position = _added(held, bought, value, rules)
        event = PositionEvent(position.id, "added", details)
    return replace(
        booking,
        position=position,
        opens=held is None,
        execution=_execution(after, position),
        event=event,
    )


def _execution(order: Order, position: Position) -> Position | None:
    """The position at the id of the entry's execution; None where nothing recommended it."""
    if order.purpose != "entry" or order.recommendation_id is None:
        return None
    return replace(position, execution_id=stable_uuid("execution", order.client_order_id))


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
    if order.purpose == "adopted" or order.recovered_at is not None:
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


def _value(order: Order) -> Decimal:
    return order.filled_qty * (order.filled_avg_price or _NONE)
