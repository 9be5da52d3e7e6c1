"""What an answer of the broker changes, decided without a database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import accumulate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops_pipeline.domain.broker import BrokerFill, BrokerOrder, BrokerStatus
from ops_pipeline.domain.corporate.adjustments import Adjustment
from ops_pipeline.domain.exits import Position
from ops_pipeline.domain.ids import stable_uuid
from ops_pipeline.domain.ledger import OrderView, Sale
from ops_pipeline.domain.operations import alerts
from ops_pipeline.domain.orders import Order, Status
from ops_pipeline.domain.parameters import ExitRules
from ops_pipeline.domain.reconciliation import adopted_position
from ops_pipeline.execution.decisions.booking import (
    EvidenceMismatch,
    book,
    book_unfilled,
    book_vanished,
    grows,
)
from ops_pipeline.execution.decisions.changes import Booking, PositionEvent, RecommendationEnd
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


def test_a_sale_of_more_than_was_held_closes_at_the_price_of_what_was_and_alerts() -> None:
    position = replace(opened(), quantity=Decimal(4), opened_quantity=Decimal(4))
    order = exit_of(position, 6)
    booking = booked(OrderView(order=order, position=position), report(6, "103", order=order))
    assert booking.alerts == (alerts.oversold(position, booking.order, Decimal(2)),)
    assert booking.closing is not None
    assert booking.closing.result.pnl_dollars == 12
    assert booking.event is not None
    assert booking.event.details["quantity"] == 4
    excess = {"order": order.client_order_id, "quantity": Decimal(2), "rule": order.reason}
    assert booking.oversold == PositionEvent(position.id, "oversold", excess)


def test_half_a_share_sold_beyond_what_was_held_is_told_too() -> None:
    position = replace(opened(), quantity=Decimal("3.5"), opened_quantity=Decimal("3.5"))
    order = exit_of(position, 4)
    booking = booked(OrderView(order=order, position=position), report(4, "103", order=order))
    assert booking.oversold is not None
    assert booking.oversold.details["quantity"] == Decimal("0.5")


def test_a_sale_that_the_position_shows_already_is_told_and_counted_once() -> None:
    """The broker's positions told that the shares were gone before its list of orders did."""
    position = opened(10)
    order = exit_of(position, 4)
    view = OrderView(order=order, position=position, contained_in=position)
    booking = booked(view, report(4, order=order))
    assert (booking.position, booking.closing, booking.oversold) == (None, None, None)
    explained = {"order": order.client_order_id, "quantity": Decimal(4)}
    assert booking.event == PositionEvent(position.id, "repaired", explained)
    assert booking.order.filled_qty == 4


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


LATER = NOON + timedelta(minutes=3)


def test_a_position_has_the_terms_of_its_entry_and_the_levels_of_the_rules() -> None:
    entry = replace(ENTRY, ticker="SPX", multiplier=100, instrument_type="CALL", broker="other")
    booking = booked(OrderView(order=entry, strategy="swing_trade"), report(4, "99.50"))
    position = booking.position
    assert position == Position(
        id=stable_uuid("position", "entry-1"),
        execution_id=stable_uuid("execution", "entry-1"),
        account_name="large",
        execution_mode="ALPACA_PAPER",
        broker="other",
        ticker="SPX",
        symbol="AAA",
        instrument_type="CALL",
        strategy_type="swing_trade",
        quantity=Decimal(4),
        opened_quantity=Decimal(4),
        multiplier=100,
        entry_price=Decimal("99.50"),
        entry_time=NOON,
        stop_loss=Decimal("97.51"),
        take_profit=Decimal("102.4850"),
        initial_risk=Decimal("1.99"),
        max_hold_minutes=None,
        peak_price=Decimal("99.50"),
        trough_price=Decimal("99.50"),
        trailing_armed=False,
        lifecycle_state="initial",
        status="open",
        close_reason=None,
        exit_requested=None,
    )
    assert booking.execution == position
    assert booking.event == PositionEvent(
        stable_uuid("position", "entry-1"),
        "opened",
        {"order": "entry-1", "quantity": Decimal(4), "price": Decimal("99.50")},
    )
    assert opened().max_hold_minutes == RULES.day_trade_minutes


