"""What an operator places at the broker is shown and counted, and ended only by `ops close`."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.db import close_requests
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.broker import OrderRequest, Side
from ops_pipeline.domain.market import new_york_day
from ops_pipeline.errors import BrokerRejected, BrokerUnavailable, StageFailed
from ops_pipeline.stages import control, reconciler
from ops_pipeline.stages.control import ControlCommand
from tests.support.builders_trading import TradingBench

MINE = "mine at the broker"


def by_hand(
    bench: TradingBench,
    side: Side,
    quantity: int,
    price: str,
    *,
    symbol: str = "AAA",
    name: str = MINE,
) -> None:
    """A person's good-till-cancelled limit order, which rests."""
    bench.broker.submit(
        OrderRequest(name, symbol, side, Decimal(quantity), "limit", Decimal(price), "gtc")
    )


def reconcile(bench: TradingBench) -> reconciler.Outcome:
    bench.next_minute()
    return bench.reconcile()


def guard(bench: TradingBench, minutes: int = 1) -> None:
    for _ in range(minutes):
        bench.next_minute()
        bench.guard()


def close(bench: TradingBench, ticker: str | None = None) -> dict[str, Any]:
    asked = ControlCommand(action="close", operator="ann", reason="news", ticker=ticker)
    return control.run(asked, db=bench.db, clock=bench.clock)


def until_flat(bench: TradingBench) -> None:
    for _ in range(6):
        guard(bench)
        for order in list(bench.broker.orders.values()):
            ours = order.client_order_id in {row["client_order_id"] for row in bench.orders("exit")}
            if ours and order.status == "working":
                bench.broker.fill(order.client_order_id, "99.98")


def state(bench: TradingBench, name: str = MINE) -> str:
    return bench.broker.orders[name].raw_status


def done(bench: TradingBench) -> list[bool]:
    return [r["done_at"] is not None for r in bench.rows("SELECT done_at FROM close_requests")]


def live_stops(bench: TradingBench) -> list[int]:
    return [int(row["quantity"]) for row in bench.orders("stop") if row["status"] == "accepted"]


def blocked(bench: TradingBench) -> list[str]:
    rows = bench.rows(
        "SELECT message, severity FROM alerts WHERE kind = 'exit_blocked' AND resolved_at IS NULL"
    )
    assert {row["severity"] for row in rows} <= {"critical"}
    return [row["message"] for row in rows]


def ask_for_the_exit(bench: TradingBench) -> None:
    bench.run("UPDATE active_positions SET exit_requested = 'signal'")


# A person's order hides no difference.


def test_what_is_held_under_a_persons_sale_is_adopted_and_ends_at_its_price(
    bench: TradingBench,
) -> None:
    bench.broker.hold("ZZZ", "5", "10.00")
    by_hand(bench, "sell", 5, "12.00", symbol="ZZZ")
    reconcile(bench)
    assert bench.position("ZZZ")["quantity"] == 5
    bench.broker.fill(MINE, "12.00")
    guard(bench)
    assert bench.position("ZZZ")["status"] == "closed"
    (history,) = bench.rows("SELECT verified, pnl_dollars FROM position_history")
    assert history == {"verified": True, "pnl_dollars": 10}
    with bench.db.transaction() as tx:
        assert invariants.check(tx, now=bench.clock.now() + timedelta(minutes=20)) == []


def test_a_quantity_that_differs_is_repaired_beside_a_persons_order(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 1, "50.00")
    bench.broker.hold("AAA", "12", "100.00")
    reconcile(bench)
    assert reconcile(bench).repaired == 1
    assert bench.position()["quantity"] == 12


def test_what_is_gone_is_closed_beside_a_persons_order(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 1, "50.00")
    bench.broker.hold("AAA", "0", "100.00")
    reconcile(bench)
    assert reconcile(bench).closed == 1
    assert bench.position()["status"] == "closed"


def test_a_persons_fill_that_cannot_be_booked_yet_is_no_difference(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 10, "50.00")
    reconcile(bench)
    bench.run("UPDATE orders SET status = 'accepted' WHERE purpose = 'adopted'")
    bench.broker.fill(MINE, "50.00", "4")
    reconcile(bench)
    reconcile(bench)
    assert bench.position()["quantity"] == 23
    assert not bench.rows("SELECT 1 FROM position_events WHERE kind = 'repaired'")


# It is never cancelled.


