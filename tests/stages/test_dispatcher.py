"""From a recommendation to an order or a refusal, on real Postgres."""

from decimal import Decimal
from typing import Any

import pytest

from ops_pipeline.db.driver.connection import Database
from ops_pipeline.domain.broker import OrderRequest
from ops_pipeline.domain.market import new_york_time
from ops_pipeline.errors import (
    AccountMismatch,
    BrokerOutcomeUnknown,
    BrokerRejected,
    BrokerUnavailable,
)
from ops_pipeline.execution import entry
from ops_pipeline.stages import control
from ops_pipeline.stages.control import ControlCommand
from tests.support.builders_trading import DAY_AFTER, DAY_BEFORE, TradingBench


def test_nothing_is_entered_while_no_guard_has_run_for_five_minutes(bench: TradingBench) -> None:
    bench.run("UPDATE pipeline_runs SET tick = tick - interval '5 minutes'")
    number = bench.recommend()
    bench.dispatch()
    assert "Position manager's run age" in bench.recommendation(number)["failure_reason"]
    assert bench.orders() == []

    bench.next_minute()
    bench.recommend()
    bench.dispatch()
    assert len(bench.orders("entry")) == 1


def test_another_account_s_guard_a_failed_run_and_yesterday_s_do_not_count(
    bench: TradingBench,
) -> None:
    bench.run("DELETE FROM pipeline_runs WHERE scope = 'large'")
    assert bench.rows("SELECT 1 FROM pipeline_runs WHERE scope = 'tiny'")
    number = bench.recommend()
    bench.dispatch()
    assert bench.verdict(number, "guard_alive")["reason"] == "Position manager has not run today"


def test_an_entry_that_fills_at_once_becomes_order_execution_and_position(
    bench: TradingBench,
) -> None:
    number = bench.recommend()
    bench.broker.at_once["AAA"] = ("100.05", None)

    outcome = bench.dispatch()

    assert (outcome.pulled, outcome.processed) == (1, 1)
    order = bench.order()
    assert (order["status"], order["reserved_notional"], order["price"]) == (
        "filled",
        Decimal(0),
        Decimal("100.10"),
    )
    # Risk 1 % of $100,000 over a stop 2 % away would be 499; the share of a place is less.
    assert order["quantity"] == order["filled_qty"] == Decimal(19)
    (execution,) = bench.rows("SELECT * FROM dispatch_executions")
    position = bench.position()
    assert execution["notional"] == Decimal("1900.95")
    assert execution["execution_mode"] == "ALPACA_PAPER"
    assert (
        execution["dispatcher_run_id"]
        == bench.rows("SELECT run_id FROM dispatcher_runs")[0]["run_id"]
    )
    assert position["execution_id"] == execution["execution_id"]
    assert position["entry_price"] == Decimal("100.05")
    assert (position["stop_loss"], position["take_profit"]) == (
        Decimal("98.04"),
        Decimal("103.0515"),
    )
    assert bench.recommendation(number)["status"] == "EXECUTED"


