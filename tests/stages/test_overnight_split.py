"""A split over night: the shares are counted anew, and nothing is sold at an old price."""

from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.db import halts, positions
from ops_pipeline.db.holdings import corporate_actions
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.execution.exit_orders import ExitOrders
from tests.stages.over_night import (
    ONE_FOR_TEN,
    TWO_FOR_ONE,
    announce,
    at_open,
    before_open,
    guarded,
    sound,
    swing,
)
from tests.stages.reconciling import halt
from tests.support.builders_trading import DAY_AFTER, TradingBench
from tests.support.fake_broker import RestingOver

__all__ = ["swing"]


def test_a_split_that_nobody_announced_sells_nothing_and_latches_nothing(
    swing: TradingBench,
) -> None:
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    at_open(swing, "50.00")
    guarded(swing, 3, compared="large")
    assert swing.orders("exit") == []
    assert swing.rows("SELECT 1 FROM position_history") == []
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []
    assert swing.position()["stop_loss"] == 98
    assert "corporate_action_pending" in swing.alerts()
    assert halt(swing) is not None
    sound(swing)


def test_a_reverse_split_that_nobody_announced_takes_no_profit_and_is_not_stuck(
    swing: TradingBench,
) -> None:
    swing.broker.split("AAA", "1", "19")
    swing.reconcile()
    at_open(swing, "1900.00")
    guarded(swing, 3, compared="large")
    assert swing.orders("exit") == []
    assert (swing.position()["status"], swing.position()["quantity"]) == ("open", 19)
    assert "corporate_action_pending" in swing.alerts()
    sound(swing)


