"""Renamings, dividends, mergers and what is not understood, over night."""

from dataclasses import replace
from decimal import Decimal

import pytest

from ops_pipeline.db import facts, telemetry
from ops_pipeline.domain import bars
from ops_pipeline.domain.corporate.actions import ActionKind, CorporateAction
from ops_pipeline.domain.market import MINUTE, new_york_time
from tests.stages.over_night import (
    TWO_FOR_ONE,
    announce,
    at_open,
    before_open,
    guarded,
    held_before,
    sound,
    swing,
)
from tests.stages.reconciling import halt
from tests.support.builders_market import bars_of, store_bars
from tests.support.builders_trading import DAY, DAY_AFTER, TradingBench

__all__ = ["swing"]

PLAIN = replace(TWO_FOR_ONE, old_rate=None, new_rate=None)
RENAMING = replace(PLAIN, action_id="name-1", kind="name_change", new_symbol="BBB")
DIVIDEND = replace(PLAIN, action_id="dividend-1", kind="cash_dividend", cash=Decimal("1.50"))
CASH_MERGER = replace(PLAIN, action_id="merger-1", kind="cash_merger", cash=Decimal(110))


def pnl_today(bench: TradingBench) -> Decimal:
    with bench.db.transaction() as tx:
        start = new_york_time(DAY_AFTER, 0)
        return facts.day_pnl(tx, account="large", mode="ALPACA_PAPER", day_start=start)