def test_the_order_carries_what_identifies_the_decision(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    assert bench.order()["client_order_id"] == "test-large-AAA-20260204T1600-entry-1"
    (sent,) = bench.broker.submitted
    assert (sent.side, sent.order_type, sent.time_in_force) == ("buy", "limit", "day")


def test_the_intent_is_committed_before_the_broker_hears_of_it(
    bench: TradingBench, owner_db: Database
) -> None:
    bench.recommend()
    seen: list[str] = []

    def look(_: OrderRequest) -> None:
        with owner_db.transaction() as tx:
            seen.extend(row["status"] for row in tx.rows("SELECT status FROM orders"))

    bench.broker.on_submit = look
    bench.dispatch()
    assert seen == ["intended"]


def test_a_partly_filled_entry_keeps_the_rest_reserved_and_grows(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.broker.at_once["AAA"] = ("100.00", "5")
    bench.dispatch()

    order = bench.order()
    assert (order["status"], order["filled_qty"]) == ("partially_filled", Decimal(5))
    assert order["reserved_notional"] == 14 * Decimal("100.10")
    assert bench.position()["quantity"] == 5
    assert bench.recommendation(number)["status"] == "PROCESSING"

    bench.broker.fill(order["client_order_id"], "100.10")
    bench.guard()

    position = bench.position()
    assert bench.order()["status"] == "filled"
    assert position["quantity"] == position["opened_quantity"] == 19
    assert position["entry_price"] * 19 == 5 * Decimal(100) + 14 * Decimal("100.10")
    assert bench.recommendation(number)["status"] == "EXECUTED"
    (execution,) = bench.rows("SELECT qty, notional FROM dispatch_executions")
    assert (execution["qty"], execution["notional"]) == (19, Decimal("1901.40"))


def test_an_entry_the_market_ran_away_from_is_cancelled_and_released(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.dispatch()
    bench.next_minute()

    assert bench.guard().cancels_asked == 1

    order = bench.order()
    assert (order["status"], order["reserved_notional"]) == ("canceled", 0)
    assert bench.recommendation(number)["status"] == "PROCESSING"
    assert not bench.rows("SELECT 1 FROM active_positions")


def test_an_overtaken_entry_is_priced_anew_by_a_new_intent_while_it_is_fresh(
    bench: TradingBench,
) -> None:
    number = bench.recommend()
    bench.dispatch()
    bench.next_minute()
    bench.guard()
    bench.next_minute(AAA=("100.48", "100.50"))
    bench.broker.at_once["AAA"] = ("100.50", None)

    assert bench.dispatch().processed == 1

    assert [(row["attempt"], row["status"]) for row in bench.orders()] == [
        (1, "canceled"),
        (2, "filled"),
    ]
    assert bench.orders()[1]["price"] > bench.orders()[0]["price"]
    assert bench.recommendation(number)["status"] == "EXECUTED"


def test_an_overtaken_entry_ends_with_its_time(bench: TradingBench) -> None:
    number = bench.recommend()
    for _ in range(7):
        bench.dispatch()
        bench.guard()
        bench.next_minute()
    found = bench.recommendation(number)
    assert (found["status"], found["failure_reason"]) == (
        "CANCELLED",
        "Nothing filled at the limit within its time",
    )
    assert {row["status"] for row in bench.orders()} == {"canceled"}
    assert [row["attempt"] for row in bench.orders()] == [1, 2, 3]


def test_an_entry_that_the_operator_cancelled_is_not_priced_anew(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.dispatch()
    closes = ControlCommand(action="close", operator="ann", reason="a test", ticker="AAA")
    control.run(closes, db=bench.db, clock=bench.clock)
    for _ in range(7):
        bench.guard()
        bench.next_minute()
        bench.dispatch()
    assert bench.order()["status"] == "canceled"
    assert bench.recommendation(number)["status"] == "CANCELLED"


def test_an_entry_that_was_filled_in_part_is_not_pursued(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.broker.at_once["AAA"] = ("100.00", "5")
    bench.dispatch()
    for _ in range(3):
        bench.next_minute()
        bench.dispatch()
        bench.guard()
    assert bench.order()["status"] == "canceled"
    assert bench.recommendation(number)["status"] == "EXECUTED"
    assert bench.order("stop")["quantity"] == 5


def test_a_rejected_entry_fails_in_the_brokers_words_and_frees_its_room(
    bench: TradingBench,
) -> None:
    bench.broker.fail("submit", BrokerRejected("40310000: asset is not tradable"))
    number = bench.recommend()

    assert bench.dispatch().failed == 1

    order = bench.order()
    assert (order["status"], order["reserved_notional"]) == ("rejected", 0)
    found = bench.recommendation(number)
    assert (found["status"], found["failure_reason"]) == (
        "FAILED",
        "40310000: asset is not tradable",
    )
    assert not bench.rows("SELECT 1 FROM dispatch_executions")


def test_a_request_that_was_surely_not_taken_ends_as_not_placed(bench: TradingBench) -> None:
    bench.broker.fail("submit", BrokerUnavailable("429: too many requests"))
    number = bench.recommend()
    bench.dispatch()
    assert bench.order()["status"] == "not_placed"
    assert bench.recommendation(number)["status"] == "FAILED"


def test_a_recommendation_whose_assessment_raises_fails_alone(
    bench: TradingBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(*arguments: Any) -> entry.Taken:
        if arguments[2].ticker == "AAA":
            raise ValueError("foreseen by nobody")
        return as_ever(*arguments)

    as_ever = entry.take
    monkeypatch.setattr(entry, "take", take)
    bench.quote("BBB")
    odd, other = bench.recommend(), bench.recommend("BBB")
    bench.dispatch()
    found = bench.recommendation(odd)
    assert (found["status"], found["failure_reason"]) == (
        "FAILED",
        "ValueError: foreseen by nobody",
    )
    assert bench.order("entry")["recommendation_id"] == other


def test_a_simulated_account_fills_at_the_ask_and_says_so(bench: TradingBench) -> None:
    bench.set_account(execution_mode="SIMULATED")
    number = bench.recommend()

    assert bench.dispatch().simulated == 1

    (fill,) = bench.rows("SELECT * FROM fills")
    (execution,) = bench.rows("SELECT * FROM dispatch_executions")
    assert (fill["price"], fill["evidence"]) == (Decimal("100.00"), "simulated")
    assert execution["execution_mode"] == "SIMULATED"
    assert execution["simulated_ts"] == bench.clock.now()
    assert bench.recommendation(number)["status"] == "SIMULATED"
    assert not bench.broker.calls


def test_an_order_in_flight_counts_as_a_place_and_as_cost(bench: TradingBench) -> None:
    bench.set_account(max_positions=2, max_exposure=4000)
    bench.quote("BBB")
    bench.quote("CCC")
    first, second, third = (bench.recommend(ticker) for ticker in ("AAA", "BBB", "CCC"))

    bench.dispatch()

    assert len(bench.broker.orders) == 2
    assert bench.verdict(second, "max_exposure")["observed"] == pytest.approx(2 * 19 * 100.1)
    assert bench.verdict(first, "max_positions")["reason"] == "Positions 0/2"
    assert bench.verdict(third, "max_positions") == {
        "passed": False,
        "reason": "At position limit: 2/2",
        "observed": 2,
        "limit": 2,
    }
    assert bench.recommendation(third)["status"] == "SKIPPED"


def test_the_buying_power_is_read_again_after_each_order(bench: TradingBench) -> None:
    bench.broker.cash = bench.broker.last_equity = Decimal(3000)
    bench.set_account(max_exposure=10000)
    bench.quote("BBB")
    bench.recommend()
    second = bench.recommend("BBB")

    bench.dispatch()

    room = 3000 - bench.orders()[0]["reserved_notional"]
    assert bench.verdict(second, "buying_power")["limit"] == pytest.approx(float(room))
    assert len(bench.broker.submitted) == 2
    assert sum(order["reserved_notional"] for order in bench.orders()) <= 3000


def test_the_second_entry_in_a_ticker_waits_out_the_cooldown(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    bench.guard()
    bench.run("UPDATE active_positions SET exit_requested = 'operator'")
    bench.broker.at_once["AAA"] = ("99.90", None)
    bench.guard()
    assert bench.position()["status"] == "closed"
    bench.next_minute()
    bench.guard()

    early = bench.recommend()
    bench.dispatch()
    assert bench.verdict(early, "cooldown")["passed"] is False
    assert bench.recommendation(early)["status"] == "SKIPPED"

    for _ in range(15):
        bench.next_minute()
    late = bench.recommend()
    bench.dispatch()
    assert bench.verdict(late, "cooldown")["passed"] is True


def test_what_nobody_took_in_five_minutes_expires(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.clock.advance(301)
    outcome = bench.dispatch()
    assert (outcome.expired, outcome.pulled) == (1, 0)
    assert bench.recommendation(number)["status"] == "EXPIRED"


def test_what_is_just_five_minutes_old_is_still_served(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.clock.advance(300)
    bench.quote("AAA")
    bench.dispatch()
    assert bench.verdict(number, "recommendation_freshness")["passed"] is True


def test_a_claim_of_a_run_that_died_is_taken_up_again(bench: TradingBench) -> None:
    number = bench.recommend()
    bench.run(
        "UPDATE dispatch_recommendations SET status = 'PROCESSING', claimed_until = :until",
        until=bench.clock.now(),
    )
    assert bench.dispatch().pulled == 1
    assert bench.recommendation(number)["status"] == "PROCESSING"
    assert bench.order()["recommendation_id"] == number


def test_a_recommendation_that_has_an_order_is_never_claimed_again(bench: TradingBench) -> None:
    bench.recommend()
    bench.dispatch()
    bench.run("UPDATE dispatch_recommendations SET claimed_until = :now", now=bench.clock.now())
    bench.clock.advance(1)
    assert bench.dispatch().pulled == 0
    assert len(bench.broker.submitted) == 1


def test_a_refusal_keeps_every_gates_answer(bench: TradingBench) -> None:
    number = bench.recommend(confidence=0.2)
    bench.dispatch()
    found = bench.recommendation(number)
    assert found["status"] == "SKIPPED"
    assert found["failure_reason"] == "Confidence 0.20 < 0.45"
    gates = found["risk_gate_json"]
    assert {"max_positions", "daily_loss", "vix_regime", "spread"} - set(gates) == {"spread"}
    assert gates["size"]["quantity"] == 19.0
    assert gates["max_positions"] == {
        "passed": True,
        "reason": "Positions 0/5",
        "observed": 0,
        "limit": 5,
    }


def test_a_broker_that_does_not_show_its_books_stops_entries_not_the_run(
    bench: TradingBench,
) -> None:
    bench.broker.fail("account", BrokerUnavailable("503"))
    number = bench.recommend()
    bench.dispatch()
    found = bench.recommendation(number)
    assert found["status"] == "SKIPPED"
    assert "Daily loss unknown: refused" in found["failure_reason"]
    assert "Buying power unknown: refused" in found["failure_reason"]
    assert not bench.broker.submitted


@pytest.mark.parametrize("missing", ["quotes", "vix", "bars", "features"])
def test_a_fact_that_is_missing_refuses_the_entry(bench: TradingBench, missing: str) -> None:
    number = bench.recommend()
    match missing:
        case "quotes":
            bench.market.down = True
        case "vix":
            bench.vix(18.0, DAY_AFTER)
            bench.run("UPDATE vix_history SET day = '2026-01-30' WHERE day = :d", d=DAY_BEFORE)
        case "bars":
            bench.run("UPDATE lane_telemetry SET ts = ts - interval '3 minutes'")
        case "features":
            bench.run(
                "UPDATE lane_features SET ts = ts - interval '301 s',"
                " computed_at = computed_at - interval '301 s'"
            )
    bench.dispatch()
    assert bench.recommendation(number)["status"] == "SKIPPED"
    assert not bench.broker.submitted


def test_an_elevated_vix_halves_the_size(bench: TradingBench) -> None:
    bench.vix(30.0)
    bench.recommend()
    bench.dispatch()
    assert bench.order()["quantity"] == 9


def test_a_loss_over_the_limit_latches_the_kill_switch(bench: TradingBench) -> None:
    bench.broker.last_equity = Decimal(100_512)
    bench.recommend()
    bench.dispatch()
    bench.next_minute()
    number = bench.recommend()
    bench.dispatch()

    assert (
        "KILL SWITCH: Daily loss $512 exceeds limit $500"
        in (bench.recommendation(number)["failure_reason"])
    )
    # The loss is made good, the switch stays: it latches for the session.
    bench.broker.last_equity = Decimal(100_000)
    bench.next_minute()
    again = bench.recommend()
    bench.dispatch()
    assert (
        "Halted by kill switch: KILL SWITCH: Daily loss $512"
        in (bench.recommendation(again)["failure_reason"])
    )


def test_the_first_entry_of_the_next_session_passes_the_kill_switch(bench: TradingBench) -> None:
    bench.set_account(kill_switch="Daily loss $512", kill_switch_day="2026-02-04")
    bench.clock.at = new_york_time(DAY_AFTER, 11)
    bench.vix(18.0, bench.rows("SELECT DATE '2026-02-04' AS day")[0]["day"])
    bench.quote("AAA")
    number = bench.recommend()
    bench.dispatch()
    assert bench.verdict(number, "trading_state")["passed"] is True
    assert bench.order()["recommendation_id"] == number
    assert "kill_switch" not in bench.alerts()


def test_a_halt_by_the_operator_stops_the_run_between_two_entries(
    bench: TradingBench, owner_db: Database
) -> None:
    bench.quote("BBB")
    bench.recommend()
    second = bench.recommend("BBB")

    def halt(_: OrderRequest) -> None:
        with owner_db.transaction() as tx:
            tx.execute("UPDATE accounts SET operator_halt = 'lunch'")

    bench.broker.on_submit = halt
    bench.dispatch()
    assert bench.recommendation(second)["failure_reason"] == "Halted by operator: lunch"


def test_a_sell_is_handed_to_the_position_manager(bench: TradingBench) -> None:
    bench.buy()
    bench.next_minute()
    number = bench.recommend(action="SELL")

    outcome = bench.dispatch()

    assert outcome.processed == 1
    assert bench.position()["exit_requested"] == "signal"
    assert bench.recommendation(number)["status"] == "EXECUTED"
    assert not [order for order in bench.broker.submitted if order.side == "sell"]
    bench.guard()
    assert bench.order("exit")["reason"] == "signal"


def test_a_sell_of_what_is_not_held_is_refused_and_counted_so(bench: TradingBench) -> None:
    number = bench.recommend(action="SELL")
    outcome = bench.dispatch()
    assert (outcome.skipped, outcome.processed) == (1, 0)
    assert bench.recommendation(number)["failure_reason"] == "AAA is not held"


def test_halted_entries_do_not_stop_a_sell(bench: TradingBench) -> None:
    bench.buy()
    bench.set_account(operator_halt="lunch")
    number = bench.recommend(action="SELL")
    bench.dispatch()
    assert bench.recommendation(number)["status"] == "EXECUTED"


def test_an_unknown_outcome_stops_further_entries_of_the_run(bench: TradingBench) -> None:
    bench.quote("BBB")
    bench.broker.fail("submit", BrokerOutcomeUnknown("no answer"), after_effect=True)
    bench.recommend()
    second = bench.recommend("BBB")
    assert bench.dispatch().processed == 1
    assert bench.order()["status"] == "unknown"
    assert bench.recommendation(second)["status"] == "PENDING"


def test_a_dry_run_decides_all_sends_nothing_and_keeps_nothing(bench: TradingBench) -> None:
    bench.quote("BBB")
    number = bench.recommend()
    bench.recommend("BBB", confidence=0.1)
    outcome = bench.dispatch(dry_run=True)
    assert (outcome.pulled, outcome.processed, outcome.skipped) == (2, 1, 1)
    assert bench.recommendation(number)["status"] == "PENDING"
    assert not bench.broker.submitted
    assert not bench.orders()
    assert not bench.rows("SELECT 1 FROM dispatcher_runs")


def test_keys_of_another_account_stop_the_run(bench: TradingBench) -> None:
    bench.broker.fail("account", AccountMismatch("another account"))
    number = bench.recommend()
    with pytest.raises(AccountMismatch):
        bench.dispatch()
    assert bench.recommendation(number)["status"] == "PENDING"
    assert not bench.broker.submitted


def test_each_run_leaves_its_counts(bench: TradingBench) -> None:
    bench.recommend()
    bench.recommend("ZZZ")
    bench.dispatch()
    (run,) = bench.rows("SELECT * FROM dispatcher_runs")
    assert (run["pulled_count"], run["processed_count"], run["skipped_count"]) == (2, 1, 1)
    assert run["finished_at"] == bench.clock.now()