def test_a_later_fill_is_added_at_its_own_price_and_the_levels_follow_the_average() -> None:
    """4 at 100 and 10 at 100.60 on average: the 6 that came last cost 101."""
    first = booked(OrderView(order=ENTRY, strategy="day_trade"), report(4))
    view = OrderView(order=first.order, position=first.position, strategy="day_trade")
    second = booked(view, report(10, "100.60"))
    assert second.position is not None
    assert second.position.entry_price == Decimal("100.60")
    assert (second.position.quantity, second.position.opened_quantity) == (Decimal(10), Decimal(10))
    assert second.position.stop_loss == Decimal("98.58")
    assert second.position.take_profit == Decimal("103.6180")
    assert second.position.initial_risk == Decimal("2.02")
    assert not second.opens
    assert second.event == PositionEvent(
        second.position.id,
        "added",
        {"order": "entry-1", "quantity": Decimal(6), "price": Decimal(101)},
    )
    assert second.execution is not None
    assert second.execution.execution_id == stable_uuid("execution", "entry-1")


def test_more_bought_after_a_part_was_sold_averages_all_buys_and_adds_to_what_is_left() -> None:
    """The result of a position is judged by all that was bought for it."""
    held = replace(opened(4), quantity=Decimal(1))
    order = replace(
        ENTRY, filled_qty=Decimal(4), filled_avg_price=Decimal(100), status="partially_filled"
    )
    booking = booked(OrderView(order=order, position=held, strategy="day_trade"), report(8, "102"))
    assert booking.position is not None
    assert (booking.position.quantity, booking.position.opened_quantity) == (Decimal(5), Decimal(8))
    assert booking.position.entry_price == 102


def test_a_stop_that_was_raised_is_not_lowered_by_more_that_is_bought() -> None:
    first = booked(OrderView(order=ENTRY, strategy="day_trade"), report(4))
    assert first.position is not None
    raised = replace(first.position, stop_loss=Decimal(100), lifecycle_state="breakeven")
    view = OrderView(order=first.order, position=raised, strategy="day_trade")
    grown = booked(view, report(10, "101")).position
    assert grown is not None
    assert (grown.stop_loss, grown.take_profit) == (Decimal(100), raised.take_profit)
    assert grown.entry_price == 101


def test_an_order_that_buys_on_after_its_position_closed_opens_another_one() -> None:
    """Its execution is that of the order already."""
    order = replace(
        ENTRY, filled_qty=Decimal("4.0"), filled_avg_price=Decimal(100), status="partially_filled"
    )
    booking = booked(OrderView(order=order, strategy="day_trade"), report(10))
    assert booking.opens
    assert booking.position is not None
    assert booking.position.id == stable_uuid("position", "entry-1", "4")
    assert booking.position.execution_id is None
    assert booking.position.quantity == 6
    assert booking.execution is not None
    assert booking.execution.execution_id == stable_uuid("execution", "entry-1")


def test_somebody_else_s_buy_opens_an_adopted_position_without_an_execution() -> None:
    order = replace(ENTRY, purpose="adopted", recommendation_id=None, broker="other")
    booking = booked(OrderView(order=order), report(10, "99.50", order=order))
    assert booking.execution is None
    assert booking.position == adopted_position(
        "large",
        "AAA",
        execution_mode="ALPACA_PAPER",
        broker="other",
        quantity=Decimal(10),
        price=Decimal("99.50"),
        at=NOON,
        rules=RULES,
    )


def test_an_entry_recovered_from_the_broker_opens_an_adopted_position() -> None:
    """Its recommendation was lost with the database, so it executes none."""
    order = replace(ENTRY, recovered_at=NOON, recommendation_id=None)
    booking = booked(OrderView(order=order), report(10, order=order))
    assert booking.position is not None
    assert booking.position.lifecycle_state == "adopted"
    assert booking.execution is None


def test_an_entry_of_nobody_s_recommendation_is_not_booked() -> None:
    with pytest.raises(ValueError, match=r"^entry entry-1 executes no recommendation$"):
        booked(OrderView(order=ENTRY), report(1))


def test_fills_that_the_position_shows_already_are_told_and_counted_once() -> None:
    """The broker's positions told of the shares before its list of orders did."""
    held = opened(10)
    view = OrderView(order=ENTRY, strategy="day_trade", position=held, contained_in=held)
    booking = booked(view, report(4, "101"))

    assert (booking.position, booking.opens) == (None, False)
    assert booking.order.filled_qty == 4
    assert len(booking.fills) == 4
    assert booking.event == PositionEvent(
        held.id, "repaired", {"order": "entry-1", "quantity": Decimal(-4), "price": Decimal(101)}
    )
    # The execution is booked, at the quantity that is held.
    assert booking.execution == replace(
        held, execution_id=stable_uuid("execution", ENTRY.client_order_id)
    )


