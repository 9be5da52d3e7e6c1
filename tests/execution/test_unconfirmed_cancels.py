"""A cancel whose end the broker does not tell: no stop is given up for it, and none is believed."""

from contextlib import suppress

import pytest

from ops_pipeline.db.operations import invariants
from ops_pipeline.domain.market import new_york_day, new_york_time
from ops_pipeline.errors import BrokerRejected, BrokerUnavailable, StageFailed
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench
from tests.support.fake_broker import Call

DOWN = BrokerUnavailable("503")


def guard(bench: TradingBench, minutes: int = 1) -> None:
    """Runs that may fail for what the broker does not say."""
    for _ in range(minutes):
        bench.next_minute()
        with suppress(StageFailed):
            bench.guard()


def after_the_cancel(bench: TradingBench, *calls: Call, times: int = 99) -> None:
    """From the next cancel on these calls fail."""
    cancel = bench.broker.cancel

    def and_then(broker_order_id: str) -> None:
        cancel(broker_order_id)
        bench.broker.cancel = cancel  # type: ignore[method-assign]
        for call in calls:
            bench.broker.fail(call, DOWN, times=times)

    bench.broker.cancel = and_then  # type: ignore[method-assign]


def well_again(bench: TradingBench) -> None:
    bench.broker.recover()


def ask_for_the_exit(bench: TradingBench) -> None:
    bench.run("UPDATE active_positions SET exit_requested = 'signal'")


def reason_passes(bench: TradingBench) -> None:
    """What the exit was for is no more, as when a price came back."""
    bench.run("UPDATE active_positions SET exit_requested = NULL")


def at_broker(bench: TradingBench, purpose: str = "stop") -> list[str]:
    """Of our orders of that purpose, those that the broker holds live."""
    names = {row["client_order_id"] for row in bench.orders(purpose)}
    return [
        it.client_order_id for it in bench.broker.resting_orders() if it.client_order_id in names
    ]


def unprotected(bench: TradingBench) -> list[str]:
    now = bench.clock.now()
    session = bench.calendar.session(new_york_day(now))
    with bench.db.transaction() as tx:
        found = invariants.check(tx, now=now, session=session)
    return [breach.message for breach in found if breach.invariant == "stock_is_protected"]


def critical(bench: TradingBench) -> set[str]:
    rows = bench.rows(
        "SELECT kind FROM alerts WHERE severity = 'critical' AND subject = 'AAA'"
        " AND scope = 'large' AND resolved_at IS NULL"
    )
    return {row["kind"] for row in rows}


def test_no_stop_is_cancelled_that_cannot_be_looked_up(held: TradingBench) -> None:
    ask_for_the_exit(held)
    held.broker.fail("order_by_client_id", DOWN, times=99)
    held.broker.fail("orders_since", DOWN, times=99)
    guard(held, 3)
    assert "cancel" not in held.broker.calls
    assert len(at_broker(held)) == 1


def test_no_stop_is_cancelled_that_the_broker_does_not_know(held: TradingBench) -> None:
    """Whether it protects is settled first: it may be listed again a moment later."""
    ask_for_the_exit(held)
    name = str(held.order("stop")["client_order_id"])
    kept = held.broker.orders.pop(name)
    guard(held)
    assert "cancel" not in held.broker.calls
    held.broker.orders[name] = kept
    guard(held)
    assert len(held.orders("exit")) == 1


def test_the_list_tells_of_a_cancel_when_the_look_up_fails(held: TradingBench) -> None:
    ask_for_the_exit(held)
    after_the_cancel(held, "order_by_client_id")
    guard(held)
    assert held.order("stop")["status"] == "canceled"
    assert len(at_broker(held, "exit")) == 1


def test_the_list_tells_of_a_cancel_when_the_look_up_finds_nothing(held: TradingBench) -> None:
    ask_for_the_exit(held)
    cancel, stop = held.broker.cancel, str(held.order("stop")["client_order_id"])

    def cancelling(broker_order_id: str) -> None:
        cancel(broker_order_id)
        held.broker.unseen.add(stop)

    held.broker.cancel = cancelling  # type: ignore[method-assign]
    guard(held)
    assert held.order("stop")["status"] == "canceled"
    assert len(at_broker(held, "exit")) == 1


def test_an_exit_whose_cancel_of_the_stop_is_not_told_of_is_said_at_once(
    held: TradingBench,
) -> None:
    ask_for_the_exit(held)
    after_the_cancel(held, "order_by_client_id", "orders_since")
    guard(held)
    assert at_broker(held) == []
    assert "exit_blocked" in critical(held)


