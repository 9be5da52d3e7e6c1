"""Stock keeps a stop at its broker: without a quote, over night, and around every sale."""

from collections.abc import Callable
from contextlib import suppress

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.errors import BrokerRejected, BrokerUnavailable, StageFailed
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench


def live(bench: TradingBench, purpose: str = "stop") -> list[dict[str, object]]:
    """Live orders of that purpose, by our rows."""
    return [
        order
        for order in bench.orders(purpose)
        if order["status"] in ("intended", "unknown", "accepted", "partially_filled")
    ]


def unprotected(bench: TradingBench) -> list[str]:
    now = bench.clock.now()
    session = bench.calendar.session(new_york_day(now))
    with bench.db.transaction() as tx:
        found = invariants.check(tx, now=now, session=session)
    return [breach.message for breach in found if breach.invariant == "stock_is_protected"]


def hold_without_quotes(bench: TradingBench) -> None:
    """An entry fills and the quotes end in the same minute."""
    bench.recommend()
    bench.dispatch()
    bench.broker.fill(str(bench.order()["client_order_id"]), "100.00")
    bench.market.latest.clear()
    bench.clock.advance(60)


def guard(bench: TradingBench, minutes: int = 1) -> None:
    for _ in range(minutes):
        bench.clock.advance(60)
        bench.guard()


def try_to_guard(bench: TradingBench) -> None:
    """A run that may fail for what the broker does not say."""
    with suppress(StageFailed):
        bench.guard()


def ask_for_the_exit(bench: TradingBench) -> None:
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")


@pytest.fixture
def held(bench: TradingBench) -> TradingBench:
    """19 AAA with their stop at the broker."""
    bench.buy()
    bench.next_minute()
    bench.guard()
    assert len(live(bench)) == 1
    return bench


def test_a_stop_needs_no_quote(bench: TradingBench) -> None:
    hold_without_quotes(bench)
    bench.guard()
    assert [order["order_type"] for order in live(bench)] == ["stop"]
    guard(bench, 10)
    assert len(live(bench)) == 1