def test_a_report_sets_what_the_broker_knows_and_keeps_when_it_was_first_known() -> None:
    missed = replace(ENTRY, missed_at=NOON, multiplier=100)
    after = booked(OrderView(order=missed, strategy="day_trade"), report(4)).order
    assert (after.status, after.broker_order_id) == ("partially_filled", "b-1")
    assert (after.filled_qty, after.filled_avg_price) == (Decimal(4), Decimal(100))
    assert after.reserved_notional == 6 * 100 * 100
    assert (after.acknowledged_at, after.missed_at, after.terminal_at) == (NOON, None, None)
    view = OrderView(order=after, position=opened(4), strategy="day_trade")
    ended = book(view, report(4, status="canceled"), rules=RULES, now=LATER).order
    assert (ended.acknowledged_at, ended.terminal_at) == (NOON, LATER)
    assert ended.reserved_notional == 0
    late = book(replace(view, order=ended), report(5), rules=RULES, now=LATER + timedelta(1)).order
    assert (late.terminal_at, late.filled_qty) == (LATER, Decimal(5))


def test_an_older_report_takes_back_neither_quantity_nor_price() -> None:
    order = replace(
        ENTRY, filled_qty=Decimal(4), filled_avg_price=Decimal(100), status="partially_filled"
    )
    for older in (report(3, "90"), report(4, "90")):
        after = booked(OrderView(order=order, position=opened(4)), older).order
        assert (after.filled_qty, after.filled_avg_price) == (Decimal(4), Decimal(100))


def test_only_an_entry_reserves_money_and_one_without_a_price_none() -> None:
    for order in (
        replace(ENTRY, purpose="adopted", recommendation_id=None),
        replace(ENTRY, price=None),
    ):
        assert booked(OrderView(order=order), report(0, order=order)).order.reserved_notional == 0


def test_what_filled_is_booked_whatever_the_broker_calls_the_order() -> None:
    booking = booked(OrderView(order=ENTRY, strategy="day_trade"), report(4, status="unknown"))
    assert (booking.order.status, booking.order.filled_qty) == ("partially_filled", Decimal(4))
    assert booking.alerts == (alerts.broker_status_unknown(ENTRY, "unknown"),)
    again = booked(
        OrderView(order=booking.order, position=booking.position), report(4, status="unknown")
    )
    assert again.order == booking.order
    assert again.event is None


def test_more_filled_than_was_ordered_is_booked_whole_and_alerts() -> None:
    booking = booked(OrderView(order=ENTRY, strategy="day_trade"), report(11))
    after = booking.order
    assert (after.status, after.filled_qty, after.overfilled_at) == ("filled", Decimal(11), NOON)
    assert after.reserved_notional == 0
    assert booking.position is not None
    assert booking.position.quantity == 11
    assert booking.alerts == (alerts.order_overfilled(after),)
    assert booking.may_exceed_limits
    view = OrderView(order=after, position=booking.position, strategy="day_trade")
    assert book(view, report(12), rules=RULES, now=LATER).order.overfilled_at == NOON
    exactly = booked(OrderView(order=ENTRY, strategy="day_trade"), report(10))
    assert exactly.order.overfilled_at is None
    assert exactly.alerts == ()
    assert not exactly.may_exceed_limits


def test_a_part_that_is_sold_leaves_the_position_open_and_smaller() -> None:
    position = opened()
    order = exit_of(position, 6)
    booking = booked(OrderView(order=order, position=position), report(6, "103", order=order))
    assert booking.position == replace(position, quantity=Decimal(4))
    assert booking.closing is None
    assert booking.event == PositionEvent(
        position.id,
        "reduced",
        {"order": "exit-1", "quantity": Decimal(6), "rule": "take_profit"},
    )


def test_the_last_sale_closes_with_the_result_of_all_orders_that_sold() -> None:
    """4 at 102 by a partial, 6 by this order, of which 2 at 103 were known before."""
    position = replace(opened(), quantity=Decimal(6))
    partial = Sale(
        client_order_id="partial-1",
        filled_qty=Decimal(4),
        filled_avg_price=Decimal(102),
        fills={"p": (Decimal(4), Decimal(102))},
    )
    order = replace(
        exit_of(position, 6),
        filled_qty=Decimal(2),
        filled_avg_price=Decimal(103),
        status="partially_filled",
    )
    known = Sale(
        client_order_id="exit-1",
        filled_qty=Decimal(2),
        filled_avg_price=Decimal(103),
        fills={"x": (Decimal(2), Decimal(103))},
    )
    answer = report(6, "104", order=order)
    answer = replace(answer, fills=[replace(answer.fills[5], fill_id="y", quantity=Decimal(4))])
    view = OrderView(order=replace(order), position=replace(position, quantity=Decimal(4)))
    booking = booked(replace(view, sales=[partial, known]), answer)
    assert booking.position is not None
    assert (booking.position.status, booking.position.quantity) == ("closed", Decimal(0))
    assert booking.position.close_reason == "take_profit"
    closing = booking.closing
    assert closing is not None
    # 4 * 102 + 2 * 103 + 4 * 104 - 10 * 100
    assert closing.result.pnl_dollars == 30
    assert (closing.reason, closing.mode) == ("take_profit", "ALPACA_PAPER")
    assert booking.alerts == ()
    assert closing.at == NOON + timedelta(seconds=5)
    assert booking.event == PositionEvent(
        position.id, "closed", {"order": "exit-1", "quantity": Decimal(4), "rule": "take_profit"}
    )


