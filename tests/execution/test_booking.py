"""What an answer of the broker changes, decided without a database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerStatus
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ledger import OrderView, Sale
from ops_pipeline.domain.orders import Order
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.execution.decisions.booking import book, book_unfilled
from ops_pipeline.execution.decisions.changes import Booking
from ops_pipeline.execution.decisions.execution_reports import ExecutionReport
from ops_pipeline.execution.decisions.sales import closing_of

NOON = datetime(2026, 2, 4, 17, tzinfo=UTC)
RULES = ExitRules()
ENTRY = Order(
    client_order_id="entry-1", account_name="large", execution_mode="ALPACA_PAPER",
    broker="alpaca", purpose="entry", recommendation_id=7,
    position_id=None, attempt=1, ticker="AAA", symbol="AAA", instrument_type="STOCK",
    multiplier=1, side="buy", quantity=Decimal(10), order_type="limit", price=Decimal(100),
    reserved_notional=Decimal(1000), reason="signal", decided_at=NOON, tick=NOON,
    parameter_version=1,
)  # fmt: skip


def report(
    filled: int, price: str = "100", *, status: BrokerStatus = "working", order: Order = ENTRY
) -> ExecutionReport:
    """The broker's answer: so much filled at this average, by one fill a unit."""
    found = BrokerOrder(
        broker_order_id="b-1",
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        order_type=order.order_type,
        quantity=order.quantity,
        filled_quantity=Decimal(filled),
        filled_average_price=Decimal(price) if filled else None,
        status=status,
        raw_status=status,
        submitted_at=NOON,
        updated_at=NOON,
    )
    fills = [
        BrokerFill(
            fill_id=f"{order.client_order_id}-{number}",
            broker_order_id="b-1",
            symbol=order.symbol,
            side=order.side,
            quantity=Decimal(1),
            price=Decimal(price),
            executed_at=NOON + timedelta(seconds=number),
        )
        for number in range(filled)
    ]
    return ExecutionReport(found=found, fills=fills)


def booked(view: OrderView, answer: ExecutionReport) -> Booking:
    return book(view, answer, rules=RULES, now=NOON)


def opened(quantity: int = 10) -> Position:
    """The position that the entry opens when so much of it fills."""
    position = booked(OrderView(order=ENTRY, strategy="day_trade"), report(quantity)).position
    assert position is not None
    return position


def exit_of(position: Position, quantity: int) -> Order:
    return replace(
        ENTRY,
        client_order_id="exit-1",
        purpose="exit",
        side="sell",
        recommendation_id=None,
        position_id=position.id,
        quantity=Decimal(quantity),
        reserved_notional=Decimal(0),
        reason="take_profit",
    )


def test_an_entry_s_fills_open_a_position_and_end_its_recommendation() -> None:
    booking = booked(OrderView(order=ENTRY, strategy="day_trade"), report(10))
    assert booking.opens
    assert booking.position is not None
    assert booking.position.quantity == 10
    assert booking.position.entry_price == 100
    assert booking.position.entry_time == NOON
    assert booking.recommendation is not None
    assert booking.recommendation.status == "EXECUTED"
    assert booking.order.reserved_notional == 0


def test_what_is_still_to_fill_stays_reserved_while_the_order_lives() -> None:
    booking = booked(OrderView(order=ENTRY, strategy="day_trade"), report(4))
    assert booking.order.status == "partially_filled"
    assert booking.order.reserved_notional == 600
    assert booking.recommendation is None


@given(st.permutations(range(11)))
def test_answers_in_any_order_leave_what_the_newest_leaves(filled: list[int]) -> None:
    """Each of the broker's answers may come late, or again: quantity is never taken back."""
    view = OrderView(order=ENTRY, strategy="day_trade")
    for seen in [*filled, *filled]:
        booking = booked(view, report(seen, status="filled" if seen == 10 else "working"))
        position = booking.position or view.position
        view = replace(view, order=booking.order, position=position)
    assert view.order.status == "filled"
    assert view.order.filled_qty == 10
    assert view.position is not None
    assert view.position.quantity == 10
    assert view.position.entry_price == 100