def test_a_stop_needs_no_fresh_quote(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    bench.broker.fill(str(bench.order()["client_order_id"]), "100.00")
    bench.clock.advance(600)
    bench.guard()
    assert len(live(bench)) == 1


def test_a_stop_rests_over_night_and_is_there_from_the_open_on(held: TradingBench) -> None:
    """Everything of ours is down from 15:30 until noon of the next day."""
    (stop,) = live(held)
    assert stop["time_in_force"] == "gtc"
    assert [each.time_in_force for each in held.broker.submitted if each.order_type == "stop"] == [
        "gtc"
    ]
    held.clock.at = new_york_time(DAY_AFTER, 12)
    assert held.broker.orders[str(stop["client_order_id"])].status == "working"


UNABLE: list[tuple[str, Callable[[TradingBench], object]]] = [
    (
        "positions list down",
        lambda b: b.broker.fail("positions", BrokerUnavailable("503"), times=9),
    ),
    ("account down", lambda b: b.broker.fail("account", BrokerUnavailable("503"), times=9)),
    ("account blocked", lambda b: setattr(b.broker, "trading_blocked", True)),
    ("symbol halted", lambda b: b.broker.untradable.add("AAA")),
    ("assets down", lambda b: b.broker.fail("is_tradable", BrokerUnavailable("503"), times=9)),
    ("none held", lambda b: b.broker.hold("AAA", "0", "100")),
]


@pytest.mark.parametrize(("name", "spoil"), UNABLE, ids=[name for name, _ in UNABLE])
def test_the_stop_is_not_cancelled_before_the_sale_can_be_made(
    held: TradingBench, name: str, spoil: Callable[[TradingBench], object]
) -> None:
    (stop,) = live(held)
    ask_for_the_exit(held)
    spoil(held)
    held.next_minute()
    try_to_guard(held)
    assert held.broker.orders[str(stop["client_order_id"])].status == "working"
    assert "cancel" not in held.broker.calls


def test_a_refused_sale_puts_the_stop_back_in_the_same_tick(held: TradingBench) -> None:
    ask_for_the_exit(held)
    held.broker.fail("submit", BrokerRejected("halted"))
    held.next_minute()
    held.guard()
    assert [order["status"] for order in held.orders("exit")] == ["rejected"]
    assert len(live(held)) == 1


def test_a_sale_that_surely_was_not_sent_puts_the_stop_back(held: TradingBench) -> None:
    ask_for_the_exit(held)
    held.broker.fail("submit", BrokerUnavailable("503"))
    held.next_minute()
    held.guard()
    assert len(live(held)) == 1


def test_a_stop_that_the_broker_no_longer_knows_is_replaced(held: TradingBench) -> None:
    (stop,) = live(held)
    del held.broker.orders[str(stop["client_order_id"])]
    for _ in range(3):
        held.next_minute()
        held.guard()
    (new,) = live(held)
    assert new["client_order_id"] != stop["client_order_id"]
    assert "order_vanished" in held.alerts()


def test_one_look_that_finds_nothing_ends_no_stop(held: TradingBench) -> None:
    (stop,) = live(held)
    kept = held.broker.orders.pop(str(stop["client_order_id"]))
    held.next_minute()
    held.guard()
    held.broker.orders[kept.client_order_id] = kept
    for _ in range(3):
        held.next_minute()
        held.guard()
    assert [order["client_order_id"] for order in live(held)] == [stop["client_order_id"]]


def test_a_vanished_exit_does_not_end_all_later_exits(held: TradingBench) -> None:
    ask_for_the_exit(held)
    held.next_minute()
    held.guard()
    (exit_,) = live(held, "exit")
    del held.broker.orders[str(exit_["client_order_id"])]
    for _ in range(5):
        held.next_minute()
        try_to_guard(held)
    assert [o["client_order_id"] for o in live(held, "exit")] != [exit_["client_order_id"]]
    assert live(held, "exit") or held.position()["status"] == "closed"


def test_a_stop_through_the_market_is_sold_at_once(bench: TradingBench) -> None:
    hold_without_quotes(bench)
    bench.broker.fail("submit", BrokerRejected("stop price must be less than current price"))
    bench.guard()
    assert [order["reason"] for order in live(bench, "exit")] == ["stop_loss"]


def test_unprotected_stock_is_a_broken_invariant_in_a_session(
    held: TradingBench, owner_db: Database
) -> None:
    held.run(
        "UPDATE orders SET status = 'canceled', terminal_at = decided_at WHERE purpose = 'stop'"
    )
    held.clock.advance(600)
    assert unprotected(held) == ["AAA: 19 shares, and no live stop or exit"]
    held.clock.at = new_york_time(DAY, 20)
    assert unprotected(held) == []


def test_guarded_stock_is_never_unprotected(bench: TradingBench) -> None:
    hold_without_quotes(bench)
    for _ in range(8):
        bench.clock.advance(60)
        bench.guard()
        assert unprotected(bench) == []


def rise(bench: TradingBench) -> None:
    """Past two percent: 7 of the 19 are sold, and the guard is not heard of again."""
    bench.next_minute(AAA=("102.10", "102.12"))
    bench.guard()
    assert bench.order("exit")["reason"] == "partial"


def resting(bench: TradingBench) -> list[tuple[str, int]]:
    found = bench.broker.resting_orders()
    return sorted((it.order_type, int(it.quantity)) for it in found if it.side == "sell")


def test_what_a_partial_exit_leaves_has_its_stop_in_the_same_tick(held: TradingBench) -> None:
    rise(held)
    assert resting(held) == [("limit", 7), ("stop", 12)]


def test_a_partial_exit_that_filled_at_once_leaves_one_too(held: TradingBench) -> None:
    held.broker.at_once["AAA"] = ("102.10", None)
    rise(held)
    assert resting(held) == [("stop", 12)]
    held.next_minute(AAA=("102.10", "102.12"))
    held.guard()
    assert resting(held) == [("stop", 12)]
    assert len(held.orders("stop")) == 2


def test_a_partial_exit_that_is_priced_anew_leaves_no_minute_without_a_stop(
    held: TradingBench,
) -> None:
    rise(held)
    for _ in range(6):
        held.next_minute(AAA=("102.10", "102.12"))
        held.guard()
        assert resting(held) in ([("limit", 7), ("stop", 12)], [("stop", 19)], [("stop", 12)])


def test_the_rest_of_a_partial_exit_can_be_sold_whole(held: TradingBench) -> None:
    rise(held)
    held.run("UPDATE active_positions SET exit_requested = 'operator'")
    for _ in range(2):
        held.next_minute(AAA=("102.10", "102.12"))
        held.guard()
    assert resting(held) == [("limit", 19)]


def test_a_partial_exit_that_is_refused_leaves_the_stop_for_all(held: TradingBench) -> None:
    held.broker.fail("submit", BrokerRejected("halted"))
    held.next_minute(AAA=("102.10", "102.12"))
    held.guard()
    assert resting(held) == [("stop", 19)]


@pytest.mark.parametrize(("trade", "exits"), [("97.95", 1), ("98.40", 0)])
def test_a_stop_refused_after_a_trade_beyond_it_is_sold_though_the_bid_is_above(
    bench: TradingBench, trade: str, exits: int
) -> None:
    """The broker compares a stop with the last trade, not with the bid."""
    hold_without_quotes(bench)
    bench.market.quote("AAA", "98.05", "98.07")
    bench.market.trade("AAA", trade)
    told = BrokerRejected("stop price must be less than current price")
    bench.broker.fail("submit", told)
    bench.guard()
    assert [order["status"] for order in bench.orders("stop")] == ["rejected"]
    assert len(live(bench, "exit")) == exits