def test_a_last_sale_whose_fills_are_not_told_yet_is_valued_at_its_average() -> None:
    position = opened()
    order = exit_of(position, 10)
    answer = replace(report(10, "103", order=order), fills=())
    booking = booked(OrderView(order=order, position=position), answer)
    assert booking.closing is not None
    assert booking.closing.result.pnl_dollars == 30


def test_a_sale_that_fills_after_its_position_closed_is_told_and_changes_nothing_of_it() -> None:
    position = replace(opened(), quantity=Decimal(0), status="closed")
    order = exit_of(position, 3)
    booking = booked(OrderView(order=order, position=position), report(3, order=order))
    assert (booking.position, booking.closing, booking.event) == (None, None, None)
    assert booking.oversold is not None
    assert (booking.oversold.position_id, booking.oversold.kind) == (position.id, "oversold")
    assert booking.oversold.details["quantity"] == 3
    assert booking.alerts == (alerts.oversold(position, booking.order, Decimal(3)),)


def test_both_alerts_stand_when_more_was_sold_than_ordered_and_than_held() -> None:
    position = replace(opened(), quantity=Decimal(4))
    order = exit_of(position, 4)
    booking = booked(OrderView(order=order, position=position), report(6, order=order))
    assert [alert.kind for alert in booking.alerts] == ["order_overfilled", "oversold"]
    assert booking.alerts[1] == alerts.oversold(position, booking.order, Decimal(2))
    assert not booking.may_exceed_limits


@pytest.mark.parametrize(
    ("named", "error", "told"),
    [
        (False, ValueError, "^exit exit-1 sells no position$"),
        (True, LookupError, "^no position "),
    ],
)
def test_an_exit_without_its_position_is_not_booked(
    named: bool, error: type[Exception], told: str
) -> None:
    order = exit_of(opened(), 3)
    order = order if named else replace(order, position_id=None)
    with pytest.raises(error, match=told):
        booked(OrderView(order=order), report(3, order=order))


def test_somebody_else_s_sale_of_what_was_never_ours_changes_the_order_alone() -> None:
    sale = replace(ENTRY, purpose="adopted", side="sell", recommendation_id=None)
    booking = booked(OrderView(order=sale), report(3, order=sale))
    assert booking.order.filled_qty == 3
    assert (booking.position, booking.event) == (None, None)
    assert booking.order.shorted_qty == 3
    ours = replace(sale, position_id=opened().id)
    assert grows(ours, report(3, order=ours))


def test_a_report_grows_a_position_by_what_it_does_not_show_yet() -> None:
    shown = replace(ENTRY, filled_qty=Decimal(3))
    assert grows(shown, report(4))
    assert not grows(shown, report(3))
    assert grows(replace(shown, purpose="adopted"), report(4))
    assert grows(replace(shown, side="sell"), report(4))


SIMULATED = replace(ENTRY, execution_mode="SIMULATED")


def test_a_simulation_is_booked_as_one_and_labelled() -> None:
    answer = replace(report(10), simulated=True)
    booking = booked(OrderView(order=SIMULATED, strategy="day_trade"), answer)
    assert (booking.evidence, booking.simulated_at) == ("simulated", NOON)
    assert booking.fills == answer.fills
    assert booking.recommendation == RecommendationEnd(7, "SIMULATED")
    ours = booked(OrderView(order=ENTRY, strategy="day_trade"), report(10))
    assert (ours.evidence, ours.simulated_at) == ("broker", None)
    assert ours.fills == report(10).fills


@pytest.mark.parametrize(
    ("order", "simulated", "told"),
    [(ENTRY, True, "^entry-1 is ALPACA_PAPER$"), (SIMULATED, False, "^entry-1 is SIMULATED$")],
)
def test_a_report_of_another_kind_than_the_order_is_not_booked(
    order: Order, simulated: bool, told: str
) -> None:
    with pytest.raises(EvidenceMismatch, match=told):
        booked(OrderView(order=order), replace(report(1), simulated=simulated))


