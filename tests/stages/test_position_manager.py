"""Guarding what is held: a stop at the broker, and one authority that sells."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.market import Quotes, new_york_time
from ops_pipeline.errors import BrokerRejected, BrokerUnavailable, StageFailed
from ops_pipeline.execution import order_sync
from tests.support.builders_trading import DAY, TradingBench
from tests.support.fakes import FakeMarketData, FixedCalendar, regular_session


def names(bench: TradingBench, purpose: str) -> list[tuple[str, Decimal, str]]:
    return [(o["status"], o["quantity"], o["reason"]) for o in bench.orders(purpose)]


def events(bench: TradingBench) -> list[str]:
    found = bench.rows("SELECT kind FROM position_events ORDER BY seq")
    return [row["kind"] for row in found]


def working(bench: TradingBench) -> list[str]:
    """The client_order_ids of sales that may still fill at the broker."""
    return [
        order.client_order_id
        for order in bench.broker.orders.values()
        if order.side == "sell" and order.status == "working"
    ]


def test_a_stop_rests_at_the_broker_from_the_first_tick(held: TradingBench) -> None:
    stop = held.order("stop")
    assert (stop["order_type"], stop["price"], stop["quantity"]) == ("stop", Decimal("98.00"), 19)
    assert stop["status"] == "accepted"
    assert stop["reserved_notional"] == 0
    held.next_minute()
    assert held.guard().stops_placed == 0
    assert len(held.orders("stop")) == 1


def test_each_mark_is_kept_with_its_extremes(held: TradingBench) -> None:
    held.next_minute(AAA=("100.40", "100.60"))
    held.guard()
    held.next_minute(AAA=("99.40", "99.60"))
    held.guard()
    position = held.position()
    assert (position["peak_price"], position["trough_price"]) == (
        Decimal("100.50"),
        Decimal("99.50"),
    )
    assert position["current_pnl_dollars"] == Decimal("-9.50")
    assert len(held.rows("SELECT 1 FROM position_telemetry")) == 3


def test_breakeven_moves_the_stop_by_cancel_and_a_new_intent(held: TradingBench) -> None:
    held.next_minute(AAA=("100.98", "101.02"))
    outcome = held.guard()

    assert (outcome.cancels_asked, outcome.stops_placed) == (1, 1)
    assert [(o["status"], o["price"], o["attempt"]) for o in held.orders("stop")] == [
        ("canceled", Decimal("98.00"), 1),
        ("accepted", Decimal("100.00"), 2),
    ]
    assert held.position()["lifecycle_state"] == "breakeven"

    held.next_minute()
    held.guard()
    assert events(held) == ["opened", "breakeven"]


def test_breakeven_happens_once_also_when_the_entry_price_lies_between_two_cents(
    bench: TradingBench,
) -> None:
    bench.broker.at_once["AAA"] = ("99.99", "9")
    bench.recommend()
    bench.dispatch()
    bench.broker.fill(str(bench.order()["client_order_id"]), "100.00")
    for _ in range(3):
        bench.next_minute(AAA=("101.20", "101.24"))
        bench.guard()
    assert events(bench).count("breakeven") == 1
    assert bench.position()["stop_loss"] == Decimal("99.99")


def test_a_partial_exit_sells_forty_percent_once_and_arms_the_trailing_stop(
    held: TradingBench,
) -> None:
    held.next_minute(AAA=("102.00", "102.10"))
    held.broker.at_once["AAA"] = ("102.00", None)
    held.guard()
    assert names(held, "exit") == [("filled", Decimal(7), "partial")]
    position = held.position()
    assert (position["quantity"], position["trailing_armed"]) == (12, True)

    held.next_minute()
    held.guard()
    assert len(held.orders("exit")) == 1
    assert held.orders("stop")[-1]["quantity"] == 12

    # Peak 102.05: the stop trails at 100 + 75 % of 2.05.
    held.next_minute(AAA=("101.54", "101.56"))
    held.guard()
    assert len(held.orders("exit")) == 1
    held.next_minute(AAA=("101.51", "101.55"))
    held.broker.at_once["AAA"] = ("101.51", None)
    held.guard()
    assert names(held, "exit")[-1] == ("filled", Decimal(12), "trailing_stop")
    assert held.position()["status"] == "closed"
    (history,) = held.rows("SELECT quantity, pnl_dollars, exit_reason FROM position_history")
    assert history == {
        "quantity": 19,
        "pnl_dollars": 7 * Decimal("2.00") + 12 * Decimal("1.51"),
        "exit_reason": "trailing_stop",
    }


def test_take_profit_sells_everything_at_a_limit_under_the_bid(held: TradingBench) -> None:
    held.next_minute(AAA=("103.00", "103.10"))
    assert held.guard().exits_sent == 1
    order = held.order("exit")
    assert (order["reason"], order["quantity"], order["price"]) == (
        "take_profit",
        19,
        Decimal("102.79"),
    )
    assert held.position()["status"] == "closing"
    assert held.order("stop")["status"] == "canceled"


def test_the_stop_loss_sells_when_the_resting_stop_has_not(held: TradingBench) -> None:
    held.next_minute(AAA=("97.90", "97.96"))
    held.guard()
    assert held.order("exit")["reason"] == "stop_loss"
    assert working(held) == [held.order("exit")["client_order_id"]]


def test_a_stop_that_filled_at_the_broker_closes_the_position(held: TradingBench) -> None:
    held.broker.fill(str(held.order("stop")["client_order_id"]), "97.95")
    held.next_minute(AAA=("97.90", "97.96"))
    outcome = held.guard()
    assert (outcome.orders_changed, outcome.exits_sent) == (1, 0)
    (history,) = held.rows("SELECT exit_reason, exit_price, pnl_dollars FROM position_history")
    assert history == {
        "exit_reason": "stop_loss",
        "exit_price": Decimal("97.950000"),
        "pnl_dollars": Decimal("-38.95"),
    }
    assert not working(held)


def test_every_day_trade_is_sold_from_fifteen_minutes_before_the_close(bench: TradingBench) -> None:
    bench.clock.at = new_york_time(DAY, 13, 59)
    bench.quote("AAA")
    bench.buy()
    for minute, sold in ((44, 0), (45, 1)):
        bench.clock.at = new_york_time(DAY, 15, minute)
        bench.quote("AAA")
        bench.run("UPDATE active_positions SET max_hold_minutes = 999")
        bench.guard()
        assert len(bench.orders("exit")) == sold
    assert bench.order("exit")["reason"] == "session_end"


def test_on_a_half_day_the_session_ends_at_one(db: Database) -> None:
    half = FixedCalendar(
        [regular_session(DAY.replace(day=3)), regular_session(DAY, closes_at_hour=13)]
    )
    bench = TradingBench(db, at=new_york_time(DAY, 10, 30), calendar=half)
    bench.buy()
    bench.clock.at = new_york_time(DAY, 12, 45)
    bench.quote("AAA")
    bench.guard()
    assert bench.order("exit")["reason"] == "session_end"


def test_nothing_is_sent_from_fifteen_seconds_before_the_close(held: TradingBench) -> None:
    held.clock.at = new_york_time(DAY, 15, 59)
    held.clock.advance(45)
    held.quote("AAA")
    held.guard()
    assert not held.orders("exit")
    assert not [call for call in held.broker.calls[-2:] if call in ("submit", "cancel")]


def test_an_exit_that_does_not_fill_is_priced_anew_at_the_next_tick(held: TradingBench) -> None:
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    first = held.order("exit")
    held.broker.fill(first["client_order_id"], "102.90", "4")

    held.next_minute(AAA=("102.00", "102.10"))
    held.guard()

    assert names(held, "exit") == [
        ("canceled", Decimal(19), "take_profit"),
        ("accepted", Decimal(15), "take_profit"),
    ]
    second = held.orders("exit")[1]
    assert second["price"] == Decimal("101.79")
    held.broker.fill(second["client_order_id"], "102.00")
    held.next_minute()
    held.guard()
    (history,) = held.rows("SELECT exit_reason, pnl_dollars FROM position_history")
    assert history == {"exit_reason": "take_profit", "pnl_dollars": Decimal("41.60")}


def test_an_exit_is_followed_through_whatever_the_price_does_next(held: TradingBench) -> None:
    held.next_minute(AAA=("97.90", "97.96"))
    held.guard()
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert [reason for _, _, reason in names(held, "exit")] == ["stop_loss", "stop_loss"]
    assert held.position()["close_reason"] == "stop_loss"


def test_an_exit_waits_until_the_stop_is_known_to_have_ended(held: TradingBench) -> None:
    held.broker.cancels_pend = True
    stop = str(held.order("stop")["client_order_id"])
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert not held.orders("exit")
    held.broker.end(stop, "canceled")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert names(held, "exit") == [("accepted", Decimal(19), "take_profit")]


def test_a_stop_that_fills_while_it_is_cancelled_leaves_nothing_to_sell(held: TradingBench) -> None:
    held.broker.cancels_pend = True
    stop = str(held.order("stop")["client_order_id"])
    held.next_minute(AAA=("97.90", "97.96"))
    held.guard()
    held.broker.fill(stop, "97.95")
    held.next_minute(AAA=("97.90", "97.96"))
    held.guard()
    assert held.position()["status"] == "closed"
    assert not held.orders("exit")


def test_a_live_entry_in_the_symbol_is_cancelled_before_its_exit(bench: TradingBench) -> None:
    bench.broker.at_once["AAA"] = ("100.00", "9")
    bench.recommend()
    bench.dispatch()
    bench.broker.at_once.clear()
    bench.clock.advance(20)
    bench.quote("AAA", "97.90", "97.96")
    bench.guard()
    assert bench.order("entry")["status"] == "canceled"
    assert names(bench, "exit") == [("accepted", Decimal(9), "stop_loss")]


def test_no_more_is_sold_than_the_broker_has_free(held: TradingBench) -> None:
    held.broker.hold("AAA", "12", "100.00")
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert held.order("exit")["quantity"] == 12
    assert all(order.quantity <= 19 for order in held.broker.submitted)


def test_nothing_is_sold_that_the_broker_does_not_hold(held: TradingBench) -> None:
    held.broker.hold("AAA", "0", "100.00")
    held.broker.cash += 1900
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert not held.orders("exit")
    assert held.alerts() == ["nothing_to_sell"]
    assert held.position()["status"] == "open"


def test_sales_never_add_up_to_more_than_was_bought(held: TradingBench) -> None:
    """Partial fills, cancels and re-pricing over and over; the broker refuses a short itself."""
    prices = [("102.10", "102.20"), ("103.10", "103.20"), ("103.20", "103.30")] * 3
    for bid, ask in prices:
        held.next_minute(AAA=(bid, ask))
        held.guard()
        for name in working(held):
            if held.broker.orders[name].order_type == "limit":
                held.broker.fill(name, bid, "1")
        assert sum(held.broker.orders[name].quantity for name in working(held)) <= 19
    assert (
        held.rows("SELECT sum(filled_qty) AS sold FROM orders WHERE side = 'sell'")[0]["sold"] <= 19
    )
    assert set(held.alerts()) <= {"closing_overdue"}
    (account,) = held.broker.positions()
    assert account.quantity >= held.position()["quantity"] - 1


@pytest.mark.parametrize("fault", ["missing", "old", "crossed", "one-sided", "down"])
def test_without_a_usable_quote_the_exits_wait_and_an_alert_says_so(
    held: TradingBench, fault: str
) -> None:
    held.next_minute(AAA=("90.00", "90.02"))
    quote = held.market.latest["AAA"]
    match fault:
        case "missing":
            held.market.latest.clear()
        case "old":
            held.market.quote("AAA", "90.00", "90.02", age_s=61)
        case "crossed":
            held.market.latest["AAA"] = replace(quote, bid=Decimal("90.10"))
        case "one-sided":
            held.market.latest["AAA"] = replace(quote, ask=Decimal(0))
        case "down":
            held.market.down = True
    outcome = held.guard()
    assert (outcome.marked, outcome.unpriced, outcome.exits_sent) == (0, 1, 0)
    assert held.alerts() == ["position_unpriced"]
    assert held.order("stop")["status"] == "accepted"

    held.market.down = False
    held.quote("AAA")
    held.clock.advance(1)
    held.guard()
    assert held.alerts() == []


def test_one_position_that_fails_does_not_keep_the_others(
    held: TradingBench, owner_db: Database
) -> None:
    held.quote("BBB")
    held.buy("BBB")
    with owner_db.transaction() as tx:
        tx.script(
            "ALTER TABLE orders ADD CONSTRAINT no_exit CHECK (ticker <> 'AAA' OR purpose <> 'exit')"
        )
    held.next_minute(AAA=("103.00", "103.10"), BBB=("103.00", "103.10"))
    with pytest.raises(StageFailed, match="AAA: ConstraintViolated"):
        held.guard()
    assert [order["ticker"] for order in held.orders("exit")] == ["BBB"]


@pytest.mark.parametrize("error", [BrokerUnavailable("503"), ValueError("foreseen by nobody")])
def test_a_cancel_that_fails_does_not_keep_the_positions_waiting(
    held: TradingBench, error: Exception
) -> None:
    held.quote("BBB")
    held.recommend("BBB")
    held.dispatch()
    held.broker.fail("cancel", error)
    held.next_minute(AAA=("100.20", "100.22"))
    with pytest.raises(StageFailed, match="not cancelled"):
        held.guard()
    assert held.position()["current_price"] == Decimal("100.21")


def test_a_rejected_exit_alerts_and_is_tried_again(held: TradingBench) -> None:
    held.broker.fail("submit", BrokerRejected("wash trade"))
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard()
    assert held.order("exit")["status"] == "rejected"
    assert held.alerts() == ["sale_not_executed"]
    held.next_minute()
    held.guard()
    assert [status for status, _, _ in names(held, "exit")] == ["rejected", "accepted"]
    held.broker.fill(held.orders("exit")[1]["client_order_id"], "103.00")
    held.next_minute()
    held.guard()
    assert held.alerts() == []


def test_the_stop_is_armed_again_after_it_expired(held: TradingBench) -> None:
    held.broker.end(str(held.order("stop")["client_order_id"]), "expired")
    held.next_minute()
    held.guard()
    assert [status for status, _, _ in names(held, "stop")] == ["expired", "accepted"]


def test_a_simulated_account_is_sold_at_the_bid(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    bench.recommend()
    bench.dispatch()
    bench.next_minute(AAA=("103.00", "103.10"))
    bench.guard()
    (history,) = bench.rows("SELECT exit_price, execution_mode, verified FROM position_history")
    assert history == {
        "exit_price": Decimal("103.000000"),
        "execution_mode": "SIMULATED",
        "verified": True,
    }
    assert not bench.broker.calls


def test_outside_the_session_orders_are_synced_and_nothing_is_decided(held: TradingBench) -> None:
    held.broker.fill(str(held.order("stop")["client_order_id"]), "97.95")
    held.clock.at = new_york_time(DAY, 16, 5)
    outcome = held.guard()
    assert (outcome.orders_changed, outcome.marked) == (1, 0)
    assert held.position()["status"] == "closed"


def test_a_dry_run_marks_nothing_and_sends_nothing(held: TradingBench) -> None:
    sent = len(held.broker.submitted)
    held.next_minute(AAA=("103.00", "103.10"))
    held.guard(dry_run=True)
    assert len(held.broker.submitted) == sent
    assert held.position()["current_price"] == Decimal("99.99")


def test_a_position_closed_while_it_was_looked_at_is_left_alone(held: TradingBench) -> None:
    """The dispatcher may settle the stop's fill between our reading and our marking."""
    stop = str(held.order("stop")["client_order_id"])

    class Meanwhile(FakeMarketData):
        def quotes(self, tickers: Sequence[str]) -> Quotes:
            held.broker.fill(stop, "97.95")
            gateway = held.gateway()
            order_sync.sync(gateway.ctx, held.db, gateway)
            return held.market.quotes(tickers)

    held.next_minute()
    outcome = held.guard(market=Meanwhile(held.clock))
    assert (outcome.positions, outcome.marked) == (1, 0)
    assert held.position()["status"] == "closed"


def test_a_position_that_does_not_close_in_time_is_alerted_until_it_does(
    held: TradingBench,
) -> None:
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    for _ in range(7):
        held.next_minute()
        held.guard()
    assert "closing_overdue" in held.alerts()
    held.broker.at_once["AAA"] = ("99.90", None)
    for _ in range(3):
        held.next_minute()
        held.guard()
    assert held.position()["status"] == "closed"
    assert held.alerts() == []


def test_a_partial_exit_that_sold_nothing_is_decided_again(held: TradingBench) -> None:
    gain = ("102.30", "102.34")
    for _ in range(4):
        held.next_minute(AAA=gain)
        held.guard()
    sold = [row for row in held.orders("exit") if row["reason"] == "partial"]
    assert next(row["status"] for row in sold) == "canceled"
    assert len(sold) >= 2
    assert all(row["filled_qty"] == 0 for row in sold)