@pytest.mark.parametrize("resting", ["canceled", "adjusted", "left"])
def test_an_announced_split_is_counted_anew_and_the_stop_rests_before_the_open(
    swing: TradingBench, resting: RestingOver
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1", resting=resting)
    swing.reconcile()
    position = swing.position()
    assert (position["quantity"], position["opened_quantity"]) == (38, 38)
    assert (position["entry_price"], position["stop_loss"], position["take_profit"]) == (
        50,
        49,
        Decimal("51.5"),
    )
    assert swing.alerts() == []
    before_open(swing)
    live = [it for it in swing.broker.orders.values() if it.status == "working"]
    assert [(str(it.stop_price), str(it.quantity)) for it in live] == [("49.00", "38")]
    assert [row["price"] for row in swing.orders("stop")] == [98, 49]
    at_open(swing, "50.20")
    swing.guard()
    swing.reconcile("large")
    assert swing.orders("exit") == []
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_a_split_delivered_twice_or_under_another_id_counts_once(swing: TradingBench) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    again = replace(TWO_FOR_ONE, action_id="split-1b", effective_on=DAY_AFTER - timedelta(days=1))
    announce(swing, TWO_FOR_ONE, again)
    swing.clock.advance(120)
    swing.reconcile()
    assert swing.position()["quantity"] == 38
    assert len(swing.rows("SELECT 1 FROM position_adjustments")) == 1
    assert (swing.alerts(), halt(swing)) == ([], None)


def test_what_is_sold_after_a_split_has_the_result_of_the_shares_as_they_are_now(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    before_open(swing)
    at_open(swing, "51.60")
    swing.broker.at_once["AAA"] = ("51.58", None)
    guarded(swing, 4)
    assert swing.rows("SELECT kind FROM position_events WHERE kind = 'adjusted'")
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["quantity"], history["verified"]) == (38, True)
    assert history["pnl_dollars"] == 38 * Decimal("1.58")
    sound(swing)


def test_an_announced_split_that_the_broker_does_not_show_decides_nothing(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.reconcile()
    at_open(swing, "50.00")
    swing.guard()
    assert swing.orders("exit") == []
    assert "corporate_action_pending" in swing.alerts()
    assert swing.order("stop")["status"] == "accepted"
    swing.broker.split("AAA", "2", "1")
    swing.next_minute()
    swing.reconcile("large")
    assert swing.position()["quantity"] == 38
    assert "corporate_action_pending" not in swing.alerts()
    swing.next_minute()
    swing.guard()
    assert swing.orders("stop")[-1]["price"] == 49
    sound(swing)


def test_a_person_may_sell_what_is_held_back_where_both_count_the_same(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.reconcile()
    at_open(swing, "50.00")
    swing.run("UPDATE active_positions SET exit_requested = 'operator'")
    swing.broker.at_once["AAA"] = ("49.98", None)
    swing.guard()
    swing.next_minute()
    swing.guard()
    assert swing.position()["status"] == "closed"


def test_the_fraction_of_a_reverse_split_is_sold_for_what_the_broker_paid(
    swing: TradingBench,
) -> None:
    announce(swing, ONE_FOR_TEN)
    swing.broker.split("AAA", "1", "10")
    swing.broker.move_cash("SPLIT", "900.00", symbol="AAA")
    swing.reconcile()
    position = swing.position()
    assert (position["quantity"], position["opened_quantity"]) == (1, Decimal("1.9"))
    assert (position["entry_price"], position["stop_loss"]) == (1000, 980)
    before_open(swing)
    at_open(swing, "1031.00")
    swing.broker.at_once["AAA"] = ("1030.00", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (True, 30)
    swing.reconcile("large")
    sound(swing)


def test_a_fraction_of_which_nobody_tells_the_price_proves_no_result(swing: TradingBench) -> None:
    announce(swing, ONE_FOR_TEN)
    swing.broker.split("AAA", "1", "10")
    swing.reconcile()
    at_open(swing, "1031.00")
    swing.broker.at_once["AAA"] = ("1030.00", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (False, None)
    sound(swing)


def test_a_split_that_only_an_activity_of_the_broker_tells_of_is_counted(
    swing: TradingBench,
) -> None:
    swing.broker.split("AAA", "2", "1")
    swing.broker.move_cash("SPLIT", "0", symbol="AAA")
    swing.reconcile()
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (38, 49)
    (row,) = swing.rows("SELECT action_id, activity_id FROM position_adjustments")
    assert (row["action_id"], row["activity_id"]) == (None, "cash::1")
    announce(swing, TWO_FOR_ONE)
    swing.clock.advance(120)
    swing.reconcile()
    assert swing.position()["quantity"] == 38
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_an_exit_that_was_stuck_over_a_split_sells_the_shares_as_they_are_now(
    swing: TradingBench,
) -> None:
    swing.run("UPDATE active_positions SET status = 'closing', close_reason = 'time'")
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    before_open(swing)
    at_open(swing, "50.50")
    swing.broker.at_once["AAA"] = ("50.40", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["quantity"], history["verified"]) == (38, True)
    assert history["pnl_dollars"] == 38 * Decimal("0.40")
    sound(swing)


def test_a_position_sold_in_part_before_a_split_keeps_its_result(swing: TradingBench) -> None:
    swing.clock.at = new_york_time(DAY_AFTER - timedelta(days=1), 15, 0)
    swing.quote("AAA", "102.10", "102.12")
    swing.broker.at_once["AAA"] = ("102.00", None)
    guarded(swing, 3)
    sold = sum(row["filled_qty"] for row in swing.orders("exit"))
    left = 19 - sold
    assert 0 < sold < 19
    swing.clock.at = new_york_time(DAY_AFTER, 8, 30)
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    assert swing.position()["quantity"] == 2 * left
    sound(swing)
    before_open(swing)
    at_open(swing, "51.60")
    swing.broker.at_once["AAA"] = ("51.50", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert history["verified"]
    assert history["pnl_dollars"] == sold * 2 + 2 * left * Decimal("1.5")
    sound(swing)


class Killed(BaseException):
    """The process dies here."""


@pytest.mark.parametrize(
    ("module", "name"),
    [
        (corporate_actions, "add"),
        (positions, "add_event"),
        (corporate_actions, "restate"),
        (corporate_actions, "end_hold"),
        (halts, "set_books_halt"),
    ],
)
@pytest.mark.parametrize("after", [False, True])
def test_a_run_that_dies_anywhere_leaves_all_of_it_or_nothing(
    swing: TradingBench, monkeypatch: pytest.MonkeyPatch, module: Any, name: str, *, after: bool
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    real = getattr(module, name)

    def dies(*args: Any, **values: Any) -> Any:
        if after:
            real(*args, **values)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(module, name, dies)
        with pytest.raises(Killed):
            swing.reconcile("large")
    assert swing.position()["quantity"] == 19
    assert swing.rows("SELECT 1 FROM position_adjustments") == []
    swing.clock.advance(60)
    swing.reconcile("large")
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (38, 49)
    sound(swing)


def test_two_runs_at_once_count_it_once(
    swing: TradingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    real = swing.broker.cash_activities_since
    inner: list[bool] = []

    def another_runs_first(since: datetime) -> Any:
        if not inner:
            inner.append(True)
            swing.reconcile("large")
        return real(since)

    monkeypatch.setattr(swing.broker, "cash_activities_since", another_runs_first)
    swing.reconcile("large")
    assert swing.position()["quantity"] == 38
    assert len(swing.rows("SELECT 1 FROM position_adjustments")) == 1
    swing.clock.advance(120)
    swing.reconcile("large")
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_a_guard_that_read_the_position_before_rests_no_stop_of_the_old_shares(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    gateway = swing.gateway()
    with swing.db.transaction() as tx:
        (before,) = positions.held(tx, "large")
    swing.reconcile("large")
    orders = ExitOrders(gateway.ctx, swing.db, gateway, Counter())
    orders.protect_out_of_session(before)
    assert [row["price"] for row in swing.orders("stop")] == [98]
    with swing.db.transaction() as tx:
        (now,) = positions.held(tx, "large")
    orders.protect_out_of_session(now)
    assert [row["price"] for row in swing.orders("stop")] == [98, 49]


def test_a_simulated_position_is_counted_anew_by_the_announcement(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED", broker="simulated")
    bench.recommend()
    bench.dispatch()
    bench.run("UPDATE active_positions SET strategy_type = 'swing_trade', max_hold_minutes = NULL")
    bench.clock.at = new_york_time(DAY_AFTER, 9, 25)
    announce(bench, TWO_FOR_ONE)
    for _ in range(2):
        bench.guard()
        bench.clock.advance(60)
    assert (bench.position()["quantity"], bench.position()["stop_loss"]) == (38, 49)
    at_open(bench, "50.20")
    for _ in range(3):
        bench.guard()
        bench.next_minute()
    assert bench.orders("exit") == []
    assert bench.alerts() == []
    sound(bench)


def test_the_cash_of_a_fraction_may_be_told_days_later(swing: TradingBench) -> None:
    announce(swing, ONE_FOR_TEN)
    swing.broker.split("AAA", "1", "10")
    swing.reconcile()
    swing.clock.advance(3600)
    swing.broker.move_cash("SPLIT", "900.00", symbol="AAA")
    for _ in range(2):
        swing.clock.advance(120)
        swing.reconcile()
    found = swing.rows("SELECT cash FROM position_adjustments ORDER BY applied_at")
    assert [row["cash"] for row in found] == [None, 900]
    at_open(swing, "1031.00")
    swing.broker.at_once["AAA"] = ("1030.00", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (True, 30)
    sound(swing)


def test_a_stop_that_the_broker_restated_and_filled_before_we_looked_is_booked(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1", resting="adjusted")
    at_open(swing, "48.90")
    swing.broker.fill(str(swing.order("stop")["client_order_id"]), "48.95")
    guarded(swing, 2)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["quantity"]) == (True, 38)
    assert history["pnl_dollars"] == 38 * Decimal("48.95") - 1900
    swing.reconcile("large")
    swing.clock.advance(120)
    swing.reconcile("large")
    assert swing.alerts() == []
    sound(swing)


def test_a_cancel_that_is_not_confirmed_leaves_one_stop_and_says_so(swing: TradingBench) -> None:
    """Never two live, and none only beside a critical alert."""
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1", resting="left")
    swing.reconcile()
    swing.broker.cancels_pend = True
    before_open(swing)
    assert len(swing.orders("stop")) == 1
    assert "exit_blocked" in swing.alerts()
    swing.broker.cancels_pend = False
    swing.broker.end(str(swing.order("stop")["client_order_id"]), "canceled")
    swing.guard()
    assert [(row["price"], row["status"]) for row in swing.orders("stop")] == [
        (98, "canceled"),
        (49, "accepted"),
    ]
    at_open(swing, "50.20")
    swing.guard()
    sound(swing)


def test_a_guard_that_dies_between_cancel_and_stop_is_made_good_by_the_next(
    swing: TradingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1", resting="left")
    swing.reconcile()
    swing.clock.at = new_york_time(DAY_AFTER, 9, 25)

    def dies(*_: Any, **__: Any) -> Any:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(ExitOrders, "_place_stop", dies)
        with pytest.raises(Killed):
            swing.guard()
    assert [row["status"] for row in swing.orders("stop")] == ["canceled"]
    swing.clock.advance(60)
    swing.guard()
    live = [it for it in swing.broker.orders.values() if it.status == "working"]
    assert [(str(it.stop_price), str(it.quantity)) for it in live] == [("49.00", "38")]


def test_a_split_that_is_told_in_the_session_rearms_the_stop_in_the_next_minutes(
    swing: TradingBench,
) -> None:
    swing.broker.split("AAA", "2", "1", resting="left")
    swing.reconcile()
    at_open(swing, "50.20")
    swing.guard()
    assert swing.orders("exit") == []
    announce(swing, TWO_FOR_ONE)
    swing.next_minute()
    swing.reconcile("large")
    for _ in range(2):
        swing.next_minute()
        swing.guard()
    live = [it for it in swing.broker.orders.values() if it.status == "working"]
    assert [(str(it.stop_price), str(it.quantity)) for it in live] == [("49.00", "38")]
    assert swing.orders("exit") == []
    swing.reconcile("large")
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_no_stop_rests_anew_at_the_price_of_other_shares(swing: TradingBench) -> None:
    """Nobody announced it, and the broker ended the stop after the morning's comparison."""
    swing.reconcile()
    swing.clock.advance(1800)
    swing.broker.split("AAA", "2", "1")
    before_open(swing)
    assert [row["status"] for row in swing.orders("stop")] == ["canceled"]
    assert "corporate_action_pending" in swing.alerts()
    at_open(swing, "50.00")
    swing.guard()
    swing.next_minute()
    assert swing.orders("exit") == []
    swing.broker.move_cash("SPLIT", "0", symbol="AAA")
    swing.reconcile("large")
    swing.next_minute()
    swing.guard()
    assert [row["price"] for row in swing.orders("stop")] == [98, 49]
    sound(swing)


def test_a_stop_that_fills_while_shares_differ_proves_no_loss(swing: TradingBench) -> None:
    swing.broker.split("AAA", "2", "1", resting="left")
    swing.reconcile()
    at_open(swing, "50.00")
    swing.broker.fill(str(swing.order("stop")["client_order_id"]), "50.00")
    guarded(swing, 2)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (False, None)
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []
    sound(swing)