@pytest.mark.parametrize(
    ("changes", "status", "end"),
    [
        ({}, "rejected", RecommendationEnd(7, "FAILED", "The broker rejected the order")),
        (
            {},
            "expired",
            RecommendationEnd(7, "CANCELLED", "Nothing filled at the limit: order expired"),
        ),
        (
            {},
            "canceled",
            RecommendationEnd(7, "CANCELLED", "Nothing filled at the limit: order canceled"),
        ),
        ({"cancel_requested_at": NOON}, "canceled", RecommendationEnd(7, None)),
        (
            {"cancel_requested_at": NOON},
            "expired",
            RecommendationEnd(7, "CANCELLED", "Nothing filled at the limit: order expired"),
        ),
        ({}, "working", None),
        ({"recommendation_id": None}, "canceled", None),
        ({"purpose": "exit"}, "canceled", None),
    ],
)
def test_what_becomes_of_a_recommendation_whose_order_filled_nothing(
    changes: dict[str, Any], status: BrokerStatus, end: RecommendationEnd | None
) -> None:
    order = replace(ENTRY, **changes)
    assert booked(OrderView(order=order), report(0, status=status)).recommendation == end


def test_a_recommendation_whose_order_filled_a_share_is_executed_whatever_its_end() -> None:
    view = OrderView(order=ENTRY, strategy="day_trade")
    booking = booked(view, report(1, status="canceled"))
    assert booking.recommendation == RecommendationEnd(7, "EXECUTED")


def test_what_was_refused_or_never_had_sets_its_money_free_and_fails() -> None:
    booking = book_unfilled(OrderView(order=ENTRY), status="rejected", reason="no", now=NOON)
    assert booking is not None
    assert booking.order == replace(
        ENTRY, status="rejected", reserved_notional=Decimal(0), terminal_at=NOON
    )
    assert booking.failure_reason == "no"
    assert (booking.reopened, booking.opens, booking.fills) == (False, False, ())
    assert (booking.evidence, booking.event, booking.alerts) == ("broker", None, ())
    assert booking.recommendation == RecommendationEnd(7, "FAILED", "no")
    sale = exit_of(opened(), 4)
    of_a_sale = book_unfilled(OrderView(order=sale), status="rejected", reason="no", now=NOON)
    assert of_a_sale is not None
    assert of_a_sale.recommendation is None


@pytest.mark.parametrize(
    ("broker_id", "status", "ends"),
    [
        (None, "not_placed", True),
        ("b-1", "not_placed", False),
        ("b-1", "rejected", False),
        ("b-1", "canceled", True),
    ],
)
def test_what_another_run_found_at_the_broker_is_ended_only_by_a_cancel(
    broker_id: str | None, status: Status, ends: bool
) -> None:
    live = replace(ENTRY, status="unknown", broker_order_id=broker_id)
    booking = book_unfilled(OrderView(order=live), status=status, reason="", now=NOON)
    assert (booking is not None) is ends


def test_an_order_that_its_broker_no_longer_shows_has_ended() -> None:
    live = replace(ENTRY, status="accepted", broker_order_id="b-1")
    booking = book_vanished(OrderView(order=live), now=NOON)
    assert booking.order == replace(
        live, status="canceled", reserved_notional=Decimal(0), terminal_at=NOON
    )
    assert booking.failure_reason == "The broker no longer knows it"
    assert booking.recommendation == RecommendationEnd(
        7, "CANCELLED", "Nothing filled at the limit: order canceled"
    )


@pytest.mark.parametrize("how", ["told", "unfilled", "vanished"])
@pytest.mark.parametrize(
    ("order_changes", "position_changes", "taken_back"),
    [
        ({}, {}, True),
        ({"reason": "take_profit"}, {}, False),
        ({"filled_qty": Decimal(1), "filled_avg_price": Decimal(102)}, {}, False),
        ({}, {"status": "closing"}, False),
        ({}, {"status": "closed"}, False),
    ],
)
def test_the_partial_rule_applies_again_only_if_its_order_sold_nothing_of_what_is_open(
    how: str, order_changes: dict[str, Any], position_changes: dict[str, Any], taken_back: bool
) -> None:
    position = replace(opened(), trailing_armed=True, lifecycle_state="partial", **position_changes)
    order = replace(exit_of(position, 4), **{"reason": "partial", **order_changes})
    view = OrderView(order=order, position=position)
    booking: Booking | None = book_vanished(view, now=NOON)
    if how == "told":
        booking = booked(view, report(0, status="canceled", order=order))
    if how == "unfilled":
        booking = book_unfilled(view, status="rejected", reason="", now=NOON)
    assert booking is not None
    expected = replace(position, trailing_armed=False, lifecycle_state="breakeven")
    assert booking.position == (expected if taken_back else None)