@pytest.mark.parametrize("minutes", [1, 5])
def test_the_next_tick_that_hears_the_truth_sells(held: TradingBench, minutes: int) -> None:
    ask_for_the_exit(held)
    after_the_cancel(held, "order_by_client_id", "orders_since")
    guard(held, minutes)
    well_again(held)
    guard(held)
    assert len(at_broker(held, "exit")) == 1


@pytest.mark.parametrize("still_down", [("orders_since",), ("order_by_client_id",), ()])
def test_the_next_tick_that_hears_the_truth_rests_another_stop(
    held: TradingBench, still_down: tuple[Call, ...]
) -> None:
    """The exit's reason has passed meanwhile."""
    ask_for_the_exit(held)
    after_the_cancel(held, "order_by_client_id", "orders_since")
    guard(held, 3)
    reason_passes(held)
    well_again(held)
    for call in still_down:
        held.broker.fail(call, DOWN, times=99)
    guard(held)
    assert len(at_broker(held)) == 1
    assert "exit_blocked" not in critical(held)


def test_a_cancel_that_was_lost_leaves_a_stop_that_is_sure(held: TradingBench) -> None:
    """It never reached the broker, and the exit's reason passed: the stop is replaced."""
    ask_for_the_exit(held)
    held.broker.fail("cancel", DOWN)
    guard(held)
    reason_passes(held)
    guard(held, 8)
    (live,) = [row for row in held.orders("stop") if row["status"] == "accepted"]
    assert live["cancel_requested_at"] is None
    assert at_broker(held) == [live["client_order_id"]]
    assert unprotected(held) == []


@pytest.mark.parametrize("reason", ["lasts", "passes"])
def test_a_stop_whose_cancel_is_not_confirmed_protects_nothing(
    held: TradingBench, reason: str
) -> None:
    """The invariant demands a word on it, and the guard gives it, while the reason lasts or not."""
    held.broker.cancels_pend = True
    ask_for_the_exit(held)
    guard(held)
    if reason == "passes":
        reason_passes(held)
    for _ in range(8):
        guard(held)
        assert unprotected(held) == []
    assert "exit_blocked" in critical(held)


def test_a_live_stop_with_an_old_cancel_breaks_the_invariant(held: TradingBench) -> None:
    held.run("UPDATE orders SET cancel_requested_at = decided_at WHERE purpose = 'stop'")
    held.clock.advance(600)
    assert unprotected(held) == ["AAA: 19 shares, and no live stop or exit"]


@pytest.mark.parametrize("down", ["orders_since", "fills_since"])
def test_what_filled_is_protected_when_a_list_fails(bench: TradingBench, down: Call) -> None:
    bench.recommend()
    bench.dispatch()
    bench.broker.fill(str(bench.order()["client_order_id"]), "100.00")
    bench.broker.fail(down, DOWN, times=99)
    bench.clock.advance(30)
    with pytest.raises(StageFailed, match="503"):
        bench.guard()
    assert bench.position()["quantity"] == 19
    assert len(at_broker(bench)) == 1


def test_what_the_close_leaves_without_a_stop_gets_one_after_it(held: TradingBench) -> None:
    """Its exit did not fill: with everything of ours down next morning it is protected."""
    held.clock.at = new_york_time(DAY, 15, 58)
    held.quote("AAA")
    ask_for_the_exit(held)
    guard(held)
    (exit_,) = at_broker(held, "exit")
    held.clock.at = new_york_time(DAY, 16)
    held.broker.end(exit_, "expired")
    guard(held)
    assert len(at_broker(held)) == 1
    held.clock.at = new_york_time(DAY_AFTER, 9, 26)
    guard(held)
    assert len(at_broker(held)) == 1


def test_a_stop_that_is_refused_after_the_close_sells_nothing(held: TradingBench) -> None:
    """What can be sold in no session is not offered; the alert says that nothing protects."""
    held.clock.at = new_york_time(DAY, 15, 58)
    held.quote("AAA")
    ask_for_the_exit(held)
    guard(held)
    (exit_,) = at_broker(held, "exit")
    held.clock.at = new_york_time(DAY, 16)
    held.broker.end(exit_, "expired")
    held.broker.fail("submit", BrokerRejected("closed"), times=99)
    guard(held)
    assert "sale_not_executed" in critical(held)
    assert [row["status"] for row in held.orders("exit")].count("accepted") == 0
    assert all(it.order_type == "stop" for it in held.broker.submitted[-1:])