@pytest.mark.parametrize(("side", "price"), [("buy", "50.00"), ("sell", "120.00")])
def test_a_persons_order_beside_a_position_is_never_cancelled(
    bench: TradingBench, side: Side, price: str
) -> None:
    bench.buy()
    by_hand(bench, side, 10, price)
    reconcile(bench)
    guard(bench, 5)
    ask_for_the_exit(bench)
    guard(bench, 5)
    assert state(bench) == "new"
    assert bench.order("adopted")["cancel_requested_at"] is None


def test_the_stop_keeps_what_a_persons_sale_leaves_and_is_placed_once(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "sell", 10, "120.00")
    reconcile(bench)
    guard(bench, 5)
    assert live_stops(bench) == [9]
    assert len(bench.orders("stop")) == 1
    assert MINE in blocked(bench)[0]


def test_once_a_persons_sale_has_ended_the_stop_covers_all_again(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "sell", 10, "120.00")
    reconcile(bench)
    guard(bench, 2)
    bench.broker.end(MINE, "canceled")
    guard(bench, 3)
    assert live_stops(bench) == [19]
    assert blocked(bench) == []


def test_an_exit_sells_what_a_persons_sale_leaves_and_names_that_order(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "sell", 10, "120.00")
    reconcile(bench)
    guard(bench, 2)
    ask_for_the_exit(bench)
    guard(bench)
    assert [row["quantity"] for row in bench.orders("exit")] == [9]
    assert MINE in blocked(bench)[0]
    assert state(bench) == "new"


def test_a_persons_buy_that_blocks_nothing_raises_no_alert(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 10, "50.00")
    reconcile(bench)
    guard(bench, 3)
    assert live_stops(bench) == [19]
    assert blocked(bench) == []


def test_a_sale_refused_beside_a_persons_buy_names_it(bench: TradingBench) -> None:
    bench.buy()
    guard(bench, 2)
    by_hand(bench, "buy", 10, "50.00")
    ask_for_the_exit(bench)
    bench.broker.fail("submit", BrokerRejected("potential wash trade detected"))
    guard(bench)
    assert live_stops(bench) == [19]
    assert MINE in blocked(bench)[0]
    assert bench.order("adopted")["status"] == "accepted"


def test_the_stop_is_put_back_although_the_list_of_orders_is_down(bench: TradingBench) -> None:
    bench.buy()
    guard(bench, 2)
    ask_for_the_exit(bench)
    bench.next_minute()
    bench.broker.on_submit = lambda sent: (
        bench.broker.fail("resting_orders", BrokerUnavailable("503"), times=9)
        if sent.order_type == "limit"
        else None
    )
    bench.broker.fail("submit", BrokerRejected("no"))
    bench.guard()
    assert live_stops(bench) == [19]


def test_a_persons_sale_of_weeks_ago_is_named_like_one_of_today(bench: TradingBench) -> None:
    """Good till cancelled rests for ninety days; the lists of the last days do not have it."""
    bench.buy()
    by_hand(bench, "sell", 19, "120.00")
    old = bench.broker.orders[MINE]
    bench.broker.orders[MINE] = replace(old, submitted_at=old.submitted_at - timedelta(days=40))
    ask_for_the_exit(bench)
    guard(bench, 2)
    assert MINE in blocked(bench)[0]
    assert bench.order("adopted")["status"] == "accepted"
    assert not bench.orders("exit")


@pytest.mark.parametrize("quoted", [True, False])
def test_where_a_persons_sale_holds_all_of_it_nothing_is_sent_and_the_order_is_named(
    bench: TradingBench, quoted: bool
) -> None:
    """Placed between two runs of the reconciler: nobody has told of it yet."""
    bench.buy()
    by_hand(bench, "sell", 19, "120.00")
    ask_for_the_exit(bench)
    for _ in range(6):
        bench.next_minute()
        if not quoted:
            bench.market.latest.clear()
        bench.guard()
        if not quoted:
            bench.quote("AAA")
    assert not [row for row in bench.orders("exit") if row["filled_qty"]]
    assert len(bench.orders("stop")) <= 1
    assert MINE in blocked(bench)[0]
    assert bench.order("adopted")["status"] == "accepted"
    now = bench.clock.now()
    with bench.db.transaction() as tx:
        found = invariants.check(tx, now=now, session=bench.calendar.session(new_york_day(now)))
    assert found == []


def test_a_stop_refused_for_a_persons_sale_is_not_taken_for_one_that_the_market_passed(
    bench: TradingBench,
) -> None:
    bench.buy()
    by_hand(bench, "sell", 10, "120.00")
    for _ in range(3):
        bench.clock.advance(60)
        bench.market.latest.clear()
        bench.guard()
    assert not bench.orders("exit")
    assert live_stops(bench) == [9]
    assert MINE in blocked(bench)[0]