@given(st.lists(st.integers(1, 4), min_size=1, max_size=10))
def test_a_position_s_sales_close_it_once_with_the_profit_of_its_fills(parts: list[int]) -> None:
    held = Decimal(sum(parts))
    position = replace(opened(), quantity=held, opened_quantity=held)
    order, closings = exit_of(position, sum(parts)), 0
    recorded: dict[str, tuple[Decimal, Decimal]] = {}
    for sold in accumulate(parts):
        answer = report(sold, "103", order=order)
        sale = Sale(
            client_order_id=order.client_order_id,
            filled_qty=order.filled_qty,
            filled_avg_price=order.filled_avg_price,
            fills=recorded,
        )
        booking = booked(OrderView(order=order, position=position, sales=[sale]), answer)
        assert booking.position is not None
        closings += booking.closing is not None
        order, position = booking.order, booking.position
        recorded = {fill.fill_id: (fill.quantity, fill.price) for fill in answer.fills}
    assert closings == 1
    assert booking.closing is not None
    assert booking.closing.result.pnl_dollars == 3 * sum(parts)
    assert position.status == "closed"
    assert position.quantity == 0


def test_a_sale_of_more_than_was_held_closes_without_a_price_and_alerts() -> None:
    position = replace(opened(), quantity=Decimal(4))
    order = exit_of(position, 6)
    booking = booked(OrderView(order=order, position=position), report(6, order=order))
    assert [alert.kind for alert in booking.alerts] == ["oversold"]
    assert booking.closing is not None
    assert booking.closing.result.pnl_dollars is None


def test_a_status_that_nobody_knows_changes_nothing_and_alerts() -> None:
    live = replace(ENTRY, status="accepted", broker_order_id="b-1")
    booking = booked(OrderView(order=live), report(0, status="unknown"))
    assert booking.order == live
    assert [alert.kind for alert in booking.alerts] == ["broker_status_unknown"]
    assert not booking.reopened


def test_a_buy_that_was_given_up_and_turns_up_is_reopened_and_its_limits_looked_at() -> None:
    given_up = book_unfilled(OrderView(order=ENTRY), status="not_placed", reason="gone", now=NOON)
    assert given_up is not None
    assert given_up.recommendation is not None
    assert given_up.recommendation.status == "FAILED"
    booking = booked(OrderView(order=given_up.order), report(0))
    assert booking.reopened
    assert booking.may_exceed_limits
    assert booking.order.reserved_notional == 1000


def test_what_has_ended_is_not_ended_again() -> None:
    ended = replace(ENTRY, status="filled")
    assert book_unfilled(OrderView(order=ended), status="rejected", reason="", now=NOON) is None


def test_a_partial_exit_without_a_fill_may_apply_again() -> None:
    position = replace(opened(), trailing_armed=True, lifecycle_state="partial")
    order = replace(exit_of(position, 4), reason="partial")
    booking = booked(
        OrderView(order=order, position=position), report(0, status="canceled", order=order)
    )
    assert booking.position is not None
    assert not booking.position.trailing_armed
    assert booking.closing is None


@pytest.mark.parametrize("recorded", [0, 1, 2])
def test_a_sale_is_valued_by_its_fills_only_when_all_are_recorded(recorded: int) -> None:
    fills = {str(number): (Decimal(1), Decimal(101)) for number in range(recorded)}
    sale = Sale(
        client_order_id="exit-1",
        filled_qty=Decimal(2),
        filled_avg_price=Decimal("101.5"),
        fills=fills,
    )
    assert sale.value == (202 if recorded == 2 else 203)


def test_a_position_that_no_sale_explains_closes_without_a_price() -> None:
    closed, closing = closing_of(opened(), [], reason="missing_at_broker", at=NOON)
    assert closed.status == "closed"
    assert (closing.result.exit_price, closing.result.pnl_dollars) == (None, None)