def test_a_partial_that_may_still_fill_is_not_taken_back() -> None:
    position = replace(opened(), trailing_armed=True, lifecycle_state="partial")
    order = replace(exit_of(position, 4), reason="partial")
    assert (
        booked(OrderView(order=order, position=position), report(0, order=order)).position is None
    )
    ended = replace(order, status="canceled")
    assert (
        booked(OrderView(order=ended), report(0, status="canceled", order=ended)).position is None
    )


def test_a_reopened_sale_takes_no_room_and_one_told_again_is_not_reopened() -> None:
    position = opened()
    gone = replace(exit_of(position, 4), status="not_placed")
    booking = booked(OrderView(order=gone, position=position), report(0, order=gone))
    assert booking.reopened
    assert not booking.may_exceed_limits
    ended = booked(OrderView(order=ENTRY), report(0, status="canceled")).order
    again = booked(OrderView(order=ended), report(0, status="canceled"))
    assert not again.reopened
    assert not again.may_exceed_limits
    live = booked(OrderView(order=ENTRY), report(0))
    assert not live.reopened


BY_HAND = replace(
    ENTRY,
    client_order_id="hand-1",
    purpose="adopted",
    recommendation_id=None,
    covered_qty=Decimal(1),
)


@pytest.mark.parametrize(
    ("short", "bought", "covers_all"), [(3, 2, False), (3, 3, True), (2, 5, True)]
)
def test_a_person_s_purchase_covers_a_short_before_it_opens_anything(
    short: int, bought: int, covers_all: bool
) -> None:
    view = OrderView(order=BY_HAND, short=Decimal(short))
    booking = booked(view, report(bought, "50", order=BY_HAND))
    covering = min(short, bought)
    assert booking.order.filled_qty == bought
    assert booking.order.covered_qty == 1 + covering
    assert booking.covers_all is covers_all
    if bought == covering:
        assert (booking.position, booking.event, booking.opens) == (None, None, False)
    else:
        assert booking.position is not None
        assert booking.position.quantity == bought - covering
        assert booking.position.entry_price == 50
        assert booking.event is not None
        assert booking.event.details == {"order": "hand-1", "quantity": 3, "price": 50}


def test_a_purchase_where_nothing_is_short_covers_nothing() -> None:
    booking = booked(OrderView(order=BY_HAND), report(2, "50", order=BY_HAND))
    assert booking.order.covered_qty == 1
    assert not booking.covers_all
    assert not Booking(order=ENTRY).covers_all


def test_a_fill_beyond_its_limit_is_told_beside_what_else_is() -> None:
    booking = booked(OrderView(order=ENTRY, strategy="day_trade"), report(11, "101"))
    over, beyond = booking.alerts
    assert over == alerts.order_overfilled(booking.order)
    assert beyond == alerts.filled_beyond_limit(booking.order, Decimal(101))


@pytest.mark.parametrize(("restated", "told"), [(20, False), (19, True), (10, True)])
def test_an_order_that_its_broker_restated_is_overfilled_beyond_the_larger_quantity(
    restated: int, told: bool
) -> None:
    answer = report(20)
    answer = replace(answer, found=replace(answer.found, quantity=Decimal(restated)))
    booking = booked(OrderView(order=ENTRY, strategy="day_trade"), answer)
    assert (booking.alerts == (alerts.order_overfilled(booking.order),)) is told
    by_hand = replace(ENTRY, purpose="adopted", recommendation_id=None)
    assert alerts.order_overfilled(ENTRY).kind in {
        it.kind for it in booked(OrderView(order=by_hand), answer).alerts
    }


# An old position, closed, whose stop fills late, and the one that was opened since.
OLD = replace(opened(), quantity=Decimal(0), status="closed")
NEW = replace(opened(5), id=stable_uuid("position", "new"))


def late_sale(filled: int, price: str = "103") -> tuple[Order, ExecutionReport]:
    """A sale of the old position that had sold 2 at 100 before."""
    order = replace(exit_of(OLD, 8), filled_qty=Decimal(2), filled_avg_price=Decimal(100))
    return order, report(filled, price, order=order)