def test_a_sell_signal_leaves_a_persons_order_alone(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 10, "50.00")
    reconcile(bench)
    bench.recommend(action="SELL")
    bench.dispatch()
    until_flat(bench)
    assert state(bench) == "new"
    assert done(bench) == [True]


# A close ends it.


@pytest.mark.parametrize("adopted", [True, False])
@pytest.mark.parametrize(("side", "price"), [("buy", "50.00"), ("sell", "120.00")])
def test_a_close_cancels_a_persons_order_and_ends(
    bench: TradingBench, side: Side, price: str, adopted: bool
) -> None:
    bench.buy()
    by_hand(bench, side, 19, price)
    if adopted:
        reconcile(bench)
    close(bench, "AAA")
    until_flat(bench)
    assert state(bench) == "canceled"
    assert bench.position()["status"] == "closed"
    assert done(bench) == [True]


def test_a_close_of_a_persons_order_alone_ends_with_it(bench: TradingBench) -> None:
    by_hand(bench, "buy", 3, "10.00", symbol="YYY")
    reconcile(bench)
    asked = close(bench)
    assert asked["closing"] == ["large YYY"]
    guard(bench, 2)
    assert state(bench) == "canceled"
    assert done(bench) == [True]


def test_a_close_of_everything_cancels_a_persons_orders_in_any_symbol(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 3, "10.00", symbol="YYY")
    asked = close(bench)
    with bench.db.transaction() as tx:
        assert close_requests.left(tx, asked["requests"]) == ["large AAA: 19 held, 0 live"]
    guard(bench)
    assert state(bench) == "canceled"
    until_flat(bench)
    assert done(bench) == [True]


def test_a_close_of_one_ticker_leaves_a_persons_order_in_another(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 3, "10.00", symbol="YYY")
    reconcile(bench)
    close(bench, "AAA")
    until_flat(bench)
    assert (state(bench), done(bench)) == ("new", [True])


def test_what_a_person_places_after_the_close_is_not_in_it(bench: TradingBench) -> None:
    bench.buy()
    close(bench)
    bench.clock.advance(1)
    by_hand(bench, "buy", 3, "10.00", symbol="YYY")
    by_hand(bench, "buy", 1, "50.00", name="another")
    until_flat(bench)
    assert (state(bench), state(bench, "another")) == ("new", "new")
    assert done(bench) == [True]


def test_a_cancel_that_the_broker_does_not_take_holds_no_sale_up(bench: TradingBench) -> None:
    bench.buy()
    by_hand(bench, "buy", 3, "10.00", symbol="YYY")
    reconcile(bench)
    close(bench)
    bench.broker.fail("cancel", BrokerUnavailable("503"))
    bench.next_minute()
    with pytest.raises(StageFailed, match=f"{MINE}: not cancelled"):
        bench.guard()
    assert bench.orders("exit")
    assert done(bench) == [False]
    until_flat(bench)
    assert done(bench) == [True]


# How often the broker is asked.


def test_the_positions_are_read_once_a_tick_however_many_are_sold(bench: TradingBench) -> None:
    for ticker in ("AAA", "BBB"):
        bench.quote(ticker)
        bench.buy(ticker)
    guard(bench, 2)
    ask_for_the_exit(bench)
    bench.next_minute()
    before = bench.broker.calls.count("positions")
    bench.guard()
    assert len(bench.orders("exit")) == 2
    assert bench.broker.calls.count("positions") - before == 1


PRICES: list[Callable[[TradingBench], object]] = [
    lambda bench: bench.quote("AAA"),
    lambda bench: bench.quote("AAA", "97.00", "97.10"),
    lambda bench: bench.market.latest.clear(),
]


@pytest.mark.parametrize("priced", PRICES, ids=["above the stop", "below it", "no quote"])
@pytest.mark.parametrize("wanted", [True, False])
def test_a_broker_that_refuses_everything_gets_two_orders_a_tick_at_most(
    bench: TradingBench, priced: Callable[[TradingBench], object], wanted: bool
) -> None:
    bench.buy()
    if wanted:
        ask_for_the_exit(bench)
    bench.broker.fail("submit", BrokerRejected("no"), times=99)
    for _ in range(3):
        bench.next_minute()
        priced(bench)
        before = len(bench.broker.submitted)
        bench.guard()
        assert len(bench.broker.submitted) - before <= 2
        bench.quote("AAA")