@pytest.mark.parametrize("resting", ["canceled", "adjusted", "left"])
def test_a_symbol_that_changes_takes_position_stop_and_history_along(
    swing: TradingBench, resting: str
) -> None:
    announce(swing, RENAMING)
    swing.broker.split("AAA", "1", "1", to="BBB", resting=resting)  # type: ignore[arg-type]
    swing.reconcile()
    (position,) = swing.rows("SELECT * FROM active_positions")
    assert (position["symbol"], position["ticker"], position["quantity"]) == ("BBB", "BBB", 19)
    assert (position["entry_price"], position["stop_loss"]) == (100, 98)
    before_open(swing)
    assert [row["symbol"] for row in swing.orders("stop")] == ["AAA", "BBB"]
    live = [it for it in swing.broker.orders.values() if it.status == "working"]
    assert [(it.symbol, str(it.quantity)) for it in live] == [("BBB", "19")]
    at_open(swing, "103.20", "BBB")
    swing.broker.at_once["BBB"] = ("103.10", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT ticker, pnl_dollars, verified FROM position_history")
    assert history["ticker"] == "BBB"
    assert (history["verified"], history["pnl_dollars"]) == (True, 19 * Decimal("3.10"))
    swing.reconcile("large")
    sound(swing)
    assert (swing.alerts(), halt(swing)) == ([], None)


@pytest.mark.parametrize("actions", [(RENAMING,), (TWO_FOR_ONE, RENAMING)])
def test_what_was_adopted_without_an_order_keeps_its_sum_over_a_renaming(
    bench: TradingBench, actions: tuple[CorporateAction, ...]
) -> None:
    bench.broker.hold("AAA", "19", "100.00")
    for _ in range(2):
        bench.reconcile()
        bench.clock.advance(120)
    assert bench.position()["lifecycle_state"] == "adopted"
    bench.clock.at = new_york_time(DAY_AFTER, 8, 30)
    announce(bench, *actions)
    bench.broker.split("AAA", "2" if len(actions) == 2 else "1", "1", to="BBB")
    bench.reconcile()
    (position,) = bench.rows("SELECT symbol, quantity FROM active_positions")
    assert position == {"symbol": "BBB", "quantity": 19 * len(actions)}
    before_open(bench)
    sound(bench)


@pytest.mark.parametrize("actions", [(RENAMING,), (TWO_FOR_ONE, RENAMING)])
def test_a_purchase_that_is_listed_only_after_a_renaming_is_not_counted_twice(
    bench: TradingBench, actions: tuple[CorporateAction, ...]
) -> None:
    """Its shares were adopted from the list of positions before, under the old symbol."""
    bench.broker.trade_by_hand("by hand", "AAA", "buy", "19", "100.00")
    order, fills = bench.broker.orders.pop("by hand"), [*bench.broker.fills]
    bench.broker.fills.clear()
    for _ in range(2):
        bench.clock.advance(120)
        bench.reconcile()
    assert bench.position()["lifecycle_state"] == "adopted"
    bench.clock.at = new_york_time(DAY_AFTER, 8, 30)
    announce(bench, *actions)
    bench.broker.split("AAA", "2" if len(actions) == 2 else "1", "1", to="BBB")
    bench.reconcile()
    bench.broker.orders["by hand"] = order
    bench.broker.fills.extend(fills)
    for _ in range(2):
        bench.clock.advance(120)
        bench.reconcile()
    (position,) = bench.rows("SELECT symbol, quantity FROM active_positions")
    assert position == {"symbol": "BBB", "quantity": 19 * len(actions)}
    assert bench.order("adopted")["filled_qty"] == 19
    assert (bench.alerts(), halt(bench)) == ([], None)
    before_open(bench)
    sound(bench)


def test_a_renaming_that_the_broker_does_not_show_changes_nothing_and_says_so(
    swing: TradingBench,
) -> None:
    announce(swing, RENAMING)
    swing.reconcile()
    assert swing.position()["symbol"] == "AAA"
    assert swing.alerts() == ["corporate_action_pending"]
    assert swing.order("stop")["status"] == "accepted"
    at_open(swing, "100.00")
    number = swing.recommend("AAA", account="tiny")
    swing.dispatch("tiny")
    reason = swing.verdict(number, "corporate_action_pending")["reason"]
    assert reason == "AAA: name change on 2026-02-05"


def test_a_renaming_to_what_is_held_already_is_left_to_a_person(swing: TradingBench) -> None:
    swing.clock.at = new_york_time(DAY, 12)
    swing.quote("BBB", "99.98", "100.00")
    swing.quote("AAA")
    swing.buy("BBB")
    swing.clock.at = new_york_time(DAY_AFTER, 8, 30)
    announce(swing, RENAMING)
    swing.broker.split("AAA", "1", "1", to="BBB")
    swing.broker.hold("BBB", "38", "100.00")
    swing.reconcile()
    found = swing.rows("SELECT symbol, quantity FROM active_positions ORDER BY symbol")
    assert [(it["symbol"], it["quantity"]) for it in found] == [("AAA", 19), ("BBB", 19)]
    assert "corporate_action_pending" in swing.alerts()
    assert halt(swing) is not None


def test_a_split_and_a_renaming_of_one_day_are_one_step(swing: TradingBench) -> None:
    announce(swing, RENAMING, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1", to="BBB")
    swing.reconcile()
    (position,) = swing.rows("SELECT symbol, quantity, stop_loss FROM active_positions")
    assert position == {"symbol": "BBB", "quantity": 38, "stop_loss": 49}
    assert len(swing.rows("SELECT 1 FROM position_adjustments")) == 2
    swing.clock.advance(120)
    swing.reconcile()
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_a_dividend_is_no_loss_of_its_day_and_leaves_the_stop_where_it_is(
    swing: TradingBench,
) -> None:
    announce(swing, DIVIDEND)
    swing.broker.last_equity = swing.broker.account().equity
    swing.reconcile()
    assert (swing.position()["stop_loss"], swing.position()["quantity"]) == (98, 19)
    swing.set_account(max_daily_loss=25)
    at_open(swing, "98.52")
    swing.guard()
    # 1.49 down to the mid, 1.50 of it the dividend.
    assert pnl_today(swing) == Decimal("0.19")
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []
    swing.next_minute()
    swing.guard()
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []
    assert swing.orders("exit") == []
    swing.reconcile("large")
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_without_the_dividend_the_same_drop_is_a_loss_that_halts(swing: TradingBench) -> None:
    swing.broker.last_equity = swing.broker.account().equity
    swing.reconcile()
    swing.set_account(max_daily_loss=25)
    at_open(swing, "98.52")
    swing.guard()
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL")


def test_a_dividend_is_part_of_the_result_and_counts_once(swing: TradingBench) -> None:
    announce(swing, DIVIDEND, replace(DIVIDEND, action_id="dividend-2"))
    swing.reconcile()
    swing.clock.advance(120)
    swing.reconcile()
    assert len(swing.rows("SELECT 1 FROM position_adjustments")) == 1
    at_open(swing, "103.20")
    swing.broker.at_once["AAA"] = ("103.10", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (True, 19 * Decimal("4.60"))
    sound(swing)


def test_a_cash_merger_ends_the_position_with_what_the_broker_paid(swing: TradingBench) -> None:
    announce(swing, CASH_MERGER)
    swing.reconcile()
    assert swing.alerts() == ["corporate_action_pending"]
    swing.clock.advance(120)
    swing.broker.hold("AAA", "0", "100.00")
    swing.broker.end(str(swing.order("stop")["client_order_id"]), "canceled")
    swing.reconcile()
    swing.clock.advance(120)
    swing.reconcile()
    assert swing.position()["status"] == "open"
    swing.broker.move_cash("MA", "2090.00", symbol="AAA")
    swing.clock.advance(120)
    swing.reconcile()
    assert swing.position()["status"] == "closed"
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["exit_reason"], history["pnl_dollars"]) == ("corporate_action", 190)
    swing.clock.advance(300)
    swing.reconcile()
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_a_stock_and_cash_merger_goes_on_as_shares_of_the_acquirer(swing: TradingBench) -> None:
    merger = replace(
        RENAMING,
        action_id="merger-2",
        kind="stock_and_cash_merger",
        old_rate=Decimal(1),
        new_rate=Decimal(2),
        cash=Decimal(3),
    )
    announce(swing, merger)
    swing.broker.split("AAA", "2", "1", to="BBB")
    swing.reconcile()
    (row,) = swing.rows("SELECT symbol, quantity, entry_price FROM active_positions")
    assert row == {"symbol": "BBB", "quantity": 38, "entry_price": 50}
    (row,) = swing.rows("SELECT cash FROM position_adjustments")
    assert row["cash"] == 57
    sound(swing)


def test_what_is_spun_off_proves_no_result_and_its_shares_are_adopted(swing: TradingBench) -> None:
    announce(swing, replace(RENAMING, action_id="spin-1", kind="spin_off", new_symbol="CCC"))
    swing.broker.hold("CCC", "4", "20.00")
    swing.reconcile()
    assert swing.position("CCC")["lifecycle_state"] == "adopted"
    at_open(swing, "103.20")
    swing.broker.at_once["AAA"] = ("103.10", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT verified FROM position_history WHERE ticker = 'AAA'")
    assert not history["verified"]
    sound(swing)


@pytest.mark.parametrize("kind", ["unknown", "reorganization", "worthless_removal", "unit_split"])
def test_what_is_not_understood_refuses_entries_and_keeps_exits(
    swing: TradingBench, kind: ActionKind
) -> None:
    announce(swing, replace(PLAIN, action_id="odd-1", kind=kind, reason="not read"))
    swing.reconcile()
    assert swing.alerts() == ["corporate_action_pending"]
    assert halt(swing) is None
    at_open(swing, "97.00")
    swing.market.trade("AAA", "97.00")
    number = swing.recommend("AAA", account="tiny")
    swing.dispatch("tiny")
    assert not swing.verdict(number, "corporate_action_pending")["passed"]
    swing.broker.at_once["AAA"] = ("96.90", None)
    guarded(swing, 3)
    assert swing.position()["status"] == "closed"
    assert "corporate_action_pending" not in swing.alerts()


def test_one_position_that_cannot_be_adjusted_costs_no_other_its_place(
    swing: TradingBench,
) -> None:
    swing.clock.at = new_york_time(DAY, 12)
    swing.quote("BBB", "99.98", "100.00")
    swing.quote("AAA")
    swing.buy("BBB")
    swing.clock.at = new_york_time(DAY_AFTER, 8, 30)
    announce(swing, TWO_FOR_ONE, replace(TWO_FOR_ONE, action_id="split-9", symbol="BBB"))
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    found = swing.rows("SELECT symbol, quantity FROM active_positions ORDER BY symbol")
    assert [(it["symbol"], it["quantity"]) for it in found] == [("AAA", 38), ("BBB", 19)]
    held = swing.rows("SELECT symbol FROM corporate_action_holds WHERE ended_at IS NULL")
    assert held == [{"symbol": "BBB"}]


def test_an_action_of_before_the_entry_or_of_tomorrow_changes_nothing(
    swing: TradingBench,
) -> None:
    tomorrow = DAY_AFTER.replace(day=DAY_AFTER.day + 1)
    announce(
        swing,
        replace(TWO_FOR_ONE, effective_on=DAY),
        replace(TWO_FOR_ONE, action_id="split-3", effective_on=tomorrow),
    )
    swing.reconcile()
    assert (swing.alerts(), halt(swing)) == ([], None)
    assert swing.position()["quantity"] == 19


def test_a_close_of_before_a_split_is_no_jump(swing: TradingBench) -> None:
    announce(swing, TWO_FOR_ONE)
    opens = new_york_time(DAY_AFTER, 9, 30)
    store_bars(swing.db, bars_of("AAA", new_york_time(DAY, 15, 59), ["100.00"]), now=opens)
    fresh = bars_of("AAA", opens, ["50.10", "50.20"])
    with swing.db.transaction() as tx:
        telemetry.stage(tx, fresh)
        closes = telemetry.last_closes(tx, {"AAA": opens})
        telemetry.merge(tx, data_feed="iex", now=opens + 5 * MINUTE)
    assert closes == {"AAA": 50}
    rules = swing.parameters.rules.telemetry
    assert bars.jumps(fresh, closes, rules) == []
    assert bars.jumps(fresh, {"AAA": Decimal(100)}, rules) != []


def test_what_was_held_before_the_first_run_is_counted_anew_and_is_no_loss(
    swing: TradingBench,
) -> None:
    held_before(swing)
    swing.broker.last_equity = swing.broker.account().equity
    announce(swing, replace(TWO_FOR_ONE, action_id="split-7", symbol="OLD"))
    swing.broker.split("OLD", "2", "1")
    swing.broker.marks["OLD"], swing.broker.closes["OLD"] = Decimal("49.5"), Decimal(100)
    for _ in range(3):
        swing.reconcile()
        swing.clock.advance(90)
    (row,) = swing.rows("SELECT * FROM external_holdings WHERE symbol = 'OLD'")
    assert (row["quantity"], row["average_cost"]) == (200, 50)
    events = swing.rows("SELECT kind, action_id FROM external_holding_events WHERE symbol = 'OLD'")
    assert [(it["kind"], it["action_id"]) for it in events] == [("adjusted", "split-7")]
    assert (swing.alerts(), halt(swing)) == ([], None)
    swing.set_account(max_daily_loss=50)
    at_open(swing, "100.00")
    guarded(swing, 3)
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []


def test_what_was_held_before_takes_its_new_symbol(swing: TradingBench) -> None:
    held_before(swing)
    announce(swing, replace(RENAMING, action_id="name-7", symbol="OLD", new_symbol="NEW"))
    swing.broker.split("OLD", "1", "1", to="NEW")
    for _ in range(3):
        swing.reconcile()
        swing.clock.advance(90)
    found = swing.rows("SELECT symbol, quantity, end_kind FROM external_holdings ORDER BY symbol")
    assert [tuple(row.values()) for row in found] == [("NEW", 100, None), ("OLD", 0, "renamed")]
    assert (swing.alerts(), halt(swing)) == ([], None)
    assert swing.rows("SELECT 1 FROM active_positions WHERE symbol = 'NEW'") == []


def test_a_stop_that_the_broker_renamed_and_filled_is_booked_under_the_new_symbol(
    swing: TradingBench,
) -> None:
    announce(swing, RENAMING)
    swing.broker.split("AAA", "1", "1", to="BBB", resting="adjusted")
    at_open(swing, "97.90", "BBB")
    swing.broker.fill(str(swing.order("stop")["client_order_id"]), "97.95")
    guarded(swing, 2)
    (history,) = swing.rows("SELECT ticker, verified, pnl_dollars FROM position_history")
    assert history["ticker"] == "BBB"
    assert (history["verified"], history["pnl_dollars"]) == (True, 19 * Decimal("-2.05"))
    for _ in range(2):
        swing.reconcile("large")
        swing.clock.advance(300)
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)