def test_a_late_sale_takes_the_new_position_s_shares_at_the_price_of_its_growth() -> None:
    # 5 at 101.80 on average: the 3 that are new came at 103.
    order, answer = late_sale(5, "101.80")
    view = OrderView(order=order, position=OLD, beside=NEW)
    booking = booked(view, answer)
    details = {"order": "exit-1", "quantity": 3, "rule": "take_profit"}
    assert booking.position == replace(NEW, quantity=Decimal(2))
    assert booking.event == PositionEvent(NEW.id, "reduced", details)
    taken = {"order": "exit-1", "quantity": 3, "price": Decimal(103)}
    assert booking.covered == PositionEvent(NEW.id, "covered", taken)
    # It is told of as sold beyond its own position, and nothing of it is nobody's.
    assert booking.oversold == PositionEvent(OLD.id, "oversold", details)
    assert booking.alerts == ()


def test_a_late_sale_that_takes_all_of_the_new_position_closes_it_with_all_its_sales() -> None:
    order, answer = late_sale(6, "102")  # 4 more at 103
    earlier = Sale(
        client_order_id="exit-0",
        filled_qty=Decimal(1),
        filled_avg_price=Decimal(110),
        fills={},
    )
    held = replace(NEW, quantity=Decimal(4))
    view = OrderView(order=order, position=OLD, beside=held, sales=(earlier,))
    booking = booked(view, answer)
    assert booking.closing is not None
    assert booking.closing.result.pnl_dollars == 10 + 4 * 3
    assert booking.closing.at == NOON + timedelta(seconds=5)
    assert booking.position is not None
    assert (booking.position.id, booking.position.status) == (NEW.id, "closed")
    # Of a position whose shares may be others nothing is proven.
    unproven = booked(replace(view, held_back=True), answer).closing
    assert unproven is not None
    assert unproven.result.pnl_dollars is None


def test_of_a_late_sale_s_shares_only_what_nobody_held_is_a_short_to_tell() -> None:
    order, answer = late_sale(8)
    booking = booked(OrderView(order=order, position=OLD, beside=NEW), answer)
    assert booking.covered is not None
    assert booking.covered.details["quantity"] == 5
    assert booking.alerts[-1] == alerts.oversold(OLD, booking.order, Decimal(1))
    assert booking.oversold is not None
    assert booking.oversold.details["quantity"] == 6


def test_what_the_list_lacked_already_is_explained_by_the_sale_that_turns_up() -> None:
    order, answer = late_sale(5, "101.80")
    view = OrderView(order=order, position=OLD, beside=NEW, contained_in=NEW)
    booking = booked(view, answer)
    explained = {"order": "exit-1", "quantity": 3}
    assert booking.event == PositionEvent(NEW.id, "repaired", explained)
    assert booking.covered == PositionEvent(NEW.id, "covered", {**explained, "price": Decimal(103)})
    assert (booking.position, booking.closing, booking.alerts) == (None, None, ())
    assert booking.oversold is not None
    # By its own position's list it changes nothing else.
    own = replace(view, position=replace(NEW), beside=None, contained_in=NEW)
    assert booked(own, answer).event == PositionEvent(NEW.id, "repaired", explained)
    assert (booked(own, answer).covered, booked(own, answer).oversold) == (None, None)


def test_a_sale_while_another_position_shows_it_takes_nothing_of_its_own() -> None:
    own = replace(opened(9), id=stable_uuid("position", "own"))
    order = exit_of(own, 3)
    view = OrderView(order=order, position=own, contained_in=NEW)
    booking = booked(view, report(3, order=order))
    assert booking.position is None
    assert booking.covered is not None


def test_a_person_s_sale_that_a_position_shows_already_is_explained_and_is_no_short_of_it() -> None:
    sale = replace(ENTRY, purpose="adopted", side="sell", recommendation_id=None)
    booking = booked(OrderView(order=sale, contained_in=NEW), report(3, order=sale))
    assert booking.event == PositionEvent(NEW.id, "repaired", {"order": "entry-1", "quantity": 3})
    assert booking.order.shorted_qty == 3
    assert booking.oversold is None


def test_a_person_s_sale_of_what_is_none_of_ours_leaves_no_short_of_ours() -> None:
    sale = replace(ENTRY, purpose="adopted", side="sell", recommendation_id=None)
    booking = booked(OrderView(order=sale, sells_of_others=True), report(3, order=sale))
    assert booking.order.filled_qty == 3
    assert booking.order.shorted_qty == 0


def test_a_sale_of_nothing_more_than_its_position_has_no_excess() -> None:
    position = opened()
    order = exit_of(position, 10)
    booking = booked(OrderView(order=order, position=position), report(10, order=order))
    assert (booking.covered, booking.oversold, booking.alerts) == (None, None, ())


