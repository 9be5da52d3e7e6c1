"""Corporate actions told late, twice, in part or wrongly, and lists that lag behind them."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import pytest

from ops_pipeline.domain.corporate.actions import SAME_WITHIN, ActionKind, CorporateAction
from ops_pipeline.domain.market import new_york_time
from tests.stages.over_night import (
    ONE_FOR_TEN,
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
from tests.support.builders_trading import DAY_AFTER, TradingBench

__all__ = ["swing"]

PLAIN = replace(TWO_FOR_ONE, old_rate=None, new_rate=None)


def resting(bench: TradingBench) -> list[tuple[str, str]]:
    """Price and number of each stop that rests at the broker."""
    live = [it for it in bench.broker.orders.values() if it.status == "working"]
    return [(str(it.stop_price), str(it.quantity)) for it in live]


def test_a_list_that_lags_behind_a_split_takes_nothing_back(swing: TradingBench) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.broker.move_cash("SPLIT", "0", symbol="AAA")
    swing.reconcile()
    assert swing.position()["quantity"] == 38
    before_open(swing)
    swing.broker.hold("AAA", "19", "100")
    swing.reconcile()
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (38, 49)
    assert "corporate_action_pending" in swing.alerts()
    swing.broker.hold("AAA", "38", "50")
    at_open(swing, "50.20")
    swing.reconcile("large")
    guarded(swing, 13, compared="large")
    assert resting(swing) == [("49.00", "38")]
    assert len(swing.rows("SELECT 1 FROM position_adjustments")) == 1
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_an_activity_told_after_the_split_was_counted_explains_no_list_of_before(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE)
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    swing.clock.advance(120)
    swing.broker.move_cash("SPLIT", "0", symbol="AAA")
    swing.broker.hold("AAA", "19", "100")
    swing.reconcile()
    assert swing.position()["quantity"] == 38


def test_a_fraction_in_a_split_that_only_an_activity_tells_of_is_no_part_of_the_ratio(
    swing: TradingBench,
) -> None:
    """19 shares one for ten are 1 at $1,000 and $900, not 1 at $1,900."""
    swing.broker.split("AAA", "1", "10")
    swing.broker.move_cash("SPLIT", "900.00", symbol="AAA")
    swing.reconcile()
    position = swing.position()
    assert (position["quantity"], position["opened_quantity"]) == (1, Decimal("1.9"))
    assert (position["entry_price"], position["stop_loss"]) == (1000, 980)
    announce(swing, ONE_FOR_TEN)
    before_open(swing)
    assert resting(swing) == [("980.00", "1")]
    at_open(swing, "1000.00")
    guarded(swing, 2, compared="large")
    assert swing.orders("exit") == []
    assert (swing.alerts(), halt(swing)) == ([], None)
    sound(swing)


def test_money_of_no_security_pays_for_no_fraction(swing: TradingBench) -> None:
    announce(swing, ONE_FOR_TEN)
    swing.broker.split("AAA", "1", "10")
    swing.broker.move_cash("REORG", "77.00")
    swing.reconcile()
    (row,) = swing.rows("SELECT fraction, cash FROM position_adjustments")
    assert (row["fraction"], row["cash"]) == (Decimal("0.9"), None)


def test_a_fraction_may_be_rounded_up(swing: TradingBench) -> None:
    """One for seven of 19 are 2.71 shares; an issuer that pays no cash gives three."""
    announce(swing, replace(ONE_FOR_TEN, old_rate=Decimal(7)))
    swing.broker.split("AAA", "1", "7")
    swing.broker.hold("AAA", "3", "633.33")
    swing.reconcile()
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (3, 686)
    before_open(swing)
    assert resting(swing) == [("686.00", "3")]
    at_open(swing, "722.00")
    swing.broker.at_once["AAA"] = ("721.00", None)
    guarded(swing, 4)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (True, 263)
    sound(swing)


def test_what_was_held_before_the_first_run_may_be_rounded_up_too(swing: TradingBench) -> None:
    held_before(swing)
    announce(swing, replace(ONE_FOR_TEN, symbol="OLD", old_rate=Decimal(7)))
    swing.broker.hold("OLD", "15", "666.67")
    for _ in range(3):
        swing.reconcile()
        swing.clock.advance(90)
    (row,) = swing.rows("SELECT quantity FROM external_holdings WHERE symbol = 'OLD'")
    assert row["quantity"] == 15
    events = swing.rows("SELECT kind FROM external_holding_events WHERE symbol = 'OLD'")
    assert [it["kind"] for it in events] == ["adjusted"]
    assert (swing.alerts(), halt(swing)) == ([], None)


def gone(bench: TradingBench) -> None:
    """The broker has no share left, and no order that sold them."""
    bench.broker.hold("AAA", "0", "100.00")
    bench.broker.end(str(bench.order("stop")["client_order_id"]), "canceled")


@pytest.mark.parametrize("kind", ["worthless_removal", "redemption", "unit_split", "unknown"])
def test_shares_that_an_action_nobody_understands_took_are_given_up_without_a_price(
    swing: TradingBench, kind: ActionKind
) -> None:
    """Else the position stays open for good, and keeps its account from entries."""
    announce(swing, replace(PLAIN, kind=kind, reason="not read"))
    gone(swing)
    for _ in range(3):
        swing.reconcile()
        swing.clock.advance(90)
    (history,) = swing.rows("SELECT verified, pnl_dollars FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (False, None)
    swing.reconcile()
    assert (swing.alerts(), halt(swing)) == ([], None)
    assert swing.rows("SELECT 1 FROM corporate_action_holds WHERE ended_at IS NULL") == []
    sound(swing)


@pytest.mark.parametrize(
    "action",
    [
        replace(PLAIN, kind="cash_merger", cash=Decimal(110)),
        replace(ONE_FOR_TEN, old_rate=Decimal(50)),
        replace(PLAIN, kind="name_change", new_symbol="BBB"),
    ],
    ids=["cash merger", "to nothing", "renaming"],
)
def test_shares_that_are_gone_wait_some_days_for_what_was_paid_and_no_longer(
    swing: TradingBench, action: CorporateAction
) -> None:
    announce(swing, action)
    gone(swing)
    for _ in range(3):
        swing.reconcile()
        swing.clock.advance(90)
    assert swing.position()["status"] == "open"
    assert "corporate_action_pending" in swing.alerts()
    swing.clock.at = new_york_time(DAY_AFTER + SAME_WITHIN + timedelta(days=1), 8, 30)
    for _ in range(3):
        swing.reconcile()
        swing.clock.advance(90)
    (history,) = swing.rows("SELECT verified, pnl_dollars FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (False, None)
    assert (swing.alerts(), halt(swing)) == ([], None)


IN_ANOTHER_CURRENCY = replace(
    PLAIN,
    action_id="dividend-9",
    kind="cash_dividend",
    reason="rate is in CAD",
)


def test_a_dividend_that_is_not_understood_keeps_no_split_from_being_counted(
    swing: TradingBench,
) -> None:
    """It changes no number of shares; the position would wait unprotected for good."""
    announce(swing, TWO_FOR_ONE, IN_ANOTHER_CURRENCY)
    swing.broker.split("AAA", "2", "1")
    swing.reconcile()
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (38, 49)
    before_open(swing)
    assert resting(swing) == [("49.00", "38")]
    assert swing.alerts() == ["corporate_action_pending"]
    assert swing.rows("SELECT 1 FROM corporate_action_holds WHERE ended_at IS NULL") == []


def test_nor_what_a_restated_stop_filled_from_being_booked(swing: TradingBench) -> None:
    announce(swing, TWO_FOR_ONE, IN_ANOTHER_CURRENCY)
    swing.broker.split("AAA", "2", "1", resting="adjusted")
    at_open(swing, "48.90")
    swing.broker.fill(str(swing.order("stop")["client_order_id"]), "48.95")
    guarded(swing, 2)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["quantity"], history["pnl_dollars"]) == (38, 38 * Decimal("48.95") - 1900)


def test_what_a_restated_stop_filled_proves_nothing_beside_what_is_not_understood(
    swing: TradingBench,
) -> None:
    announce(swing, TWO_FOR_ONE, replace(PLAIN, action_id="odd", kind="reorganization"))
    swing.broker.split("AAA", "2", "1", resting="adjusted")
    at_open(swing, "48.90")
    swing.broker.fill(str(swing.order("stop")["client_order_id"]), "48.95")
    guarded(swing, 2)
    (history,) = swing.rows("SELECT * FROM position_history")
    assert (history["verified"], history["pnl_dollars"]) == (False, None)
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []


def test_nor_a_simulated_split(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED", broker="simulated")
    bench.recommend()
    bench.dispatch()
    bench.run("UPDATE active_positions SET strategy_type = 'swing_trade', max_hold_minutes = NULL")
    bench.clock.at = new_york_time(DAY_AFTER, 9, 25)
    announce(bench, TWO_FOR_ONE, IN_ANOTHER_CURRENCY)
    bench.guard()
    assert bench.position()["quantity"] == 38
    bench.clock.advance(60)
    bench.guard()
    assert bench.alerts() == ["corporate_action_pending"]


def test_a_list_that_lags_behind_a_paid_out_fraction_is_no_purchase(swing: TradingBench) -> None:
    """12 shares and cash are less in all than the 19 that the old list shows."""
    announce(swing, replace(ONE_FOR_TEN, old_rate=Decimal(3), new_rate=Decimal(2)))
    swing.broker.split("AAA", "2", "3")
    swing.reconcile()
    assert swing.position()["quantity"] == 12
    before_open(swing)
    swing.broker.hold("AAA", "19", "100")
    for _ in range(3):
        swing.clock.advance(120)
        swing.reconcile()
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (12, 147)
    assert "corporate_action_pending" in swing.alerts()
    swing.broker.hold("AAA", "12", "150")
    at_open(swing, "150.00")
    guarded(swing, 13, compared="large")
    assert resting(swing) == [("147.00", "12")]
    assert (swing.alerts(), halt(swing)) == ([], None)


def test_no_price_of_other_shares_raises_the_stop_though_a_list_lagged(
    swing: TradingBench,
) -> None:
    """One look that agreed ended the hold; the next price is far from the last."""
    swing.broker.split("AAA", "1", "19")
    swing.reconcile()
    at_open(swing, "1900.00")
    swing.broker.hold("AAA", "19", "100")
    swing.reconcile("large")
    assert swing.rows("SELECT 1 FROM corporate_action_holds WHERE ended_at IS NULL") == []
    swing.broker.hold("AAA", "1", "1900")
    swing.market.trade("AAA", "1900.00")
    swing.next_minute()
    swing.guard()
    position = swing.position()
    assert (position["stop_loss"], position["lifecycle_state"]) == (98, "initial")
    assert position["peak_price"] < 110
    swing.broker.move_cash("SPLIT", "0", symbol="AAA")
    swing.next_minute()
    swing.reconcile("large")
    assert (swing.position()["quantity"], swing.position()["stop_loss"]) == (1, 1862)
    guarded(swing, 2, compared="large")
    assert swing.orders("exit") == []


def test_one_look_that_agrees_for_a_moment_lets_nothing_be_sold(swing: TradingBench) -> None:
    """The list shows the split, then that of before, then the split again."""
    swing.broker.split("AAA", "2", "1")
    at_open(swing, "50.00")
    swing.market.trade("AAA", "50.00")
    swing.reconcile("large")
    swing.clock.advance(240)
    swing.broker.hold("AAA", "19", "100")
    swing.next_minute()
    swing.reconcile("large")
    swing.market.trade("AAA", "50.00")
    swing.guard()
    assert swing.orders("exit") == []
    assert "corporate_action_pending" in swing.alerts()
    assert swing.rows("SELECT 1 FROM accounts WHERE kill_switch IS NOT NULL") == []