@pytest.mark.parametrize(
    ("cash", "pnl"), [(Decimal("1.50"), Decimal("31.50")), (Decimal(0), 30), (None, None)]
)
def test_what_an_adjustment_paid_is_part_of_the_result_and_while_untold_nothing_is(
    cash: Decimal | None, pnl: Decimal | int | None
) -> None:
    position = opened()
    order = exit_of(position, 10)
    paid = Adjustment(
        id=stable_uuid("adjustment", "1"), position_id=position.id, account_name="large",
        kind="spin_off", action_id="a1", activity_id=None, symbol="AAA", new_symbol=None,
        old_rate=Decimal(1), new_rate=Decimal(1), quantity_before=Decimal(10),
        quantity_after=Decimal(10), opened_before=Decimal(10), opened_after=Decimal(10),
        fraction=Decimal(0), cash=cash, effective_on=NOON.date(), applied_at=NOON,
    )  # fmt: skip
    view = OrderView(order=order, position=position, adjustments=(paid,))
    closing = booked(view, report(10, "103", order=order)).closing
    assert closing is not None
    assert closing.result.pnl_dollars == pnl


def test_shares_that_went_elsewhere_count_as_sold() -> None:
    position = replace(opened(), quantity=Decimal(9))
    order = exit_of(position, 9)
    fraction = Adjustment(
        id=stable_uuid("adjustment", "2"), position_id=position.id, account_name="large",
        kind="reverse_split", action_id="a2", activity_id=None, symbol="AAA", new_symbol=None,
        old_rate=Decimal(1), new_rate=Decimal(1), quantity_before=Decimal(10),
        quantity_after=Decimal(9), opened_before=Decimal(10), opened_after=Decimal(10),
        fraction=Decimal(1), cash=Decimal(100), effective_on=NOON.date(), applied_at=NOON,
    )  # fmt: skip
    view = OrderView(order=order, position=position, adjustments=(fraction,))
    closing = booked(view, report(9, "103", order=order)).closing
    assert closing is not None
    assert closing.result.pnl_dollars == 27


def _fees(booking: Booking) -> dict[str, tuple[object, object, Decimal | None]]:
    return {it.fee: (it.day, it.position_id, it.estimated) for it in booking.costs}


def test_new_fills_accrue_fees_of_their_trade_date_on_the_position_they_change() -> None:
    """10 shares at $103 on a day of which FINRA alone charges sales."""
    bought = booked(OrderView(order=ENTRY, strategy="day_trade"), report(10))
    assert bought.position is not None
    position, today = bought.position, date(2026, 2, 4)
    assert _fees(bought) == {"CAT": (today, position.id, Decimal(0))}
    order = exit_of(position, 10)
    sold = booked(OrderView(order=order, position=position), report(10, "103", order=order))
    assert _fees(sold) == {
        "SEC": (today, position.id, Decimal(0)),
        "TAF": (today, position.id, Decimal("0.00195")),
        "CAT": (today, position.id, Decimal(0)),
    }
    half = booked(
        OrderView(order=replace(order, filled_qty=Decimal(4), filled_avg_price=Decimal(103))),
        report(4, "103", order=order),
    )
    assert half.costs == ()


def test_fees_are_of_the_day_in_new_york_on_which_the_last_fill_was() -> None:
    """Ten seconds before midnight there is a day later in UTC."""
    late = datetime(2026, 2, 5, 4, 59, 50, tzinfo=UTC)
    answer = report(2)
    fills = [replace(it, executed_at=late) for it in answer.fills]
    found = booked(OrderView(order=ENTRY, strategy="day_trade"), replace(answer, fills=fills))
    assert {it.day for it in found.costs} == {date(2026, 2, 4)}


def test_a_sale_of_nobody_s_shares_accrues_fees_of_no_position() -> None:
    order = replace(exit_of(opened(), 3), purpose="adopted", position_id=None)
    found = booked(OrderView(order=order, sells_of_others=True), report(3, order=order))
    assert {it.position_id for it in found.costs} == {None}
    assert [it.fee for it in found.costs] == ["SEC", "TAF", "CAT"]


def test_a_late_sale_that_changes_no_position_accrues_fees_of_its_own() -> None:
    position = replace(opened(), status="closed", quantity=Decimal(0))
    order = exit_of(position, 3)
    found = booked(OrderView(order=order, position=position), report(3, order=order))
    assert found.event is None
    assert {it.position_id for it in found.costs} == {position.id}
